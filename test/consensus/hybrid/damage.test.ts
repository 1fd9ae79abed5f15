/**
 * Shows a member whose log was damaged in a hybrid Raft epoch. It may have forgotten what it signed: it votes again
 * only once its log is as long as its leader's; where the epoch ends before, it shows no history and is silent
 * in the hand-over, and gets the result from the others. It may have been in the next epoch too and have forgotten that:
 * there it speaks as far as the protocol lets back in whoever forgot, under HotStuff after asking the others.
 */
import { describe, expect, it } from 'vitest'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { CLOCK_BOUND_MS } from '../../../src/consensus/raft/config.js'
import type { NodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { describeNodes, leaderOf, orderMode, settle } from '../bft/steps.js'
import { hybridCluster } from './harness.js'

const ENTRIES = 8
const LEFT = 3

/** A follower with a log that ends early. It is down. */
function withDamaged(cluster: ByzantineCluster): Node {
  for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
  const leader = leaderOf(cluster)
  const victim = [...cluster.nodes.values()].find((node) => node !== leader) as Node
  cluster.crash(victim)
  cluster.damage(victim, LEFT, victim.disk.safety)
  return victim
}

function others(cluster: ByzantineCluster, id: NodeId): Node[] {
  return [...cluster.nodes.values()].filter((node) => node.id !== id)
}

/** Up to where a log is filled by this message; 0 for any but an append. */
function endOf(message: ProtocolMessage): number {
  if (message.type !== 'hybridAppend') return 0
  return message.append.prevIndex + message.append.entries.length
}

describe('a member with a damaged log', () => {
  it('votes again once its log is as long as its leader’s, and not before', () => {
    const cluster = hybridCluster({ batchMax: 1, messageEntriesMax: 1 })
    const { id } = withDamaged(cluster)
    cluster.intercept = (_from, to, message) => (to === id && endOf(message) > LEFT + 2 ? [] : null)
    cluster.restart(cluster.node(id))
    cluster.runFor(5000)
    expect(cluster.node(id).core.status()).toMatchObject({ mayVote: false, lastIndex: LEFT + 2 })
    cluster.intercept = () => null
    expect(cluster.runFor(5000, () => cluster.node(id).core.status().mayVote)).toBe(true)
    // What is certified long after the start shows that the epoch went on: the disk says so too.
    expect(cluster.node(id).disk.damaged).toBe(true)
    cluster.runFor(3 * CLOCK_BOUND_MS)
    settle(cluster, [cluster.submit()])
    settle(cluster, [cluster.submit()])
    expect(cluster.runFor(5000, () => !cluster.node(id).disk.damaged)).toBe(true)
    cluster.crash(others(cluster, id)[0] as Node)
    settle(cluster, [cluster.submit()])
  })

  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`is silent where the epoch ends, and gets what the others decided (${bft})`, () => {
      const cluster = hybridCluster({ batchMax: 1, bft })
      const { id } = withDamaged(cluster)
      // Its log is not repaired before the epoch ends.
      cluster.intercept = (_from, to, message) => (to === id && message.type === 'hybridAppend' ? [] : null)
      const said = new Set<string>()
      const wasSilent = new Set<boolean>()
      cluster.onDeliver = (from: NodeId, _to, message) => {
        if (from === id) said.add(message.type === 'hybridHandOver' ? message.message.type : message.type)
        const { epoch, mayVote } = cluster.node(id).core.status()
        if (epoch === 0) wasSilent.add(!mayVote)
      }
      cluster.restart(cluster.node(id))
      orderMode(cluster, 'bft')
      const arrived = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
      const isRepaired = (): boolean => arrived() && !cluster.node(id).disk.damaged
      expect(cluster.runFor(30_000, isRepaired), describeNodes(cluster)).toBe(true)
      expect(wasSilent).toEqual(new Set([true]))
      for (const type of ['hybridHistory', 'pbftPrePrepare', 'pbftVote', 'pbftViewChange'])
        expect(said).not.toContain(type)
      if (bft === 'hotstuff') cluster.crash(others(cluster, id).at(-1) as Node)
      settle(cluster, [cluster.submit()])
      expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, mayVote: bft === 'hotstuff' })
    })
  }
})
