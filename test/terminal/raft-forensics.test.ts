/**
 * Shows who is convicted where two logs part within one Raft epoch of a hybrid: the leader that signed both, by what
 * the two members keep, as long as both are at hand; and nobody by entries alone, or by what honest leaders of
 * different terms leave behind.
 */
import { describe, expect, it } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { decodeEpochRecord, encodeEpochRecord } from '../../src/consensus/hybrid/epoch-record.js'
import { ofLogFiles } from '../../src/terminal/forensics/report.js'
import type { ByzantineCluster, Node } from '../consensus/bft/cluster.js'
import { holds } from '../consensus/bft/keys.js'
import { describeNodes, leaderOf, settle } from '../consensus/bft/steps.js'
import { CONFIG_HASH, sha256 } from '../consensus/disk.js'
import { hybridCluster } from '../consensus/hybrid/harness.js'
import { RaftLiar } from '../consensus/hybrid/liar.js'
import { hybridConfiguration, logOf, type StoredNode, storedNodes } from './hybrid-logs.js'

const COUNT = 4

function begun(seed: number): { readonly cluster: ByzantineCluster; readonly leader: Node } {
  const cluster = hybridCluster({ count: COUNT, seed, batchMax: 1 })
  for (let i = 0; i < 3; i++) settle(cluster, [cluster.submit()])
  cluster.runFor(1000)
  return { cluster, leader: leaderOf(cluster) }
}

function forensicsOf(a: StoredNode, b: StoredNode) {
  const trust = { sha256, configuration: hybridConfiguration(COUNT), clusterConfigHash: CONFIG_HASH, holds }
  return storedNodes([a, b]).then((files) => ofLogFiles(files, trust, [a.id, b.id], [logOf(a), logOf(b)]))
}

/** A leader that tells one member another history, and three members that have not found out. */
function forked(seed: number): { readonly leader: Node; readonly knows: Node; readonly victim: Node } {
  const { cluster, leader } = begun(seed)
  cluster.lie(leader.id)
  const [knows, , victim] = cluster.honest as [Node, Node, Node]
  const liar = new RaftLiar(leader.id, cluster.options.membership)
  liar.fork([victim.id], leader.core.status().lastIndex + 1)
  cluster.intercept = (from, to, message) => {
    if (from !== leader.id || to !== victim.id) return null
    if (message.type === 'hybridCommit') return []
    return message.type === 'hybridAppend' ? [liar.forked({ ...message, commit: null, proof: null })] : null
  }
  settle(cluster, [cluster.submit()], { nodes: [knows] })
  const hasForked = (): boolean => victim.disk.entries.length >= knows.disk.entries.length
  if (!cluster.runFor(1000, hasForked)) throw new Error(describeNodes(cluster))
  return { leader, knows, victim }
}

/** Without what a member keeps beside its entries. */
function bare({ id, core, disk }: Node): StoredNode {
  const record = decodeEpochRecord(disk.safety as Uint8Array)
  return {
    id,
    core,
    disk: { entries: disk.entries, safety: encodeEpochRecord({ ...record, inner: null }), aborts: [] },
  }
}

describe('two logs that part within a Raft epoch', () => {
  it('convict the leader that signed both', async () => {
    for (const seed of [1, 2, 3]) {
      const { leader, knows, victim } = forked(seed)
      const report = await forensicsOf(knows, victim)
      expect(report).toMatchObject({
        verdict: 'contradiction',
        culprits: [{ id: leader.id, reason: 'equivocation' }],
        suspects: [],
      })
      expect(report.culprits[0]?.evidenceId).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  it('convict nobody by their entries alone', async () => {
    const { knows, victim } = forked(4)
    expect(await forensicsOf(bare(knows), victim)).toMatchObject({ verdict: 'unknown', culprits: [] })
    expect(await forensicsOf(bare(knows), bare(victim))).toMatchObject({ verdict: 'unknown', culprits: [] })
  })

  it('convict nobody where a later leader replaced what an earlier one left', async () => {
    const { cluster, leader: first } = begun(9)
    const others = [...cluster.nodes.values()].filter((node) => node !== first)
    // It appends what nobody gets, and falls.
    cluster.partition(
      [first.id],
      others.map(({ id }) => id),
    )
    cluster.submit([first.id])
    cluster.runFor(20)
    cluster.crash(first)
    expect(first.disk.entries.length).toBeGreaterThan(others[0]?.disk.entries.length ?? 0)
    settle(cluster, [cluster.submit()], { nodes: others })
    cluster.runFor(1000)
    const report = await forensicsOf(first, others[0] as Node)
    expect(report).toMatchObject({ verdict: 'unknown', culprits: [], suspects: [] })
  })

  it('are read whatever a liar keeps', async () => {
    const { knows, victim } = forked(5)
    const safety = new Uint8Array([1, 2, 3])
    const { entries } = victim.disk
    const report = await forensicsOf(knows, { ...victim, disk: { entries, safety, aborts: [] } })
    expect(report).toMatchObject({ verdict: 'unknown', culprits: [] })
    expect(() => decodeEpochRecord(safety)).toThrow(KnhkError)
  })
})
