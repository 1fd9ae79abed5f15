/**
 * Shows that a change of members ends the epoch: it stands alone, only empty blocks stand above it until
 * it is committed, the next epoch begins with the new replicas and their own INIT, and who was away
 * follows across the boundary. Fewer than four members are refused.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { decodeInit, encodeInit } from '../../../src/consensus/bft/init.js'
import type { OrderRefusalCode } from '../../../src/consensus/core.js'
import { nodeId } from '../../../src/consensus/types.js'
import { sha256 } from '../disk.js'
import { targetOf } from '../engine.js'
import type { ByzantineCluster } from './cluster.js'
import { begun, forgeProposal, isType } from './hotstuff-harness.js'
import { replicasNamed, replicasOf } from './keys.js'
import { crashAll, decide, leaderOf, restartAll } from './steps.js'

/** Gives the order to whoever leads, as an operator's client does that follows the hint. */
function change(cluster: ByzantineCluster, ids: readonly string[]): OrderRefusalCode | 'ordered' | null {
  const target = targetOf(replicasNamed(ids))
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

  it('ends the epoch although a snapshot of the state behind it waits to take the place of the log', () => {
    const cluster = begun({ count: 5 })
    decide(cluster, FIVE)
    const stay = ['n1', 'n2', 'n3', 'n4']
    let held = true
    cluster.intercept = (_from, _to, message) => (held && isType(message, 'hsCheckpoint') ? [] : null)
    cluster.order(leaderOf(cluster), targetOf(replicasNamed(stay)))
    const at = () => cluster.watch.log.find((entry) => entry.kind === 'membership')?.index ?? Number.MAX_VALUE
    expect(cluster.runFor(20_000, () => stay.every((id) => cluster.node(id).executed >= at()))).toBe(true)
    expect(epochs(cluster, stay)).toEqual([0, 0, 0, 0])
    for (const id of stay) cluster.snapshot(cluster.node(id), at())
    held = false
    expect(cluster.runFor(20_000, () => epochs(cluster, stay).every((epoch) => epoch === 1))).toBe(true)
    expect(cluster.node('n1').core.status().firstIndex).toBe(at() + 1)
    decide(cluster, stay)
  })

  it('survives a restart of all while it is under way', () => {
    for (let moment = 0; moment < 15; moment++) {
      const cluster = begun({ count: 5, seed: 7 + moment })
      const leader = leaderOf(cluster)
      cluster.order(leader, targetOf(replicasOf(4)))
      cluster.runFor(moment * 3)
      crashAll(cluster)
      restartAll(cluster)
      decide(cluster, ['n1', 'n2', 'n3', 'n4'])
    }
  })

  it('is refused below four, for a stranger that has not caught up, and on a stale plan', () => {
    const cluster = begun({ spares: ['n5'] })
    expect(change(cluster, ['n1', 'n2', 'n3'])).toBe('InvalidArgument')
    cluster.crash(cluster.node('n5'))
    expect(change(cluster, ['n1', 'n2', 'n3', 'n4', 'n6'])).toBe('NotCaughtUp')
    const leader = leaderOf(cluster)
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
    const leader = leaderOf(cluster)
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
    const before = leaderOf(cluster)
    cluster.rotate(before)
    cluster.runFor(500)
    expect(cluster.leader()?.id).not.toBe(before.id)
    expect(cluster.node('n1').core.status().leader).not.toBe(nodeId(before.id))
  })
})

describe('the INIT of a later epoch', () => {
  it('is refused where the signatures that it rests on are forged', () => {
    const cluster = begun({ count: 5 })
    let forged = 0
    // It leads the first round of the next epoch.
    const liar = nodeId('n3')
    cluster.lie(liar)
    cluster.intercept = (from, _to, message) => {
      if (from !== liar || !isType(message, 'hsProposal') || message.header.kind !== 'mode') return null
      const init = decodeInit(message.body)
      if (init.basis.kind !== 'checkpoint') return null
      const { certificate } = init.basis
      const signatures = certificate.signatures.map(() => new Uint8Array(64))
      const body = encodeInit({ ...init, basis: { kind: 'checkpoint', certificate: { ...certificate, signatures } } })
      forged++
      return [forgeProposal(cluster, message, { batchDigest: computeBatchDigest(sha256, 'mode', body) }, body)]
    }
    const ids = ['n1', 'n2', 'n3', 'n4']
    expect(change(cluster, ids)).toBe('ordered')
    cluster.runFor(20_000)
    expect(forged).toBeGreaterThan(0)
    decide(cluster, ['n1', 'n2', 'n4'])
    const inits = cluster.watch.log.filter((entry) => entry.kind === 'mode' && entry.epoch > 0)
    for (const { body } of inits) {
      const { basis } = decodeInit(body)
      expect(
        basis.kind === 'checkpoint' && basis.certificate.signatures.every((one) => one.some((byte) => byte > 0)),
      ).toBe(true)
    }
  })
})
