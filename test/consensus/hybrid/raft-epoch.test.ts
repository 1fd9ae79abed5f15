/**
 * A hybrid cluster while everybody is honest: it elects, commits and answers with certificates, goes on
 * after crashes and leader changes, and an order of an operator takes it to a Byzantine epoch in which
 * nothing that was answered is missing.
 */
import { describe, expect, it } from 'vitest'
import { leaderOf, orderMode, settle } from '../bft/steps.js'
import { hybridCluster } from './harness.js'

describe('a hybrid Raft epoch', () => {
  for (const count of [4, 5, 6, 7, 10]) {
    it(`commits what it is given (n = ${count})`, () => {
      const cluster = hybridCluster({ count })
      const names = Array.from({ length: 20 }, () => cluster.submit())
      settle(cluster, names)
      const assurance = cluster.seen.flatMap(({ effect }) => (effect.type === 'commit' ? [effect.assurance] : []))
      expect(new Set(assurance)).toEqual(new Set([count <= 5 ? 'fast' : 'certified']))
      expect(cluster.rejected).toEqual([])
    })
  }

  it('goes on after its leader died, and takes it back', () => {
    const cluster = hybridCluster({ seed: 3 })
    settle(cluster, [cluster.submit()])
    const first = leaderOf(cluster)
    cluster.crash(first)
    const names = Array.from({ length: 8 }, () => cluster.submit())
    settle(cluster, names)
    cluster.restart(first)
    settle(cluster, [...names, cluster.submit()])
    expect(cluster.leader()?.id).not.toBe(first.id)
  })
})

describe('a leader that hands over', () => {
  it('takes no proposals meanwhile, and says so before it is asked', () => {
    const cluster = hybridCluster({ seed: 4 })
    settle(cluster, [cluster.submit()])
    const leader = leaderOf(cluster)
    expect(leader.core.mayPropose()).toBe(true)
    const order = { kind: 'transferLeadership', target: null } as const
    cluster.step(leader, { type: 'order', orderId: 7, order })
    // Whoever is refused asks again in the same turn: with another answer here it would do so for ever.
    expect(leader.core.mayPropose()).toBe(false)
    settle(cluster, [cluster.submit()])
  })
})

describe('a leader that was suspected', () => {
  it('leads again where its log is the longest that is left', () => {
    const cluster = hybridCluster({ seed: 6, batchMax: 1 })
    settle(cluster, [cluster.submit()])
    const leader = leaderOf(cluster)
    const others = [...cluster.nodes.values()].filter((node) => node !== leader)
    cluster.crash(others[0] as (typeof others)[number])
    // Nobody hears what it appends, so that it alone has it, and is suspected for it.
    cluster.intercept = (from, _to, message) => (from === leader.id && message.type === 'hybridAppend' ? [] : null)
    const name = cluster.submit()
    let suspicions = 0
    cluster.onDeliver = (_from, _to, message) => {
      if (message.type === 'hybridVote' && message.vote.type === 'suspect') suspicions++
    }
    cluster.runFor(20_000, () => cluster.leader() === undefined && suspicions > 1)
    expect(suspicions).toBeGreaterThan(1)
    cluster.intercept = () => null
    settle(cluster, [name], { withinMs: 60_000 })
    // Nothing that it did speaks against Raft.
    expect(leader.core.status().mode).toBe('raft')
  })
})

describe('the switch', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    for (const count of [4, 5, 6, 7, 10]) {
      it(`an order of an operator begins an epoch of ${bft} (n = ${count})`, () => {
        const cluster = hybridCluster({ count, bft, seed: count })
        const before = Array.from({ length: 10 }, () => cluster.submit())
        settle(cluster, before)
        orderMode(cluster, 'bft')
        const after = Array.from({ length: 10 }, () => cluster.submit())
        settle(cluster, [...before, ...after])
        for (const node of cluster.nodes.values()) {
          expect(node.core.status()).toMatchObject({ mode: bft, epoch: 1 })
        }
      })
    }
  }

  it('one member alone switches nothing', () => {
    const cluster = hybridCluster()
    settle(cluster, [cluster.submit()])
    orderMode(cluster, 'bft', [cluster.node('n2')])
    cluster.runFor(5000)
    settle(cluster, [cluster.submit()])
    for (const node of cluster.nodes.values()) expect(node.core.status()).toMatchObject({ mode: 'raft', epoch: 0 })
  })
})
