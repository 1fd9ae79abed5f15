/**
 * Shows a member that loses, with the end of its log, that it ever was in the epoch that the others are in: it may have
 * signed there. Under PBFT it is silent in that epoch; under HotStuff it asks the others where they stand before it speaks.
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
/** What makes a leader for who has not heard that its epoch is over. */
const REPLAYED = ['hybridAppend', 'hybridTerm', 'heartbeat']
/** What a member says in an epoch under its signature, and must not say twice. */
const SIGNED = ['pbftPrePrepare', 'pbftVote', 'pbftViewChange', 'hsProposal', 'hsVote', 'hsTimeout']

describe('a member that forgot an epoch', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`does not sign there what it may have signed before (${bft})`, () => {
      const cluster = hybridCluster({ batchMax: 1, bft })
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      const leader = leaderOf(cluster)
      const victim = [...cluster.nodes.values()].find((node) => node !== leader) as Node
      const { id } = victim
      const { safety } = victim.disk
      orderMode(cluster, 'bft')
      const arrived = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
      expect(cluster.runFor(30_000, arrived), describeNodes(cluster)).toBe(true)
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      cluster.crash(victim)
      cluster.damage(victim, LEFT, safety)

      const said: string[] = []
      cluster.onDeliver = (from: NodeId, _to, message) => {
        if (from === id) said.push(message.type)
      }
      cluster.restart(cluster.node(id))
      const back = (): boolean => cluster.node(id).core.status().epoch === 1
      expect(cluster.runFor(30_000, back), describeNodes(cluster)).toBe(true)
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, mayVote: bft === 'hotstuff' })
      const signed = said.findIndex((type) => SIGNED.includes(type))
      if (bft === 'pbft') expect(signed, said[signed]).toBe(-1)
      else expect(signed).toBeGreaterThan(said.indexOf('hsRejoin'))
      if (bft === 'hotstuff') expect(said).toContain('hsRejoin')
    })
  }
})

/** One of seven members that do not lead, in the first epoch. */
function follower(bft: 'pbft' | 'hotstuff'): {
  readonly cluster: ByzantineCluster
  readonly id: NodeId
  readonly leader: NodeId
  /** What its leader told it. */
  readonly told: readonly ProtocolMessage[]
} {
  const cluster = hybridCluster({ batchMax: 1, bft, count: 7 })
  const told: { readonly from: NodeId; readonly to: NodeId; readonly message: ProtocolMessage }[] = []
  cluster.intercept = (from, to, message) => {
    if (REPLAYED.includes(message.type)) told.push({ from, to, message })
    return null
  }
  for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
  const leader = leaderOf(cluster)
  const { id } = [...cluster.nodes.values()].find((node) => node !== leader) as Node
  cluster.intercept = () => null
  const toIt = told.flatMap(({ from, to, message }) => (from === leader.id && to === id ? [message] : []))
  return { cluster, id, leader: leader.id, told: toIt }
}

function reach(cluster: ByzantineCluster, epoch: number): void {
  const isThere = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === epoch)
  expect(cluster.runFor(30_000, isThere), describeNodes(cluster)).toBe(true)
}

describe('a member that forgot an epoch, and is told by a liar that its log is whole', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`does not sign in the epoch that it forgot (${bft})`, () => {
      const { cluster, id, leader, told } = follower(bft)
      const { disk } = cluster.node(id)
      const [safety, hardState] = [disk.safety, { ...disk.hardState }]
      orderMode(cluster, 'bft')
      reach(cluster, 1)
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      cluster.crash(cluster.node(id))
      cluster.damage(cluster.node(id), LEFT, safety)
      disk.hardState = hardState
      disk.aborts = []

      // The leader of the epoch before lies now, and is all that the member hears.
      cluster.lie(leader)
      let isHeard = false
      cluster.intercept = (from, to) => (isHeard || ![from, to].includes(id) ? null : [])
      cluster.restart(cluster.node(id))
      for (const message of [...told, ...told, ...told]) {
        cluster.inject(leader, id, message)
        cluster.runFor(4)
      }
      expect(cluster.node(id).core.status()).toMatchObject({ epoch: 0, mayVote: true })

      const said: string[] = []
      cluster.onDeliver = (from: NodeId, _to, message) => {
        if (from === id) said.push(message.type)
      }
      isHeard = true
      reach(cluster, 1)
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      // Nor does it give another history of the epoch that it left before.
      expect(said).not.toContain('hybridHistory')
      const signed = said.findIndex((type) => SIGNED.includes(type))
      if (bft === 'pbft') expect(signed, said[signed]).toBe(-1)
      else expect(signed).toBeGreaterThan(said.indexOf('hsRejoin'))
      if (bft === 'hotstuff') expect(said).toContain('hsRejoin')
    })
  }
})

describe('a member whose log was damaged, and made good by its leader', () => {
  it('is silent in the next epoch of PBFT, and takes part in the one after it', () => {
    const { cluster, id } = follower('pbft')
    cluster.crash(cluster.node(id))
    cluster.damage(cluster.node(id), LEFT, cluster.node(id).disk.safety)
    cluster.restart(cluster.node(id))
    const isWhole = (): boolean => cluster.node(id).core.status().mayVote
    expect(cluster.runFor(5000, isWhole), describeNodes(cluster)).toBe(true)
    orderMode(cluster, 'bft')
    reach(cluster, 1)
    for (let at = 0; at < 3; at++) settle(cluster, [cluster.submit()])
    expect(isWhole()).toBe(false)
    cluster.runFor(10_000)
    orderMode(cluster, 'hotstuff')
    reach(cluster, 2)
    expect(isWhole()).toBe(true)
  })

  it('is as damaged as before when it starts again before a quorum has shown that its epoch went on', () => {
    const { cluster, id } = follower('pbft')
    cluster.crash(cluster.node(id))
    cluster.damage(cluster.node(id), LEFT, cluster.node(id).disk.safety)
    cluster.restart(cluster.node(id))
    const isWhole = (): boolean => cluster.node(id).core.status().mayVote
    expect(cluster.runFor(5000, isWhole), describeNodes(cluster)).toBe(true)
    cluster.crash(cluster.node(id))
    cluster.restart(cluster.node(id))
    expect(cluster.node(id).core.status()).toMatchObject({ mayVote: false, isForgetful: true })

    // What is certified long after that start shows it: now the mark goes.
    expect(cluster.runFor(5000, isWhole), describeNodes(cluster)).toBe(true)
    cluster.runFor(3 * CLOCK_BOUND_MS)
    const remembers = (): boolean => cluster.node(id).core.status().isForgetful === false
    for (let at = 0; at < ENTRIES && !remembers(); at++) settle(cluster, [cluster.submit()])
    expect(cluster.runFor(5000, remembers), describeNodes(cluster)).toBe(true)
    cluster.crash(cluster.node(id))
    cluster.restart(cluster.node(id))
    expect(cluster.node(id).core.status()).toMatchObject({ mayVote: true, isForgetful: false })
  })

  it('takes part in the next one where that began after its start, though nothing was certified between', () => {
    const { cluster, id } = follower('pbft')
    cluster.crash(cluster.node(id))
    cluster.damage(cluster.node(id), LEFT, cluster.node(id).disk.safety)
    cluster.restart(cluster.node(id))
    cluster.runFor(3 * CLOCK_BOUND_MS)
    expect(cluster.node(id).core.status()).toMatchObject({ mayVote: true, isForgetful: true })
    orderMode(cluster, 'bft')
    reach(cluster, 1)
    expect(cluster.node(id).core.status()).toMatchObject({ mayVote: true, isForgetful: false })
  })

  it('takes part in the next one where a quorum has shown since that the epoch went on', () => {
    const { cluster, id } = follower('pbft')
    cluster.crash(cluster.node(id))
    cluster.damage(cluster.node(id), LEFT, cluster.node(id).disk.safety)
    cluster.restart(cluster.node(id))
    cluster.runFor(3 * CLOCK_BOUND_MS)
    for (let at = 0; at < 3; at++) settle(cluster, [cluster.submit()])
    orderMode(cluster, 'bft')
    reach(cluster, 1)
    expect(cluster.node(id).core.status().mayVote).toBe(true)
    for (const other of [...cluster.nodes.values()].filter((node) => node.id !== id).slice(0, 2)) cluster.crash(other)
    settle(cluster, [cluster.submit()])
  })
})
