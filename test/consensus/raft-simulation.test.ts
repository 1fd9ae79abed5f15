/**
 * Shows that the Raft core keeps its promises under seeded faults: loss, delay across terms,
 * reordering, duplication, partitions of every shape, slow disks, crashes that lose what was not
 * durable, snapshots and compaction, changes of members; and that after they end it converges and serves. The harness checks the invariants at
 * every step; a failure names its seed.
 */
import { describe, expect, it } from 'vitest'
import { CALM } from './core-cluster.js'
import { members } from './disk.js'
import { Cluster } from './harness.js'

const SEEDS_PER_SHAPE = 60

interface Totals {
  commits: number
  crashes: number
  leaderChanges: number
  reads: number
  loads: number
  installs: number
  changes: number
  leasedReads: number
}

interface Shape {
  readonly voters: number
  readonly learners: number
  /** Nodes that join and leave. */
  readonly spares: number
  readonly leaseDriftMs?: number
}

function runSeed(seed: number, shape: Shape, totals: Totals): void {
  const limits = { tailEntriesMax: 8, windowMessagesMax: 4, messageEntriesMax: 3, uncommittedBytesMax: 4096 }
  const cluster = new Cluster({ seed, ...shape, limits })
  const { random } = cluster
  const ids = [...cluster.nodes.keys()]
  const anyNode = () => cluster.node(ids[Math.floor(random() * ids.length)] as string)
  for (let round = 0; round < 40; round++) {
    cluster.faults = {
      drop: random() < 0.5 ? 0 : random() * 0.3,
      duplicate: random() * 0.2,
      delayMaxMs: random() < 0.7 ? 3 : 60,
      storeMaxMs: random() < 0.8 ? 3 : 80,
    }
    misbehave(cluster, anyNode)
    if (shape.spares > 0 && random() < 0.4) changeMembers(cluster)
    if (random() < 0.5) cluster.snapshot(anyNode())
    for (let i = 0; i < 6; i++) {
      const node = random() < 0.6 ? (cluster.leader() ?? anyNode()) : anyNode()
      cluster.propose(node, 16 + Math.floor(random() * 200))
      if (random() < 0.6) cluster.read(anyNode())
      cluster.runFor(random() * 40)
    }
  }
  settle(cluster)
  totals.commits += cluster.committed.length
  totals.crashes += cluster.counts.crashes
  totals.leaderChanges += cluster.counts.leaderChanges
  totals.reads += cluster.counts.reads
  totals.loads += cluster.counts.loads
  totals.installs += cluster.counts.installs
  totals.changes += cluster.counts.changes
  totals.leasedReads += cluster.counts.leasedReads
}

/** Any members whatever: voters added and removed in one step, learners, the leader itself. */
function changeMembers(cluster: Cluster): void {
  const { random } = cluster
  const leader = cluster.leader()
  if (leader === undefined) return
  const all = members(cluster.nodes.size).members
  const target = all
    .filter(() => random() < 0.7)
    .map(({ wasVoter: _, ...rest }) => {
      const voter = random() < 0.8
      return { ...rest, role: voter ? ('voter' as const) : ('learner' as const), promote: !voter && random() < 0.5 }
    })
  cluster.change(leader, target)
}

function misbehave(cluster: Cluster, anyNode: () => ReturnType<Cluster['node']>): void {
  const { random } = cluster
  const ids = [...cluster.nodes.keys()]
  const choice = random()
  if (choice < 0.2) cluster.crash(random() < 0.4 ? (cluster.leader() ?? anyNode()) : anyNode())
  else if (choice < 0.45) for (const id of ids) cluster.restart(cluster.node(id))
  else if (choice < 0.55) {
    const side = ids.filter(() => random() < 0.5)
    cluster.partition(
      side,
      ids.filter((id) => !side.includes(id)),
    )
  } else if (choice < 0.65) {
    // Asymmetric and partial: single directions of single links.
    for (const from of ids) for (const to of ids) if (random() < 0.25) cluster.cut.add(`${from}>${to}`)
  } else if (choice < 0.8) cluster.heal()
  else if (choice < 0.87) cluster.step(anyNode(), { type: 'paused', pausedMs: 400 })
  else if (choice < 0.95) {
    const target = anyNode().id
    const leader = cluster.leader()
    if (leader !== undefined)
      cluster.step(leader, { type: 'order', orderId: 1, order: { kind: 'transferLeadership', target } })
  }
}

/** The faults end: soon there is a leader, it commits, everybody has the same log. */
function settle(cluster: Cluster): void {
  cluster.faults = CALM
  cluster.heal()
  for (const id of cluster.nodes.keys()) cluster.restart(cluster.node(id))
  cluster.runFor(1000)
  const elected = cluster.runFor(5000, () => cluster.leader() !== undefined)
  expect(elected, 'a leader is elected').toBe(true)
  const before = cluster.committed.length
  for (let i = 0; i < 3; i++) cluster.propose(cluster.leader() as NonNullable<ReturnType<Cluster['leader']>>)
  const reads = cluster.counts.reads
  // Those that are no members (any more) hear nothing.
  const belongs = new Set(
    cluster
      .leader()
      ?.core.status()
      .membership.membership.members.map(({ id }) => id),
  )
  const nodes = [...cluster.nodes.values()].filter(({ id }) => belongs.has(id))
  for (const node of nodes) cluster.read(node)
  const done = () =>
    cluster.committed.length >= before + 3 &&
    cluster.counts.reads >= reads + nodes.length &&
    nodes.every((node) => node.commit === cluster.committed.length)
  expect(cluster.runFor(5000, done), 'everybody converges and every read is answered').toBe(true)
}

describe('a simulated cluster', () => {
  for (const [voters, learners, spares, leases] of [
    [1, 0, 0, false],
    [2, 0, 0, false],
    [3, 0, 0, false],
    [3, 1, 0, false],
    [4, 0, 0, false],
    [5, 0, 0, false],
    [1, 0, 3, false],
    [3, 0, 2, false],
    [4, 1, 2, false],
    [3, 0, 0, true],
    [3, 0, 2, true],
  ] as const) {
    const shape = { voters, learners, spares, ...(leases ? { leaseDriftMs: 10 } : {}) }
    it(`keeps every invariant with ${voters} voters, ${learners} learners, ${spares} spares, leases: ${leases}`, () => {
      const totals: Totals = {
        commits: 0,
        crashes: 0,
        leaderChanges: 0,
        reads: 0,
        loads: 0,
        installs: 0,
        changes: 0,
        leasedReads: 0,
      }
      for (let seed = 1; seed <= SEEDS_PER_SHAPE; seed++) {
        try {
          runSeed(seed, shape, totals)
        } catch (cause) {
          throw new Error(`seed ${seed}, ${voters}+${learners}+${spares}: ${(cause as Error).message}`, {
            cause,
          })
        }
      }
      // A fault that never happened has tested nothing.
      expect(totals.commits).toBeGreaterThan(SEEDS_PER_SHAPE * 10)
      expect(totals.crashes).toBeGreaterThan(SEEDS_PER_SHAPE)
      expect(totals.leaderChanges).toBeGreaterThan(SEEDS_PER_SHAPE)
      expect(totals.reads).toBeGreaterThan(SEEDS_PER_SHAPE)
      if (voters > 2) expect(totals.installs).toBeGreaterThan(SEEDS_PER_SHAPE / 10)
      if (spares > 0) expect(totals.changes).toBeGreaterThan(SEEDS_PER_SHAPE)
      if (leases) expect(totals.leasedReads).toBeGreaterThan(SEEDS_PER_SHAPE)
      if (voters > 1) expect(totals.loads).toBeGreaterThan(SEEDS_PER_SHAPE / 10)
    })
  }
})
