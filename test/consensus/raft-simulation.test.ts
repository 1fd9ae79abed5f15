/**
 * Shows that the Raft core keeps its promises under seeded faults: loss, delay across terms,
 * reordering, duplication, partitions of every shape, slow disks, crashes that lose what was not
 * durable; and that after they end it converges and serves. The harness checks the invariants at
 * every step; a failure names its seed.
 */
import { describe, expect, it } from 'vitest'
import { CALM, Cluster } from './harness.js'

const SEEDS_PER_SHAPE = 60

interface Totals {
  commits: number
  crashes: number
  leaderChanges: number
  reads: number
  loads: number
}

function runSeed(seed: number, voters: number, learners: number, totals: Totals): void {
  const limits = { tailEntriesMax: 8, windowMessagesMax: 4, messageEntriesMax: 3, uncommittedBytesMax: 4096 }
  const cluster = new Cluster({ seed, voters, learners, limits })
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
    if (leader !== undefined) cluster.step(leader, { type: 'order', order: { kind: 'transferLeadership', target } })
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
  for (const node of cluster.nodes.values()) cluster.read(node)
  const done = () =>
    cluster.committed.length >= before + 3 &&
    cluster.counts.reads >= reads + cluster.nodes.size &&
    [...cluster.nodes.values()].every((node) => node.commit === cluster.committed.length)
  expect(cluster.runFor(5000, done), 'everybody converges and every read is answered').toBe(true)
}

describe('a simulated cluster', () => {
  for (const [voters, learners] of [
    [1, 0],
    [2, 0],
    [3, 0],
    [3, 1],
    [4, 0],
    [5, 0],
  ] as const) {
    it(`keeps every invariant with ${voters} voters and ${learners} learners`, () => {
      const totals: Totals = { commits: 0, crashes: 0, leaderChanges: 0, reads: 0, loads: 0 }
      for (let seed = 1; seed <= SEEDS_PER_SHAPE; seed++) {
        try {
          runSeed(seed, voters, learners, totals)
        } catch (cause) {
          throw new Error(`seed ${seed}, ${voters} voters, ${learners} learners: ${(cause as Error).message}`, {
            cause,
          })
        }
      }
      // A fault that never happened has tested nothing.
      expect(totals.commits).toBeGreaterThan(SEEDS_PER_SHAPE * 10)
      expect(totals.crashes).toBeGreaterThan(SEEDS_PER_SHAPE)
      expect(totals.leaderChanges).toBeGreaterThan(SEEDS_PER_SHAPE)
      expect(totals.reads).toBeGreaterThan(SEEDS_PER_SHAPE)
      if (voters > 1) expect(totals.loads).toBeGreaterThan(SEEDS_PER_SHAPE / 10)
    })
  }
})
