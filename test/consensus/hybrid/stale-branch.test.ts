/**
 * Shows a damaged member in a Byzantine epoch whose log ends, as far as it is sound, with a branch of the Raft epoch
 * before: the truncation came behind the damage. In a Byzantine epoch what is in the log is executed; of this
 * one only what provably is decided may be.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { type Entry, makeEntry } from '../../../src/consensus/entry.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { logIndex } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { describeNodes, leaderOf, orderMode, settle } from '../bft/steps.js'
import { sha256 } from '../disk.js'
import { hybridCluster } from './harness.js'

const INTERVAL = 8
const MODES = ['pbft', 'hotstuff'] as const

function write(cluster: ByzantineCluster, count: number, nodes?: readonly Node[]): void {
  for (let i = 0; i < count; i++) settle(cluster, [cluster.submit()], nodes === undefined ? {} : { nodes })
}

/** A member that is down, of a cluster in its second epoch, and where that began. */
function inSecondEpoch(bft: (typeof MODES)[number]): { cluster: ByzantineCluster; victim: Node; origin: number } {
  const cluster = hybridCluster({ seed: 3, batchMax: 1, bft })
  write(cluster, INTERVAL)
  const leader = leaderOf(cluster)
  const victim = [...cluster.nodes.values()].find((node) => node !== leader) as Node
  orderMode(cluster, 'bft')
  const isThere = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
  expect(cluster.runFor(30_000, isThere), describeNodes(cluster)).toBe(true)
  write(cluster, 3)
  cluster.crash(victim)
  const origin = (victim.disk.entries.find(({ epoch }) => epoch === 1)?.index ?? 0) - 1
  return { cluster, victim, origin }
}

/** All that is sound of its log are so many entries, and behind them some that nobody decided. */
function damage(cluster: ByzantineCluster, victim: Node, sound: number, branch: number): void {
  const { disk } = victim
  const { safety } = disk
  cluster.damage(victim, sound, safety)
  disk.executed = 0
  disk.states.clear()
  for (let at = 0; at < branch; at++) {
    const last = disk.entries.at(-1) as Entry
    const body = encodeBody([new Uint8Array([1, 2, 3, at])])
    const header = { ...last, index: logIndex(last.index + 1), kind: 'empty', previousChain: last.chain } as const
    disk.entries.push(makeEntry(sha256, { ...header, batchDigest: computeBatchDigest(sha256, 'empty', body) }, body))
  }
}

describe('a damaged member whose log ends with a branch that was cut', () => {
  for (const bft of MODES) {
    for (const branch of [1, 12]) {
      it(`executes nothing of it, and comes back by what others signed (${bft}, ${branch} entries)`, () => {
        const { cluster, victim } = inSecondEpoch(bft)
        const { id } = victim
        damage(cluster, victim, 5, branch)
        const others = [...cluster.nodes.values()].filter((node) => node.id !== id)
        cluster.restart(victim)
        expect(cluster.node(id).core.status()).toMatchObject({ commitIndex: 0, mayVote: false })
        write(cluster, INTERVAL, others)
        const least = Math.min(...others.map(({ executed }) => executed))
        for (const node of others) cluster.snapshot(node, least - (least % INTERVAL))
        write(cluster, 3)
        expect(cluster.counts.installs).toBe(1)
        expect(cluster.rejected).toEqual([])
      })
    }

    it(`keeps what came before the epoch where that is whole (${bft})`, () => {
      const { cluster, victim, origin } = inSecondEpoch(bft)
      const { id } = victim
      damage(cluster, victim, origin, 3)
      cluster.restart(victim)
      expect(cluster.node(id).core.status().lastIndex).toBe(origin)
      write(cluster, 3)
      expect(cluster.counts.installs).toBe(0)
    })

    it(`keeps what it decided in the epoch (${bft})`, () => {
      const { cluster, victim, origin } = inSecondEpoch(bft)
      const { id } = victim
      damage(cluster, victim, origin + 2, 0)
      cluster.restart(victim)
      expect(cluster.node(id).core.status().lastIndex).toBe(origin + 2)
      write(cluster, 3)
      expect(cluster.counts.installs).toBe(0)
    })
  }
})
