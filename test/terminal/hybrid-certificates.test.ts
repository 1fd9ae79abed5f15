/**
 * Shows that `log verify` proves the log of a hybrid cluster from the cluster file and the links that a node
 * keeps: over a change of members in Raft, the switch to PBFT, a change of members there, and behind a
 * compaction. No changed entry, term, certificate or link passes.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import { type ClusterConfiguration, DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import { type Entry, makeEntry } from '../../src/consensus/entry.js'
import type { EpochLink } from '../../src/consensus/hybrid/epoch-links.js'
import { certificateVerifier } from '../../src/terminal/logs/certificates.js'
import { holds, replicasOf } from '../consensus/bft/keys.js'
import { describeNodes } from '../consensus/bft/steps.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../consensus/disk.js'
import { targetOf } from '../consensus/engine.js'
import { hybridCluster } from '../consensus/hybrid/harness.js'

const COUNT = 6

const configuration: ClusterConfiguration = {
  clusterId: CLUSTER_ID,
  protocol: 'hybrid',
  genesis: replicasOf(COUNT).members.map(({ id, publicKey, address, zone }) => ({ id, publicKey, address, zone })),
  members: [],
  clients: [],
  settings: DEFAULT_SETTINGS,
}

interface History {
  readonly entries: readonly Entry[]
  readonly links: readonly EpochLink[]
}

/** Raft with six, Raft with five, PBFT with five, PBFT with four. */
function lived(): History {
  const cluster = hybridCluster({ count: COUNT, seed: 21 })
  const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i + 1}`)
  const write = (count: number, members: number): void => {
    const nodes = names(members).map((id) => cluster.node(id))
    for (let i = 0; i < count; i++) {
      const name = cluster.submit()
      if (!cluster.runFor(30_000, () => cluster.executedBy(name, nodes))) throw new Error(describeNodes(cluster))
    }
  }
  const until = (done: () => boolean): void => {
    if (!cluster.runFor(30_000, done)) throw new Error(describeNodes(cluster))
  }
  const shrink = (members: number): void => {
    const leader = cluster.leader()
    if (leader === undefined) throw new Error('nobody leads')
    const { epoch } = leader.core.status()
    cluster.order(leader, targetOf({ joint: false, members: replicasOf(members).members }))
    until(() => names(members).every((id) => cluster.node(id).core.status().epoch === epoch + 1))
  }
  write(3, 6)
  shrink(5)
  write(3, 5)
  for (const id of names(5))
    cluster.step(cluster.node(id), { type: 'order', orderId: 1, order: { kind: 'setMode', mode: 'bft' } })
  until(() => names(5).every((id) => cluster.node(id).core.status().mode === 'pbft'))
  write(3, 5)
  shrink(4)
  write(3, 4)
  const node = cluster.node('n1')
  return { entries: node.disk.entries, links: node.core.epochLinks?.() ?? [] }
}

const history = lived()

/** Indexes whose entries do not hold. */
function problems({ entries, links }: History): number[] {
  const verify = certificateVerifier(configuration, { clusterConfigHash: CONFIG_HASH, holds, links })
  if (verify === null) throw new Error('a hybrid log is verified')
  return entries.filter((entry) => verify(entry, null) !== null).map(({ index }) => index)
}

const of = (epoch: number): Entry[] => history.entries.filter((entry) => entry.epoch === epoch)
const changed = (at: Entry, by: Partial<Entry>): History => ({
  ...history,
  entries: history.entries.map((entry) => (entry === at ? { ...entry, ...by } : entry)),
})
const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))

describe('the log of a hybrid', () => {
  it('holds from the beginning and from anywhere behind it', () => {
    expect([0, 1, 2, 3].map((epoch) => of(epoch).length > 0)).toEqual([true, true, true, true])
    expect(history.links.map(({ kind }) => kind)).toEqual(['switch', 'switch', 'wedge'])
    expect(problems(history)).toEqual([])
    for (const skipped of [4, 8, 14])
      expect(problems({ ...history, entries: history.entries.slice(skipped) })).toEqual([])
  })

  it('shows nothing of epochs whose beginning is not shown', () => {
    const later = history.entries.filter(({ epoch }) => epoch > 1).map(({ index }) => index)
    expect(problems({ ...history, links: history.links.filter((_, at) => at !== 1) })).toEqual(later)
  })

  it('is not believed with links that are not those of its members', () => {
    const [first, second, third] = history.links as [EpochLink, EpochLink, EpochLink]
    if (first.kind !== 'switch' || third.kind !== 'wedge') throw new Error('other links than expected')
    const { certificate } = first.certificate
    const signatures = certificate.signatures.map(flipped)
    const forged = { ...first, certificate: { ...first.certificate, certificate: { ...certificate, signatures } } }
    const all = history.entries.map(({ index }) => index)
    expect(problems({ ...history, links: [forged, second, third] })).toEqual(all)
    expect(problems({ ...history, links: [second, second, third] })).toHaveLength(all.length - of(0).length)
  })

  it('has its certificates in Byzantine epochs', () => {
    const [, entry] = of(2) as [Entry, Entry]
    expect(problems(changed(entry, { certificate: null }))).toEqual([entry.index])
    expect(problems(changed(entry, { certificate: flipped(entry.certificate as Uint8Array) }))).toEqual([entry.index])
  })

  it('has the certificates of its terms, and the signatures of clients, in Raft epochs', () => {
    const first = of(0)[0] as Entry
    expect(first.kind).toBe('mode')
    expect(problems(changed(first, { body: flipped(first.body) }))).toEqual([first.index])
    const data = of(1).find(({ kind }) => kind === 'data') as Entry
    expect(problems(changed(data, { body: flipped(data.body) }))).toEqual([data.index])
    expect(problems(changed(data, { certificate: new Uint8Array(8) }))).toEqual([data.index])
    const change = of(0).at(-1) as Entry
    expect(change.kind).toBe('membership')
    expect(problems(changed(change, { body: flipped(change.body) }))).toEqual([change.index])
  })

  it('ends its Raft epochs where their certificates say', () => {
    const last = of(1).at(-1) as Entry
    const { body, kind } = last
    const other = makeEntry(
      sha256,
      { ...last, timestampMs: last.timestampMs + 1, batchDigest: computeBatchDigest(sha256, kind, body) },
      body,
    )
    expect(
      problems({ ...history, entries: history.entries.map((entry) => (entry === last ? other : entry)) }),
    ).toContain(last.index)
  })
})
