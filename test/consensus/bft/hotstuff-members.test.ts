/**
 * Shows that a change of members ends the epoch: it stands alone, only empty blocks stand above it until
 * it is committed, the next epoch begins with the new replicas and their own INIT, and who was away
 * follows across the boundary. Fewer than four members are refused.
 */
import { describe, expect, it } from 'vitest'
import type { OrderRefusalCode } from '../../../src/consensus/core.js'
import { nodeId } from '../../../src/consensus/types.js'
import { targetOf } from '../engine.js'
import type { ByzantineCluster } from './cluster.js'
import { begun, isType } from './hotstuff-harness.js'
import { replicasOf } from './keys.js'

/** Gives the order to whoever leads, as an operator's client does that follows the hint. */
function change(cluster: ByzantineCluster, ids: readonly string[]): OrderRefusalCode | 'ordered' | null {
  const target = targetOf({ joint: false, members: ids.flatMap((id) => replicasOf(1, Number(id.slice(1))).members) })
  const leader = cluster.leader()
  if (leader === undefined) return null
  const orderId = cluster.order(leader, target)
  cluster.runFor(5000, () => answer(cluster, orderId) !== null)
  return answer(cluster, orderId)
}

function answer(cluster: ByzantineCluster, orderId: number): OrderRefusalCode | 'ordered' | null {
  for (const { effect } of cluster.seen) {
    if (effect.type === 'ordered' && effect.orderId === orderId) return 'ordered'
    if (effect.type === 'orderRefused' && effect.orderId === orderId) return effect.code
  }
  return null
}

const epochs = (cluster: ByzantineCluster, ids: readonly string[]) =>
  ids.map((id) => cluster.node(id).core.status().epoch)

function decide(cluster: ByzantineCluster, ids: readonly string[]): void {
  const name = cluster.submit()
  const nodes = ids.map((id) => cluster.node(id))
  expect(cluster.runFor(15_000, () => cluster.executedBy(name, nodes))).toBe(true)
}

const FIVE = ['n1', 'n2', 'n3', 'n4', 'n5']

describe('a change of members', () => {
  it('adds a replica that has caught up: the next epoch needs four of five', () => {
    const cluster = begun({ spares: ['n5'] })
    decide(cluster, ['n1', 'n2', 'n3', 'n4'])
    cluster.runFor(5000, () => cluster.node('n5').executed === cluster.node('n1').executed)
    expect(change(cluster, FIVE)).toBe('ordered')
    expect(cluster.runFor(20_000, () => epochs(cluster, FIVE).every((epoch) => epoch === 1))).toBe(true)
    decide(cluster, FIVE)
    const kinds = cluster.watch.log.map((entry) => `${entry.epoch}/${entry.kind}`)
    expect(kinds.slice(kinds.indexOf('0/membership'))).toEqual(['0/membership', '1/mode', '1/data'])
    // The new one is needed now.
    cluster.crash(cluster.node('n1'))
    decide(cluster, ['n2', 'n3', 'n4', 'n5'])
  })

  it('removes a replica, which learns it and never votes again', () => {
    const cluster = begun({ count: 5 })
    decide(cluster, FIVE)
    expect(change(cluster, ['n1', 'n2', 'n3', 'n4'])).toBe('ordered')
    expect(cluster.runFor(20_000, () => epochs(cluster, FIVE).every((epoch) => epoch === 1))).toBe(true)
    let votes = 0
    cluster.onDeliver = (from, _to, message) => {
      if (from === 'n5' && (isType(message, 'hsVote') || isType(message, 'hsTimeout'))) votes++
    }
    decide(cluster, ['n1', 'n2', 'n3', 'n4'])
    expect(votes).toBe(0)
    expect(cluster.node('n5').core.status().mayVote).toBe(false)
  })

  it('reaches a replica that was away, over two boundaries', () => {
    const cluster = begun({ count: 6 })
    cluster.crash(cluster.node('n4'))
    decide(cluster, ['n1', 'n2', 'n3', 'n5', 'n6'])
    expect(change(cluster, FIVE)).toBe('ordered')
    expect(cluster.runFor(30_000, () => cluster.node('n1').core.status().epoch === 1)).toBe(true)
    decide(cluster, ['n1', 'n2', 'n3', 'n5'])
    expect(change(cluster, ['n1', 'n2', 'n3', 'n4'])).toBe('ordered')
    expect(cluster.runFor(30_000, () => cluster.node('n1').core.status().epoch === 2)).toBe(true)
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(30_000, () => cluster.node('n4').core.status().epoch === 2)).toBe(true)
    decide(cluster, ['n1', 'n2', 'n3', 'n4'])
  })

  it('survives a restart of all while it is under way', () => {
    for (let moment = 0; moment < 15; moment++) {
      const cluster = begun({ count: 5, seed: 7 + moment })
      const leader = cluster.leader()
      if (leader === undefined) throw new Error('nobody leads')
      cluster.order(leader, targetOf(replicasOf(4)))
      cluster.runFor(moment * 3)
      for (const node of [...cluster.nodes.values()]) cluster.crash(node)
      for (const node of [...cluster.nodes.values()]) cluster.restart(node)
      decide(cluster, ['n1', 'n2', 'n3', 'n4'])
    }
  })

  it('is refused below four, for a stranger that has not caught up, and on a stale plan', () => {
    const cluster = begun({ spares: ['n5'] })
    expect(change(cluster, ['n1', 'n2', 'n3'])).toBe('InvalidArgument')
    cluster.crash(cluster.node('n5'))
    expect(change(cluster, ['n1', 'n2', 'n3', 'n4', 'n6'])).toBe('InvalidArgument')
    const leader = cluster.leader()
    if (leader === undefined) throw new Error('nobody leads')
    const stale = { kind: 'changeMembership' as const, planned: 99 as never, target: targetOf(replicasOf(4)) }
    cluster.step(leader, { type: 'order', orderId: 77, order: stale })
    expect(answer(cluster, 77)).toBe('StalePlan')
  })

  it('lets only empty blocks stand above it until it is committed', () => {
    const cluster = begun({ count: 5 })
    const byRound = new Map<number, string>()
    cluster.onDeliver = (_from, _to, message) => {
      if (isType(message, 'hsProposal') && message.header.epoch === 0)
        byRound.set(message.header.round, message.header.kind)
    }
    const leader = cluster.leader()
    if (leader === undefined) throw new Error('nobody leads')
    cluster.order(leader, targetOf(replicasOf(4)))
    for (let i = 0; i < 5; i++) cluster.submit()
    cluster.runFor(200)
    const kinds = [...byRound].sort(([a], [b]) => a - b).map(([, kind]) => kind)
    const at = kinds.indexOf('membership')
    expect(at).toBeGreaterThanOrEqual(0)
    expect(new Set(kinds.slice(at + 1))).toEqual(new Set(['empty']))
  })

  it('hands the leadership on when asked', () => {
    const cluster = begun()
    cluster.runFor(500)
    const before = cluster.leader()
    if (before === undefined) throw new Error('nobody leads')
    cluster.rotate(before)
    cluster.runFor(500)
    expect(cluster.leader()?.id).not.toBe(before.id)
    expect(cluster.node('n1').core.status().leader).not.toBe(nodeId(before.id))
  })
})
