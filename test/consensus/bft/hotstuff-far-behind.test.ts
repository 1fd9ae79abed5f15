/**
 * Shows how a HotStuff node that comes from far behind believes a snapshot: who joins after a compaction, and
 * who was away over changes of members whose entries are gone, walks the steps of the epochs to the members
 * that certified it. What a donor says of the members beside that counts for nothing.
 */
import { describe, expect, it } from 'vitest'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import type { LogBase } from '../../../src/consensus/snapshot.js'
import { nodeId } from '../../../src/consensus/types.js'
import { targetOf } from '../engine.js'
import type { ByzantineCluster, Node } from './cluster.js'
import { begun, isType } from './hotstuff-harness.js'
import { replicasNamed, replicasOf } from './keys.js'
import { decide, leaderOf } from './steps.js'

const idsOf = (...numbers: number[]): string[] => numbers.map((number) => `n${number}`)

/** The members become these. */
function change(cluster: ByzantineCluster, ids: readonly string[], epoch: number): void {
  const leader = leaderOf(cluster)
  cluster.order(leader, targetOf(replicasNamed(ids)))
  const there = () => ids.every((id) => !cluster.node(id).up || cluster.node(id).core.status().epoch === epoch)
  expect(cluster.runFor(30_000, there)).toBe(true)
}

/** Five members, of which the last votes no more. */
const WITHOUT_VOTE_OF_N5 = targetOf(replicasNamed(idsOf(1, 2, 3, 4, 5))).map((member) =>
  member.id === 'n5' ? { ...member, role: 'learner' as const } : member,
)

/** Entries up to the next checkpoint, of which all of these take a snapshot that takes the place of the log. */
function compact(cluster: ByzantineCluster, ids: readonly string[]): number {
  const first = cluster.node(ids[0] as string)
  const index = first.executed - (first.executed % 128) + 128
  while (first.executed < index) decide(cluster, ids)
  cluster.runFor(500)
  for (const id of ids) cluster.snapshot(cluster.node(id), index)
  cluster.runFor(200)
  for (const id of ids) expect(cluster.node(id).core.status().firstIndex).toBe(index + 1)
  return index
}

const caughtUp = (cluster: ByzantineCluster, id: string, like: string): boolean =>
  cluster.node(id).executed === cluster.node(like).executed

describe('a node from far behind', () => {
  it('joins after a compaction, and is needed then', () => {
    const cluster = begun({ spares: ['n5'], batchMax: 1 })
    cluster.crash(cluster.node('n5'))
    compact(cluster, idsOf(1, 2, 3, 4))
    cluster.restart(cluster.node('n5'))
    expect(cluster.runFor(20_000, () => caughtUp(cluster, 'n5', 'n1'))).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    change(cluster, idsOf(1, 2, 3, 4, 5), 1)
    cluster.crash(cluster.node('n1'))
    decide(cluster, idsOf(2, 3, 4, 5))
  })

  it('became a learner after it had signed the end of the epoch, and asks for what the others decide', () => {
    const cluster = begun({ count: 5, batchMax: 1 })
    // One is down, so the signature of n5 is needed: it has seen the end when the certificate is there.
    cluster.crash(cluster.node('n4'))
    cluster.order(leaderOf(cluster), WITHOUT_VOTE_OF_N5)
    let asks = false
    cluster.onDeliver = (from, _to, message) => {
      asks ||= from === 'n5' && isType(message, 'hsFetchEntries') && message.epoch === 1
    }
    const left = idsOf(1, 2, 3, 5)
    const isOver = () => left.every((id) => cluster.node(id).core.status().epoch === 1)
    expect(cluster.runFor(30_000, isOver)).toBe(true)
    expect(cluster.runFor(1000, () => asks)).toBe(true)
    decide(cluster, idsOf(1, 2, 3))
    expect(cluster.runFor(10_000, () => caughtUp(cluster, 'n5', 'n1'))).toBe(true)
  })

  it('became a learner, was cut off while the others compacted their logs, and follows again', () => {
    const cluster = begun({ count: 5, batchMax: 1 })
    cluster.order(leaderOf(cluster), WITHOUT_VOTE_OF_N5)
    const isOver = () => [...cluster.nodes.values()].every(({ core }) => core.status().epoch === 1)
    expect(cluster.runFor(30_000, isOver)).toBe(true)
    cluster.partition([nodeId('n5')], idsOf(1, 2, 3, 4).map(nodeId))
    compact(cluster, idsOf(1, 2, 3, 4))
    cluster.heal()
    decide(cluster, idsOf(1, 2, 3, 4))
    expect(cluster.runFor(30_000, () => caughtUp(cluster, 'n5', 'n1'))).toBe(true)
    expect(cluster.counts.installs).toBe(1)
  })

  it('comes back over two changes of members whose entries are gone, and votes', () => {
    const cluster = begun({ count: 6, batchMax: 1 })
    cluster.crash(cluster.node('n4'))
    change(cluster, idsOf(1, 2, 3, 4, 5), 1)
    decide(cluster, idsOf(1, 2, 3, 5))
    change(cluster, idsOf(1, 2, 3, 4), 2)
    compact(cluster, idsOf(1, 2, 3))
    decide(cluster, idsOf(1, 2, 3))
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(30_000, () => caughtUp(cluster, 'n4', 'n1'))).toBe(true)
    const { firstIndex, epoch, mayVote } = cluster.node('n4').core.status()
    expect(firstIndex).toBeGreaterThan(128)
    expect({ epoch, mayVote }).toEqual({ epoch: 2, mayVote: true })
    cluster.crash(cluster.node('n1'))
    decide(cluster, idsOf(2, 3, 4))
  })

  it('joins over a change whose entries are gone, though all that knew them were started again', () => {
    const cluster = begun({ count: 5, spares: ['n6'], batchMax: 1 })
    cluster.crash(cluster.node('n6'))
    change(cluster, idsOf(1, 2, 3, 4), 1)
    compact(cluster, idsOf(1, 2, 3, 4))
    for (const id of idsOf(1, 2, 3, 4)) cluster.crash(cluster.node(id))
    for (const id of idsOf(1, 2, 3, 4)) cluster.restart(cluster.node(id))
    decide(cluster, idsOf(1, 2, 3, 4))
    cluster.restart(cluster.node('n6'))
    expect(cluster.runFor(30_000, () => caughtUp(cluster, 'n6', 'n1'))).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    change(cluster, idsOf(1, 2, 3, 4, 6), 2)
    // Who came by a snapshot can lead others the same way.
    compact(cluster, idsOf(1, 2, 3, 4, 6))
    decide(cluster, idsOf(1, 2, 3, 4, 6))
  })

  it('was cut off over the end of an epoch with a change of its own, takes the snapshot and gives the change up', () => {
    const cluster = begun({ count: 6, batchMax: 1 })
    const cutOff = nodeId('n4')
    const leads = () => cluster.runFor(500, () => cluster.node('n4').core.status().role === 'leader')
    for (let at = 0; at < 6 && !leads(); at++) cluster.rotate(leaderOf(cluster))
    expect(leads()).toBe(true)
    cluster.partition([cutOff], idsOf(1, 2, 3, 5, 6).map(nodeId))
    // Its block of this round is out: the change waits for the next one that it leads.
    cluster.submit([cutOff])
    cluster.runFor(10)
    const orderId = cluster.order(cluster.node('n4'), targetOf(replicasNamed(idsOf(1, 2, 3, 4, 6))))
    const answers = () =>
      cluster.seen.flatMap(({ node, effect }) => ('orderId' in effect && node === cutOff ? [effect] : []))
    expect(answers()).toEqual([])
    decide(cluster, idsOf(1, 2, 3, 5, 6))
    const leader = [...cluster.nodes.values()].find(({ id, core }) => id !== cutOff && core.status().role === 'leader')
    cluster.order(leader as Node, targetOf(replicasNamed(idsOf(1, 2, 3, 4, 5))))
    expect(cluster.runFor(30_000, () => cluster.node('n1').core.status().epoch === 1)).toBe(true)
    compact(cluster, idsOf(1, 2, 3, 5))
    // It has all entries yet.
    cluster.crash(cluster.node('n6'))
    expect(answers()).toEqual([])
    cluster.heal()
    expect(cluster.runFor(30_000, () => caughtUp(cluster, 'n4', 'n1'))).toBe(true)
    expect(answers()).toMatchObject([{ type: 'orderRefused', orderId, code: 'ChangeInProgress' }])
  })

  it('believes no donor about the members', () => {
    const cluster = begun({ spares: ['n5'], batchMax: 1 })
    cluster.crash(cluster.node('n5'))
    compact(cluster, idsOf(1, 2, 3, 4))
    const liar = nodeId('n2')
    cluster.lie(liar)
    cluster.intercept = (from, _to, message) => {
      if (from !== liar || !isType(message, 'hsSnapshot')) return null
      const index = message.snapshot.base.index
      const base: LogBase = { ...message.snapshot.base, membership: { index, membership: replicasOf(4, 6) } }
      return [{ ...message, snapshot: { ...message.snapshot, base } }]
    }
    cluster.partition([nodeId('n5')], [nodeId('n1'), nodeId('n3'), nodeId('n4')])
    cluster.restart(cluster.node('n5'))
    const isRejected = () => cluster.rejected.some(({ from, type }) => from === liar && type === 'hsSnapshot')
    expect(cluster.runFor(30_000, isRejected)).toBe(true)
    cluster.heal()
    expect(cluster.runFor(20_000, () => caughtUp(cluster, 'n5', 'n1'))).toBe(true)
    expect(cluster.node('n5').core.status().membership.membership).toEqual(replicasOf(4))
  })

  it.each(['holds another state', 'never comes'])(
    'gets a snapshot though a donor that was not asked offers one all the time that %s',
    (lie) => {
      const cluster = begun({ spares: ['n5'], batchMax: 1, limits: { transferTimeoutMs: 2000 } })
      cluster.crash(cluster.node('n5'))
      compact(cluster, idsOf(1, 2, 3, 4))
      const liar = nodeId('n2')
      const late = nodeId('n5')
      cluster.lie(liar)
      cluster.lyingDonors.add(liar)
      let offer: ProtocolMessage | null = null
      cluster.intercept = (from, to, message) => {
        if (from === liar && to === late && isType(message, 'hsSnapshot')) offer ??= message
        return null
      }
      cluster.partition([late], [nodeId('n1'), nodeId('n3'), nodeId('n4')])
      cluster.restart(cluster.node('n5'))
      expect(cluster.runFor(10_000, () => offer !== null)).toBe(true)
      cluster.heal()
      if (lie === 'never comes') cluster.cut.add(`${liar}>${late}`)
      const untilMs = cluster.nowMs + 5000
      while (!caughtUp(cluster, 'n5', 'n1') && cluster.nowMs < untilMs) {
        cluster.inject(liar, late, offer as unknown as ProtocolMessage)
        cluster.runFor(0.05)
      }
      expect(caughtUp(cluster, 'n5', 'n1')).toBe(true)
    },
  )

  it('is offered a snapshot that was finished many checkpoints after its index', () => {
    const cluster = begun({ spares: ['n5'], batchMax: 4 })
    cluster.crash(cluster.node('n5'))
    const nodes = idsOf(1, 2, 3, 4)
    while (cluster.node('n1').executed < 128 * 5) {
      for (let at = 0; at < 16; at++) cluster.submit()
      cluster.runFor(100)
    }
    cluster.runFor(1000)
    for (const id of nodes) cluster.snapshot(cluster.node(id), 128)
    cluster.runFor(200)
    for (const id of nodes) expect(cluster.node(id).core.status().firstIndex).toBe(129)
    cluster.restart(cluster.node('n5'))
    expect(cluster.runFor(20_000, () => caughtUp(cluster, 'n5', 'n1'))).toBe(true)
    expect(cluster.counts.installs).toBe(1)
  })
})
