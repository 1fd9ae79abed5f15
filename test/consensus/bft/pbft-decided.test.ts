/**
 * Decided entries that a liar gives: what a replica has already is not looked at, so nothing that is said
 * there counts for anything. What ends an epoch is believed where it was verified only.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { encodeInit } from '../../../src/consensus/bft/init.js'
import { decodePbft, encodePbft } from '../../../src/consensus/bft/pbft/codec.js'
import { type Entry, makeEntry } from '../../../src/consensus/entry.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { epoch, type LogIndex, logIndex, type NodeId, nodeId, type Term } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import type { ByzantineCluster } from './cluster.js'
import { replica } from './keys.js'
import { pbftCluster } from './pbft-harness.js'

const LIAR = nodeId('n3')
const LATE = nodeId('n4')
const NONE = new Uint8Array(32)

/** An entry of kind `mode` in the next epoch, whose body is garbage or rests on a checkpoint that nobody signed. */
function fakeInit(cluster: ByzantineCluster, what: 'garbage' | 'forged', at: LogIndex, change: Entry): Entry {
  const statement = { type: 'checkpoint', mode: 'pbft', epoch: epoch(0), view: 0, sequence: change.index } as const
  const signatures = [0, 1, 2, 3].map(() => new Uint8Array(64))
  const certificate = {
    statement: { ...statement, digest: new Uint8Array(32).fill(7), extra: change.chain },
    signers: [0, 1, 2, 3],
    signatures,
  }
  const { membership } = cluster.node(LATE).core.status().membership
  const basis = { kind: 'checkpoint', certificate } as const
  const body =
    what === 'garbage'
      ? encodeBody([Uint8Array.of(9)])
      : encodeInit({ epoch: epoch(1), protocol: 'pbft', membership, basis })
  const batchDigest = computeBatchDigest(sha256, 'mode', body)
  const place = {
    epoch: epoch(1),
    term: 0 as Term,
    index: at,
    timestampMs: 0,
    kind: 'mode',
    previousChain: NONE,
  } as const
  const header = { ...place, clusterId: CLUSTER_ID, configHash: CONFIG_HASH, batchDigest }
  return makeEntry(sha256, header, body, Uint8Array.of(1))
}

/** Five replicas become four while n4 hears nothing of it; n3 is one of the four, and lies. */
function late(): { readonly cluster: ByzantineCluster; readonly change: Entry; readonly init: Entry } {
  const cluster = pbftCluster({ count: 5, seed: 3 })
  cluster.lie(LIAR)
  const name = cluster.submit()
  expect(cluster.runFor(20_000, () => cluster.executedBy(name))).toBe(true)
  cluster.runFor(1000)
  cluster.partition([LATE], ['n1', 'n2', 'n3', 'n5'].map(nodeId))
  const target = ['n1', 'n2', 'n3', 'n4'].map((id) => {
    const { wasVoter: _, ...member } = replica(nodeId(id))
    return { ...member, role: 'voter' as const }
  })
  cluster.order(cluster.leader() as never, target)
  const moved = (): boolean => cluster.node('n1').disk.entry(lastOf(cluster) + 2) !== undefined
  expect(cluster.runFor(5000, moved)).toBe(true)
  const [change, init] = [1, 2].map((at) => cluster.node('n1').disk.entry(lastOf(cluster) + at)) as [Entry, Entry]
  expect([change.kind, init.kind]).toEqual(['membership', 'mode'])
  return { cluster, change, init }
}

const lastOf = (cluster: ByzantineCluster): number => cluster.node(LATE).core.status().lastIndex

function give(cluster: ByzantineCluster, entries: readonly Entry[], from: NodeId = LIAR): void {
  const message = { type: 'pbftDecided', entries, lastIndex: entries.at(-1)?.index as LogIndex } as const
  cluster.inject(from, LATE, decodePbft(encodePbft(message)))
}

/** With the liar silent the four need n4: it has to rest the next epoch on what the others rest it on. */
function expectToGoOn(cluster: ByzantineCluster): void {
  cluster.intercept = (from) => (from === LIAR ? [] : null)
  cluster.heal()
  const name = cluster.submit(['n1', 'n2', 'n4'].map(nodeId))
  const honest = ['n1', 'n2', 'n4'].map((id) => cluster.node(id).id)
  const executed = (): boolean =>
    cluster.executedBy(
      name,
      honest.map((id) => cluster.node(id)),
    )
  expect(cluster.runFor(100_000, executed)).toBe(true)
}

describe('decided entries of a liar', () => {
  it.each(['garbage', 'forged'] as const)('bring no %s of another epoch along with a genuine entry', (what) => {
    const { cluster, change } = late()
    give(cluster, [fakeInit(cluster, what, logIndex(1), change), change])
    expect(cluster.rejected).toMatchObject([{ from: LIAR, to: LATE, type: 'pbftDecided' }])
    expect(cluster.node(LATE).core.status().epoch).toBe(0)
    expectToGoOn(cluster)
  })

  it.each(['garbage', 'forged'] as const)('bring no %s at a place that the log has already', (what) => {
    const { cluster, change, init } = late()
    give(cluster, [change], nodeId('n1'))
    expect(lastOf(cluster)).toBe(change.index)
    give(cluster, [fakeInit(cluster, what, change.index, change), init])
    expect(cluster.rejected).toEqual([])
    // INIT that follows was verified: the checkpoint in it is the one that ended the epoch.
    expect(cluster.node(LATE).core.status().epoch).toBe(1)
    expectToGoOn(cluster)
  })

  it('are refused with a gap, and twice at one place', () => {
    const { cluster, change, init } = late()
    give(cluster, [change], nodeId('n1'))
    const before = cluster.node('n1').disk.entry(1) as Entry
    for (const entries of [
      [before, init],
      [change, init],
      [init, fakeInit(cluster, 'forged', init.index, change)],
    ]) {
      give(cluster, entries)
    }
    expect(cluster.rejected).toHaveLength(3)
    expect(cluster.node(LATE).core.status().epoch).toBe(0)
    expectToGoOn(cluster)
  })
})
