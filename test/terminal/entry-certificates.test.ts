/**
 * Shows that `log verify` proves every entry of a Byzantine cluster's log from the disk and the cluster
 * file alone, over a change of members and behind a compaction, that no changed certificate passes, and
 * that inspection tells the view or round.
 */
import { expect, test } from 'vitest'
import type { ClusterConfiguration } from '../../src/consensus/configuration.js'
import { DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import type { Entry } from '../../src/consensus/entry.js'
import { decodeMembership } from '../../src/consensus/membership.js'
import type { NodeId } from '../../src/consensus/types.js'
import { nodeId } from '../../src/consensus/types.js'
import { compareLogs } from '../../src/storage/log-compare.js'
import { inspectLog } from '../../src/storage/log-inspect.js'
import { type VerifiedLog, verifyLog } from '../../src/storage/log-verify.js'
import { MemoryFiles } from '../../src/storage/memory-files.js'
import { createLog, openLog } from '../../src/storage/open-log.js'
import { certificateVerifier } from '../../src/terminal/logs/certificates.js'
import type { ByzantineCluster } from '../consensus/bft/cluster.js'
import { begun } from '../consensus/bft/hotstuff-harness.js'
import { holds, replica, replicasOf } from '../consensus/bft/keys.js'
import { pbftCluster } from '../consensus/bft/pbft-harness.js'
import { CLUSTER_ID, CONFIG_HASH } from '../consensus/disk.js'
import { baseAt } from '../storage/journal-fixture.js'

const LOG = 'data/log'
const LOOK = { pause: async (): Promise<void> => undefined }
const IDENTITY = { clusterId: CLUSTER_ID, nodeId: 'n1', incarnation: new Uint8Array(16) }

function configurationOf(protocol: 'pbft' | 'hotstuff' | 'raft', count: number): ClusterConfiguration {
  const members = replicasOf(count).members.map(({ id, publicKey, address, zone }) => ({
    id,
    publicKey,
    address,
    zone,
  }))
  return { clusterId: CLUSTER_ID, protocol, genesis: members, members, clients: [], settings: DEFAULT_SETTINGS }
}

async function stored(entries: readonly Entry[], compactTo: number | null = null): Promise<MemoryFiles> {
  const files = new MemoryFiles({ random: () => 0.5 })
  await files.mkdir(LOG)
  await createLog(files, LOG, IDENTITY)
  const log = await openLog({ files, directory: LOG, identity: IDENTITY, segmentBytesMax: 4000 })
  for (const entry of entries) await log.append([{ kind: 'entries', entries: [entry] }])
  if (compactTo === null) return files
  const change = entries.slice(0, compactTo).findLast(({ kind }) => kind === 'membership')
  const membership = change === undefined ? null : { index: change.index, membership: decodeMembership(change.body) }
  await log.append([{ kind: 'base', base: baseAt(entries[compactTo - 1] as Entry, membership) }])
  return files
}

function verify(files: MemoryFiles, protocol: 'pbft' | 'hotstuff', count: number): Promise<VerifiedLog> {
  const configuration = configurationOf(protocol, count)
  const verifyCertificate = certificateVerifier(configuration, { clusterConfigHash: CONFIG_HASH, holds })
  return verifyLog(files, LOG, { ...LOOK, verifyCertificate })
}

function work(cluster: ByzantineCluster, count: number, members: readonly string[]): void {
  const nodes = members.map((id) => cluster.node(id))
  const names = Array.from({ length: count }, () => cluster.submit())
  if (!cluster.runFor(20_000, () => names.every((name) => cluster.executedBy(name, nodes)))) throw new Error('stuck')
}

const FOUR = ['n1', 'n2', 'n3', 'n4']

function entriesOf(protocol: 'pbft' | 'hotstuff'): readonly Entry[] {
  const cluster = protocol === 'pbft' ? pbftCluster({ batchMax: 1 }) : begun({ batchMax: 1 })
  work(cluster, 12, FOUR)
  return cluster.node('n1').disk.entries
}

test.each(['pbft', 'hotstuff'] as const)(
  'every entry of a %s log is proven, and no changed certificate is',
  async (protocol) => {
    const entries = entriesOf(protocol)
    const verified = await verify(await stored(entries), protocol, 4)
    expect(verified).toMatchObject({ ok: true, entries: entries.length, certificates: entries.length, problems: [] })
    const at = 5
    const good = entries[at] as Entry
    const bytes = good.certificate as Uint8Array
    const variants: (Uint8Array | null)[] = [null, new Uint8Array(0), (entries[at - 1] as Entry).certificate]
    for (let offset = 0; offset < bytes.length; offset += 11) {
      const changed = bytes.slice()
      changed[offset] = (changed[offset] as number) ^ (1 << (offset % 8))
      variants.push(changed)
    }
    for (const [i, certificate] of variants.entries()) {
      const files = await stored(entries.map((entry) => (entry === good ? { ...entry, certificate } : entry)))
      const { ok, problems } = await verify(files, protocol, 4)
      expect([i, ok, problems.map(({ index, kind }) => [index, kind])]).toEqual([i, false, [[at + 1, 'certificate']]])
    }
    // Other members than those that signed.
    expect((await verify(await stored(entries), protocol, 5)).problems).toHaveLength(entries.length)
  },
)

test('over a change of members, from the beginning and behind a compaction', async () => {
  const cluster = pbftCluster({ count: 5, batchMax: 1 })
  work(cluster, 10, [...FOUR, 'n5'])
  const target = FOUR.map((id) => {
    const { wasVoter: _, ...member } = replica(nodeId(id))
    return { ...member, role: 'voter' as const }
  })
  cluster.order(cluster.leader() as NonNullable<ReturnType<typeof cluster.leader>>, target)
  const moved = (): boolean => FOUR.every((id) => cluster.node(id).core.status().epoch === 1)
  expect(cluster.runFor(5000, moved)).toBe(true)
  work(cluster, 10, FOUR)
  const { entries } = cluster.node('n1').disk
  const init = entries.findIndex((entry) => entry.epoch === 1)
  expect(init).toBeGreaterThan(10)
  for (const compactTo of [null, 4, init, init + 3]) {
    const { ok, problems, certificates } = await verify(await stored(entries, compactTo), 'pbft', 5)
    expect([compactTo, ok, problems]).toEqual([compactTo, true, []])
    expect(certificates).toBe(entries.length - (compactTo ?? 0))
  }
})

test('inspection tells the view of PBFT and the round of HotStuff', async () => {
  const cluster = pbftCluster({ batchMax: 1 })
  work(cluster, 3, FOUR)
  const dead = cluster.leader() as { id: NodeId }
  cluster.crash(cluster.node(dead.id))
  work(
    cluster,
    3,
    FOUR.filter((id) => id !== dead.id),
  )
  const reader = FOUR.find((id) => id !== dead.id) as string
  const { entries } = await inspectLog(await stored(cluster.node(reader).disk.entries), LOG, LOOK)
  expect(entries[1]?.view).toBe(0)
  expect(entries.at(-1)?.view).toBeGreaterThan(0)
  const rounds = (await inspectLog(await stored(entriesOf('hotstuff')), LOG, LOOK)).entries.map(({ view }) => view)
  expect(rounds.every((round, i) => round !== null && round > (rounds[i - 1] ?? 0))).toBe(true)
})

test.each(['pbft', 'hotstuff'] as const)(
  'two %s logs are equal whatever quorum each has signatures of',
  async (protocol) => {
    const cluster = protocol === 'pbft' ? pbftCluster({ batchMax: 1 }) : begun({ batchMax: 1 })
    work(cluster, 6, FOUR)
    const [one, other] = [cluster.node('n1').disk.entries, cluster.node('n3').disk.entries]
    const stripped = other.map((entry) => ({ ...entry, certificate: new Uint8Array([1]) }))
    const files = await stored(one)
    for (const [at, entries] of [other, stripped].entries()) {
      const directory = `other${at}/log`
      await files.mkdir(directory)
      await createLog(files, directory, IDENTITY)
      const log = await openLog({ files, directory, identity: IDENTITY })
      for (const entry of entries) await log.append([{ kind: 'entries', entries: [entry] }])
      expect((await compareLogs(files, LOG, directory)).partsAt).toBeNull()
    }
  },
)

test('plain Raft needs no certificates', () => {
  expect(certificateVerifier(configurationOf('raft', 3))).toBeNull()
})
