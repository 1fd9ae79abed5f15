/**
 * Shows clusters that run in this process, with TLS and disk: what is configured wrongly is refused by name, what is
 * configured differently stays apart, proposals are applied once and tell their rejections, waiting ends, and a node
 * comes back with what it had.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { describeCertificate } from '../../src/consensus/bft/describe-certificate.js'
import type { ClientRole } from '../../src/consensus/configuration.js'
import { generateKeyPair } from '../../src/crypto/keys.js'
import { BftCluster } from '../../src/library/bft-cluster.js'
import type { ConsensusConfig } from '../../src/library/config.js'
import { freeAddresses } from '../../src/library/free-addresses.js'
import { HybridConsensus } from '../../src/library/hybrid-consensus.js'
import { RaftCluster } from '../../src/library/raft-cluster.js'
import { ReplicatedStateMachine } from '../../src/library/state-machine.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const put = (key: string, value: string) => kvOperation({ operation: 'kv.put', key: bytes(key), value: bytes(value) })
const ignored = () => undefined

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** What each of `count` processes says, one client in all of them. */
async function configs(count: number, role: ClientRole = 'admin'): Promise<ConsensusConfig[]> {
  const base = await mkdtemp(join(tmpdir(), 'knhk-library-'))
  undo.push(() => rm(base, { recursive: true, force: true }))
  const [clientKey, addresses] = [await generateKeyPair(), await freeAddresses(count)]
  const keys = await Promise.all(addresses.map(() => generateKeyPair()))
  const clients = [{ id: 'app', publicKey: clientKey.publicKey, role }]
  const peers = keys.map(({ publicKey }, i) => ({ id: `n${i + 1}`, address: addresses[i] ?? '', publicKey }))
  return keys.map((key, i) => ({
    nodeId: `n${i + 1}`,
    dataDir: join(base, `n${i + 1}`),
    key,
    peers,
    clients,
    clientKey,
  }))
}

function kept<T extends { stop(): Promise<void> }>(cluster: T): T {
  undo.push(() => cluster.stop().catch(ignored))
  return cluster
}

async function one(role?: ClientRole): Promise<ConsensusConfig> {
  return (await configs(1, role))[0] as ConsensusConfig
}

describe('a configuration', () => {
  it('is refused by name where it cannot be meant', async () => {
    const good = await one()
    const stranger = await generateKeyPair()
    const refused = (part: Partial<ConsensusConfig>) => expect(RaftCluster.start({ ...good, ...part })).rejects
    await refused({ nodeId: 'n2' }).toThrow(/none of the peers/)
    await refused({ key: stranger }).toThrow(/another key/)
    await refused({ clientKey: stranger }).toThrow(/none of the clients/)
    await refused({ clients: [{ id: 'app', publicKey: good.key.publicKey, role: 'admin' }] }).toMatchObject({
      code: 'InvalidClusterFile',
    })
    await expect(RaftCluster.start({ ...good, heartbeatIntervalMs: 100 })).rejects.toThrow(/heartbeatIntervalMs/)
    await expect(BftCluster.start({ ...good, protocol: 'pbft' })).rejects.toThrow(/at least 4 peers/)
    await expect(RaftCluster.builder().nodeId('n1').key(good.key).start()).rejects.toMatchObject({
      code: 'InvalidArgument',
      details: { missing: 'peers,dataDir,clients,clientKey' },
    })
  })

  it('makes the same cluster in every process, and another one by another name', async () => {
    const [first, second] = await configs(2)
    if (first === undefined || second === undefined) throw new Error('two')
    const [a, b] = await Promise.all([RaftCluster.start(first), RaftCluster.start(second)])
    kept(a)
    kept(b)
    expect(b.configuration).toEqual(a.configuration)
    const other = kept(
      await RaftCluster.start({
        ...first,
        dataDir: `${first.dataDir}-other`,
        clusterName: 'other',
        listen: '127.0.0.1:0',
      }),
    )
    expect(other.configuration.clusterId).not.toEqual(a.configuration.clusterId)
  })
})

describe('a Raft cluster', () => {
  it('applies what is proposed to any of them, and waits for one of them to have it', async () => {
    const all = await Promise.all((await configs(3)).map((config) => RaftCluster.start(config)))
    for (const cluster of all) kept(cluster)
    const results = await Promise.all(all.map((cluster, i) => cluster.propose(put(`key-${i}`, 'v'))))
    expect(new Set(results.map(({ index, position }) => `${index}:${position}`)).size).toBe(3)
    for (const [i, cluster] of all.entries()) {
      for (const { index } of results) await cluster.waitForCommit(index)
      expect(cluster.node.commitIndex).toBeGreaterThanOrEqual(results[i]?.index ?? 0)
      expect(await cluster.node.entry(results[i]?.index ?? (0 as never))).toMatchObject({
        kind: 'data',
        certificate: null,
      })
    }
    const leader = all.find(({ node }) => node.role === 'leader')
    expect(leader?.node.term).toBeGreaterThan(0)
    expect(leader?.node.metrics().proposalsSubmitted).toBeGreaterThan(0)
    expect((await all[0]?.status())?.nodes.map(({ reachable }) => reachable)).toEqual([true, true, true])
  })

  it('tells a rejection with its place, and what the client may not', async () => {
    const cluster = kept(await RaftCluster.start(await one('reader')))
    await expect(cluster.propose(put('a', '1'))).rejects.toMatchObject({
      code: 'NotPermitted',
      details: { role: 'writer', position: 0 },
    })
    await expect(cluster.snapshot()).rejects.toMatchObject({ code: 'NotPermitted' })
  })

  it('ends a wait at its deadline, by its signal, and when the node stops', async () => {
    const cluster = kept(await RaftCluster.start(await one()))
    await expect(cluster.waitForCommit(1_000_000, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'DeadlineExceeded',
    })
    const signal = AbortSignal.abort()
    await expect(cluster.waitForCommit(1_000_000, { signal })).rejects.toMatchObject({ code: 'Aborted' })
    const waiting = expect(cluster.waitForCommit(1_000_000)).rejects.toMatchObject({ code: 'Unreachable' })
    await cluster.stop()
    await waiting
    expect(await cluster.node.stopped).toBeNull()
  })

  it('comes back with what it had, and takes a snapshot of it', async () => {
    const config = await one()
    const before = await RaftCluster.start(config)
    const { index } = await before.propose(put('a', '1'))
    await before.stop()
    const after = kept(await RaftCluster.start(config))
    await after.waitForCommit(index)
    expect((await after.query('kv.get', { key: bytes('a') })).value).toMatchObject({ value: bytes('1') })
    const snapshot = await after.snapshot()
    expect(snapshot).toMatchObject({ node: 'n1', id: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(snapshot.index).toBeGreaterThanOrEqual(index)
  })
})

describe.each(['pbft', 'hotstuff'] as const)('a cluster with %s', (protocol) => {
  it('gives decisions with the certificate that its own replica keeps', async () => {
    const all = await Promise.all((await configs(4)).map((config) => BftCluster.start({ ...config, protocol })))
    for (const cluster of all) kept(cluster)
    const decision = await (all[0] as BftCluster).propose(put('a', '1'))
    expect(decision).toMatchObject({ mode: protocol, assurance: 'certified', result: { key: bytes('a') } })
    expect(decision.chain).toHaveLength(32)
    expect(describeCertificate(decision.certificate ?? bytes(''))).toMatchObject({ mode: protocol })
    await expect(
      (all[1] as BftCluster).propose({
        type: 'UpdateCaseState',
        caseId: '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11',
        newState: 'running',
        error: null,
      }),
    ).rejects.toMatchObject({ code: 'CaseNotFound' })
    const { view, round } = (all[0] as BftCluster).node
    expect(protocol === 'pbft' ? [view !== null, round] : [view, round !== null]).toEqual(
      protocol === 'pbft' ? [true, null] : [null, true],
    )
  })
})

describe('a hybrid of two builders', () => {
  it('takes what both say, and names what they contradict each other in', async () => {
    const config = await one()
    const raft = () => RaftCluster.builder().options({ ...config, heartbeatIntervalMs: 70 })
    const bft = () => BftCluster.builder().options({ requestTimeoutMs: 3000 })
    expect(HybridConsensus.of(raft(), bft().peers([...config.peers])).said).toEqual({
      ...config,
      heartbeatIntervalMs: 70,
      requestTimeoutMs: 3000,
    })
    const refused = (option: string) =>
      expect.objectContaining({ code: 'InvalidArgument', details: expect.objectContaining({ option }) })
    expect(() => HybridConsensus.of(raft(), bft().nodeId('n2'))).toThrow(refused('nodeId'))
    expect(() => HybridConsensus.of(raft(), bft().key(config.clientKey))).toThrow(refused('key'))
    expect(() => HybridConsensus.of(raft(), bft().options({ protocol: 'hotstuff' }))).toThrow(refused('protocol'))
    expect(() => HybridConsensus.of(raft().options({ leaseDriftMs: 5 }), bft())).toThrow(refused('leaseDriftMs'))
    expect(() => HybridConsensus.of(raft().options({ commitZones: 2 }), bft())).toThrow(refused('commitZones'))
    expect(() => HybridConsensus.of(raft().options({ preferredZones: ['a'] }), bft())).toThrow(
      refused('preferredZones'),
    )
    await expect(HybridConsensus.of(raft(), bft()).start()).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})

it('names of operations are checked, and a program sees its own state alone', () => {
  expect(() => new ReplicatedStateMachine('two words', {})).toThrow(/printable/)
  expect(() => new ReplicatedStateMachine('n', { ['x'.repeat(63)]: { apply: () => bytes('') } })).toThrow(/printable/)
  const machine = new ReplicatedStateMachine('n', { add: { version: 3, readOnly: true, apply: () => bytes('') } })
  expect(machine.op('add', 'ü')).toEqual({ type: 'Custom', operation: 'n.add', data: bytes('ü') })
  expect(machine.extensions.operations).toMatchObject([{ name: 'n.add', version: 3, namespace: 'n', role: 'writer' }])
})
