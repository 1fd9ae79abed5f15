/**
 * Shows a replica whose log was damaged: it may have forgotten what it signed, so it signs nothing that could
 * contradict it, gets from the others what it lost, and goes on as repaired. In HotStuff it votes again above
 * every round in which it may have voted; in PBFT from the next epoch on. The watch of the cluster sees any
 * second signature for one place.
 */
import { describe, expect, it } from 'vitest'
import { nodeId } from '../../../src/consensus/types.js'
import { targetOf } from '../engine.js'
import type { ByzantineCluster } from './cluster.js'
import { begun, isType } from './hotstuff-harness.js'
import { replicasOf } from './keys.js'
import { pbftCluster } from './pbft-harness.js'
import { decide, leaderOf } from './steps.js'

const ALL = ['n1', 'n2', 'n3', 'n4']

/** n4 has a log that ends early, and of what it promised no more than what it knew long before. */
function damaged(cluster: ByzantineCluster, knows: 'nothing' | 'little'): void {
  const node = cluster.node('n4')
  for (let i = 0; i < 3; i++) decide(cluster, ALL)
  const early = node.disk.safety
  for (let i = 0; i < 9; i++) decide(cluster, ALL)
  cluster.crash(node)
  cluster.damage(node, 5, knows === 'nothing' ? null : early)
}

const isRepaired = (cluster: ByzantineCluster) => () => !cluster.node('n4').disk.damaged

describe.each(['nothing', 'little'] as const)('HotStuff, where %s is known', (knows) => {
  it('asks its way back, and is needed then', () => {
    const cluster = begun({ batchMax: 1 })
    damaged(cluster, knows)
    cluster.restart(cluster.node('n4'))
    expect(cluster.node('n4').core.status().mayVote).toBe(false)
    expect(cluster.runFor(30_000, isRepaired(cluster))).toBe(true)
    expect(cluster.node('n4').core.status().mayVote).toBe(true)
    cluster.crash(cluster.node('n1'))
    decide(cluster, ['n2', 'n3', 'n4'])
  })

  it('never signs in a round of which it may have forgotten something, whenever it is started again', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = begun({ batchMax: 1, seed })
      damaged(cluster, knows)
      for (let at = 0; at < 4; at++) {
        cluster.restart(cluster.node('n4'))
        for (let i = 0; i < 3; i++) cluster.submit()
        cluster.runFor(seed * 3)
        cluster.crash(cluster.node('n4'))
      }
      cluster.restart(cluster.node('n4'))
      expect(cluster.runFor(60_000, isRepaired(cluster))).toBe(true)
      decide(cluster, ALL)
    }
  })

  it('believes no answer to another question, and no round without its certificate', () => {
    const cluster = begun({ batchMax: 1 })
    damaged(cluster, knows)
    const liar = nodeId('n3')
    cluster.lie(liar)
    cluster.intercept = (from, _to, message) => {
      if (from !== liar || !isType(message, 'hsStanding')) return null
      const statement = { ...message.qc.statement, view: message.qc.statement.view + 1_000_000 }
      return [
        { ...message, nonce: message.nonce + 1 },
        { ...message, qc: { ...message.qc, statement } },
      ]
    }
    cluster.partition([nodeId('n4')], [nodeId('n1')])
    cluster.restart(cluster.node('n4'))
    cluster.runFor(20_000)
    expect(cluster.node('n4').core.status().mayVote).toBe(false)
    expect(cluster.rejected.map(({ from, type }) => `${from} ${type}`)).toContain('n3 hsStanding')
    cluster.heal()
    expect(cluster.runFor(30_000, isRepaired(cluster))).toBe(true)
    cluster.crash(cluster.node('n3'))
    decide(cluster, ['n1', 'n2', 'n4'])
  })
})

describe.each(['nothing', 'little'] as const)('PBFT, where %s is known', (knows) => {
  it('is whole again, silent in this epoch also after a restart, and votes in the next', () => {
    const cluster = pbftCluster({ spares: [nodeId('n5')], batchMax: 1 })
    damaged(cluster, knows)
    let signed = 0
    cluster.onDeliver = (from, _to, message) => {
      if (from === 'n4' && ['pbftVote', 'pbftPrePrepare', 'pbftViewChange', 'pbftNewView'].includes(message.type))
        signed++
    }
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(30_000, isRepaired(cluster))).toBe(true)
    for (let i = 0; i < 3; i++) {
      decide(cluster, ALL)
      cluster.crash(cluster.node('n4'))
      cluster.restart(cluster.node('n4'))
      cluster.runFor(3000)
    }
    expect(cluster.node('n4').core.status().mayVote).toBe(false)
    expect(signed).toBe(0)

    cluster.runFor(5000, () => cluster.node('n5').executed === cluster.node('n1').executed)
    const leader = leaderOf(cluster)
    cluster.order(leader, targetOf(replicasOf(5)))
    const five = [...ALL, 'n5']
    expect(cluster.runFor(30_000, () => five.every((id) => cluster.node(id).core.status().epoch === 1))).toBe(true)
    expect(cluster.node('n4').core.status().mayVote).toBe(true)
    cluster.crash(cluster.node('n1'))
    decide(cluster, ['n2', 'n3', 'n4', 'n5'])
  })

  it('signs nothing in an epoch that it has yet to catch up with', () => {
    const cluster = pbftCluster({ count: 5, batchMax: 1 })
    const early = cluster.node('n4').disk.safety
    decide(cluster, [...ALL, 'n5'])
    const leader = leaderOf(cluster)
    cluster.order(leader, targetOf(replicasOf(4)))
    expect(cluster.runFor(30_000, () => ALL.every((id) => cluster.node(id).core.status().epoch === 1))).toBe(true)
    for (let i = 0; i < 5; i++) decide(cluster, ALL)
    cluster.crash(cluster.node('n4'))
    cluster.damage(cluster.node('n4'), 1, knows === 'nothing' ? null : early)
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(30_000, isRepaired(cluster))).toBe(true)
    expect(cluster.node('n4').core.status()).toMatchObject({ epoch: 1, mayVote: false })
  })
})
