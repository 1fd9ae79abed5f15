/**
 * A hybrid cluster while everybody is honest: it elects, commits and answers with certificates, goes on
 * after crashes and leader changes, and an order of an operator takes it to a Byzantine epoch in which
 * nothing that was answered is missing.
 */
import { describe, expect, it } from 'vitest'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
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

describe('proofs', () => {
  it('are collected by nobody where certificates are enough, and nothing is sent for them', () => {
    const cluster = hybridCluster({ seed: 5, batchMax: 1 })
    settle(cluster, [cluster.submit()])
    const told = { held: 0, empty: 0, commits: 0, heartbeats: 0, replies: 0 }
    cluster.onDeliver = (_from, _to, message) => {
      if (message.type === 'hybridHeld' || (message.type === 'hybridAck' && message.held !== null)) told.held++
      if (message.type === 'hybridAppend' && message.append.entries.length === 0) told.empty++
      if (message.type === 'hybridCommit') told.commits++
      if (message.type === 'heartbeat') told.heartbeats++
      if (message.type === 'heartbeatReply') told.replies++
    }
    for (let i = 0; i < 10; i++) settle(cluster, [cluster.submit()])
    expect(told.held).toBe(0)
    // A heartbeat that crosses an append asks whether that was lost.
    expect(told.empty).toBeLessThanOrEqual(told.heartbeats)
    // One certificate for each follower, besides those that heartbeats repeat.
    expect(told.commits).toBeLessThanOrEqual(10 * 3 + told.heartbeats)
    expect(told.replies).toBeLessThanOrEqual(told.heartbeats)
  })

  it('come to a member that waits for them, and to nobody once it does not wait any more', () => {
    const cluster = hybridCluster({ seed: 8 })
    settle(cluster, [cluster.submit()])
    const leader = leaderOf(cluster)
    const [wary, other] = [...cluster.nodes.values()].filter((node) => node !== leader)
    if (wary === undefined || other === undefined) throw new Error('four members have three followers')
    const message = { type: 'hybridTerm' } as never
    cluster.step(wary, { type: 'invalid', from: other.id, reason: 'signature', message })
    const names = Array.from({ length: 5 }, () => cluster.submit())
    settle(cluster, names)
    const assured = new Map<string, Set<string>>()
    for (const { node, effect } of cluster.seen) {
      if (effect.type !== 'commit') continue
      const of = assured.get(node) ?? new Set()
      assured.set(node, of.add(effect.assurance))
    }
    expect(assured.get(wary.id)).toContain('certified')
    for (const id of [leader.id, other.id]) expect(assured.get(id)).toEqual(new Set(['fast']))
    // The failure leaves the window of what counts, and the leader is told no more.
    cluster.runFor(61_000)
    let held = 0
    cluster.onDeliver = (_from, _to, said) => {
      if (said.type === 'hybridHeld' || (said.type === 'hybridAck' && said.held !== null)) held++
    }
    settle(cluster, [cluster.submit()])
    expect(held).toBe(0)
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

  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`does not forget what waits: whoever leaves it out in ${bft} leads no longer`, () => {
      for (const mute of ['n1', 'n2', 'n3', 'n4']) {
        const cluster = hybridCluster({ bft, seed: 3 })
        settle(cluster, [cluster.submit()])
        const leavesOut = (message: ProtocolMessage): boolean =>
          (message.type === 'pbftPrePrepare' && message.value.kind === 'data') ||
          (message.type === 'hsProposal' && message.header.kind === 'data')
        cluster.intercept = (from, _to, message) =>
          message.type === 'hybridAppend' || (from === mute && leavesOut(message)) ? [] : null
        const names = [cluster.submit(), cluster.submit()]
        orderMode(cluster, 'bft')
        settle(cluster, names, { withinMs: 60_000 })
      }
    })
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
