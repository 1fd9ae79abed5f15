/**
 * Changes of members of a hybrid cluster: in a Raft epoch the certified change ends the epoch, and the next
 * one is Raft again with the new members; in a Byzantine epoch the protocol's own way is taken and the hybrid
 * takes note. Whoever may not order one orders nothing, and a change that its leader leaves behind never
 * half takes place.
 */
import { describe, expect, it } from 'vitest'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import type { EpochLink } from '../../../src/consensus/hybrid/epoch-links.js'
import { nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { replicasNamed } from '../bft/keys.js'
import { decide, describeNodes, leaderOf, nodesOf, orderMode, settle } from '../bft/steps.js'
import { targetOf } from '../engine.js'
import { hybridCluster } from './harness.js'

/** The members become these. */
function change(cluster: ByzantineCluster, ids: readonly string[], voters: readonly string[] = ids): void {
  const leader = leaderOf(cluster)
  const { members: voting } = replicasNamed(ids)
  const members = voting.map((member) =>
    voters.includes(member.id) ? member : { ...member, role: 'learner' as const },
  )
  const { epoch } = leader.core.status()
  cluster.order(leader, targetOf({ joint: false, members }))
  const there = () =>
    ids.every((id) => {
      const status = cluster.node(id).core.status()
      return (
        !cluster.node(id).up ||
        (status.epoch === epoch + 1 && status.membership.membership.members.length === ids.length)
      )
    })
  const refused = cluster.seen.findLast(({ effect }) => effect.type === 'orderRefused')
  if (!cluster.runFor(30_000, there))
    throw new Error(`the members did not change ${JSON.stringify(refused)}\n${describeNodes(cluster)}`)
}

const idsUpTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i + 1}`)

function begun(
  count: number,
  options: { readonly spares?: readonly string[]; readonly seed?: number; readonly bft?: 'pbft' | 'hotstuff' } = {},
): ByzantineCluster {
  const cluster = hybridCluster({ count, ...options })
  settle(cluster, [cluster.submit(), cluster.submit()], { nodes: nodesOf(cluster, idsUpTo(count)) })
  return cluster
}

describe('a change of members in a Raft epoch', () => {
  for (const count of [5, 7]) {
    it(`removes one of ${count}, and Raft goes on`, () => {
      const cluster = begun(count)
      const left = idsUpTo(count - 1)
      change(cluster, left)
      const nodes = nodesOf(cluster, left)
      settle(
        cluster,
        Array.from({ length: 6 }, () => cluster.submit()),
        { nodes },
      )
      for (const node of nodes) expect(node.core.status()).toMatchObject({ mode: 'raft', epoch: 1 })
      expect(cluster.rejected).toEqual([])
    })
  }

  it('is possible again in the next epoch, and from Raft a Byzantine epoch follows as before', () => {
    const cluster = begun(6, { seed: 3 })
    change(cluster, idsUpTo(5))
    decide(cluster, idsUpTo(5))
    change(cluster, idsUpTo(4))
    const nodes = nodesOf(cluster, idsUpTo(4))
    settle(cluster, [cluster.submit()], { nodes })
    orderMode(cluster, 'bft', nodes)
    settle(
      cluster,
      Array.from({ length: 8 }, () => cluster.submit()),
      { nodes },
    )
    for (const node of nodes) expect(node.core.status()).toMatchObject({ mode: 'pbft', epoch: 3 })
    expect(cluster.rejected).toEqual([])
  })

  it('survives restarts of everybody', () => {
    const cluster = begun(5, { seed: 4 })
    change(cluster, idsUpTo(4))
    const nodes = nodesOf(cluster, idsUpTo(4))
    settle(cluster, [cluster.submit()], { nodes })
    for (const node of nodes) cluster.crash(node)
    for (const node of nodes) cluster.restart(node)
    decide(cluster, idsUpTo(4))
    for (const node of nodesOf(cluster, idsUpTo(4))) {
      expect(node.core.status()).toMatchObject({ mode: 'raft', epoch: 1 })
      expect(node.core.status().membership.membership.members).toHaveLength(4)
    }
  })

  it('is never below four, never unsigned, never against another plan', () => {
    const cluster = begun(4)
    const leader = cluster.leader() as Node
    const refusals = () => cluster.seen.flatMap(({ effect }) => (effect.type === 'orderRefused' ? [effect.code] : []))
    cluster.order(leader, targetOf(replicasNamed(idsUpTo(3))))
    const target = targetOf(replicasNamed(['n1', 'n2', 'n3', 'n5']))
    const order = { kind: 'changeMembership', planned: 0 as never, target } as const
    cluster.step(leader, { type: 'order', orderId: 7, order })
    cluster.step(leader, { type: 'order', orderId: 8, order: { ...order, planned: 3 as never } })
    expect(refusals()).toEqual(['InvalidArgument', 'InvalidArgument', 'StalePlan'])
  })
})

describe('between two epochs', () => {
  it('a member goes by the members of the one that ends', () => {
    const cluster = begun(5, { seed: 9 })
    change(cluster, idsUpTo(4))
    const nodes = nodesOf(cluster, idsUpTo(4))
    settle(cluster, [cluster.submit(idsUpTo(4) as never)], { nodes })
    const before = nodes.map((node) => node.core.status().membership.index)
    cluster.intercept = (_from, _to, message) => (message.type === 'hybridHandOver' ? [] : null)
    orderMode(cluster, 'bft', nodes)
    cluster.runFor(3000)
    nodes.forEach((node, at) => {
      const { mode, membership, lastIndex } = node.core.status()
      expect(mode).toBe('raft')
      expect(node.core.mayPropose()).toBe(false)
      expect(membership.index).toBe(before[at])
      expect(node.core.membershipAt(lastIndex)).toEqual(membership)
      expect(node.core.membershipAt((membership.index - 1) as never).membership.members).toHaveLength(5)
    })
  })
})

describe('a change whose leader is gone', () => {
  it('takes place as a whole or not at all, and the cluster goes on', () => {
    for (let seed = 1; seed <= 9; seed++) {
      const cluster = begun(5, { seed })
      const leader = cluster.leader() as Node
      const rest = idsUpTo(5).filter((id) => id !== leader.id)
      // The entry reaches one, two or three, and nobody hears that it is certified.
      const heard = rest.slice(0, 1 + (seed % 3))
      cluster.intercept = (from, to) => (from === leader.id && !heard.includes(to) ? [] : null)
      cluster.order(leader, targetOf(replicasNamed(rest)))
      cluster.runFor(20)
      cluster.crash(leader)
      cluster.intercept = () => null
      settle(cluster, [cluster.submit(rest as never)], { nodes: nodesOf(cluster, rest), withinMs: 60_000 })
      const sizes = nodesOf(cluster, rest).map((node) => node.core.status().membership.membership.members.length)
      expect(new Set(sizes).size).toBe(1)
      cluster.restart(leader)
      decide(cluster, rest, 60_000)
    }
  })
})

/** The checkpoint up to which all of these compact their logs. */
function compact(cluster: ByzantineCluster, ids: readonly string[]): void {
  const least = Math.min(...nodesOf(cluster, ids).map(({ executed }) => executed))
  const index = least - (least % 8)
  for (const node of nodesOf(cluster, ids)) cluster.snapshot(node, index)
  const isDone = () => nodesOf(cluster, ids).every((node) => node.core.status().firstIndex === index + 1)
  if (!cluster.runFor(10_000, isDone)) throw new Error(`no log begins at ${index}\n${describeNodes(cluster)}`)
}

function write(cluster: ByzantineCluster, ids: readonly string[], count: number): void {
  for (let i = 0; i < count; i++) decide(cluster, ids)
}

const toByzantine = (cluster: ByzantineCluster, ids: readonly string[]): void => {
  orderMode(cluster, 'bft', nodesOf(cluster, ids))
  const there = () => nodesOf(cluster, ids).every((node) => node.core.status().mode !== 'raft')
  if (!cluster.runFor(20_000, there)) throw new Error(`no switch\n${describeNodes(cluster)}`)
}

/** As it is, but nobody's signature stands under it. */
function unsigned(link: EpochLink): EpochLink {
  if (link.kind !== 'switch') return link
  const { certificate } = link.certificate
  const signatures = certificate.signatures.map(() => new Uint8Array(64))
  return { ...link, certificate: { ...link.certificate, certificate: { ...certificate, signatures } } }
}

describe('who joins', () => {
  for (const isCompacted of [false, true]) {
    it(`becomes a learner, then a voter that is needed, ${isCompacted ? 'by a snapshot' : 'from the whole log'}`, () => {
      const cluster = begun(4, { spares: ['n5'] })
      write(cluster, idsUpTo(4), 20)
      if (isCompacted) compact(cluster, idsUpTo(4))
      change(cluster, idsUpTo(5), idsUpTo(4))
      write(cluster, idsUpTo(5), 3)
      expect(cluster.counts.installs).toBe(isCompacted ? 1 : 0)
      change(cluster, idsUpTo(5))
      write(cluster, idsUpTo(5), 3)
      // Four of five are a quorum: the fifth counts.
      cluster.crash(cluster.node('n1'))
      write(cluster, ['n2', 'n3', 'n4', 'n5'], 3)
      for (const node of nodesOf(cluster, ['n2', 'n3', 'n4', 'n5']))
        expect(node.core.status()).toMatchObject({ mode: 'raft', epoch: 2 })
      expect(cluster.rejected).toEqual([])
    })
  }

  for (const lie of ['another state', 'a way that no quorum signed'] as const) {
    it(`does not believe a member that offers ${lie}`, () => {
      const cluster = begun(4, { spares: ['n5'] })
      cluster.crash(cluster.node('n5'))
      write(cluster, idsUpTo(4), 20)
      compact(cluster, idsUpTo(4))
      change(cluster, ['n1', 'n2', 'n3', 'n4', 'n5'], idsUpTo(4))
      write(cluster, idsUpTo(4), 20)
      compact(cluster, idsUpTo(4))
      cluster.restart(cluster.node('n5'))
      cluster.lie(nodeId('n1'))
      let offers = 0
      cluster.intercept = (from, to, message) => {
        if (message.type !== 'hybridCheckpoint' || message.snapshot === null || to !== 'n5') return null
        if (from !== 'n1') return []
        offers++
        const base = { ...message.snapshot.base, chain: new Uint8Array(32) }
        if (lie === 'another state') return [{ ...message, snapshot: { ...message.snapshot, base } }]
        return [{ ...message, links: message.links.map(unsigned) }]
      }
      cluster.runFor(5000)
      expect(cluster.counts.installs).toBe(0)
      expect(offers).toBeGreaterThan(0)
      cluster.intercept = () => null
      write(cluster, ['n2', 'n3', 'n4', 'n5'], 2)
      expect(cluster.counts.installs).toBe(1)
    })
  }
})

/** Far more questions than five seconds give reason for. */
const ASKED_MAX = 500

describe('who was away over changes and epochs', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`finds the cluster though it heard a leader before, and nobody writes (${bft})`, () => {
      const cluster = begun(4, { spares: ['n5'], bft })
      change(cluster, idsUpTo(5), idsUpTo(4))
      write(cluster, idsUpTo(5), 2)
      expect(cluster.node('n5').core.status().leader).not.toBeNull()
      cluster.partition(
        idsUpTo(4).map((id) => nodeId(id)),
        [nodeId('n5')],
      )
      toByzantine(cluster, idsUpTo(4))
      write(cluster, idsUpTo(4), 5)
      // As where somebody lied: nobody says that it is over.
      cluster.intercept = (_from, _to, message) => (message.type === 'hybridVote' ? [] : null)
      cluster.runFor(5000)
      cluster.heal()
      const { lastIndex } = cluster.node('n1').core.status()
      const isThere = (): boolean => cluster.node('n5').executed === lastIndex
      expect(cluster.runFor(30_000, isThere), describeNodes(cluster)).toBe(true)
    })

    for (const isCompacted of [false, true]) {
      it(`finds the cluster by itself, though nobody writes (${bft}, ${isCompacted ? 'compacted' : 'whole'} logs)`, () => {
        const cluster = begun(4, { spares: ['n5'], bft })
        cluster.crash(cluster.node('n5'))
        change(cluster, idsUpTo(5), idsUpTo(4))
        write(cluster, idsUpTo(4), 2)
        toByzantine(cluster, idsUpTo(4))
        write(cluster, idsUpTo(4), 20)
        if (isCompacted) compact(cluster, idsUpTo(4))
        // As where somebody lied: nobody says that it is over.
        cluster.intercept = (_from, _to, message) => (message.type === 'hybridVote' ? [] : null)
        cluster.runFor(5000)
        cluster.restart(cluster.node('n5'))
        const { lastIndex } = cluster.node('n1').core.status()
        const isThere = (): boolean => cluster.node('n5').executed === lastIndex
        expect(cluster.runFor(30_000, isThere), describeNodes(cluster)).toBe(true)
        expect(cluster.node('n5').core.status()).toMatchObject({ mode: bft, epoch: 2, role: 'learner' })
      })
    }
  }

  it('asks no more often where every question and every answer comes twice (hotstuff)', () => {
    const cluster = begun(4, { spares: ['n5'], bft: 'hotstuff' })
    change(cluster, idsUpTo(5), idsUpTo(4))
    write(cluster, idsUpTo(5), 2)
    toByzantine(cluster, idsUpTo(4))
    write(cluster, idsUpTo(5), 3)
    expect(cluster.node('n5').core.status()).toMatchObject({ mode: 'hotstuff', role: 'learner' })
    let asked = 0
    cluster.intercept = (_from, _to, message) => {
      if (message.type === 'hsFetchEntries') asked++
      const isTwice = message.type === 'hsFetchEntries' || message.type === 'hsStatus'
      return isTwice && asked < ASKED_MAX ? [message, message] : null
    }
    cluster.runFor(5000)
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThan(ASKED_MAX)
  })

  it("is not kept in an epoch that is over by its leader's heartbeats, though nobody writes", () => {
    const cluster = begun(5, { bft: 'hotstuff' })
    const leader = leaderOf(cluster).id
    const held = nodeId(leader === 'n5' ? 'n4' : 'n5')
    let heard: ProtocolMessage | null = null
    cluster.onDeliver = (_from, to, message) => {
      if (to === held && message.type === 'heartbeat') heard = message
    }
    cluster.runFor(2000)
    expect(leaderOf(cluster).id).toBe(leader)
    cluster.lie(leader)
    const others = [...cluster.nodes.keys()].filter((id) => id !== held)
    cluster.partition(others, [held])
    toByzantine(cluster, others)
    for (let at = 0; at < 5; at++) settle(cluster, [cluster.submit(others)], { nodes: nodesOf(cluster, others) })
    // As where somebody lied: nobody says that it is over. And the liar says to that member what it said before.
    cluster.intercept = (from, to, message) =>
      message.type === 'hybridVote' || (from === leader && to === held) ? [] : null
    const { lastIndex } = cluster.node('n1').core.status()
    const isThere = (): boolean => cluster.node(held).executed === lastIndex
    for (let at = 0; at < 600 && !isThere(); at++) {
      if (at === 100) cluster.heal()
      if (heard !== null) cluster.inject(leader, held, heard)
      cluster.runFor(50)
    }
    expect(isThere(), describeNodes(cluster)).toBe(true)
  })

  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`comes back, with the links and a snapshot, into the present epoch (${bft})`, () => {
      const cluster = begun(6, { seed: 11, bft })
      cluster.crash(cluster.node('n3'))
      const there = ['n1', 'n2', 'n4', 'n5', 'n6']
      change(cluster, ['n1', 'n2', 'n3', 'n4', 'n5'])
      const left = there.filter((id) => id !== 'n6')
      write(cluster, left, 10)
      toByzantine(cluster, left)
      write(cluster, left, 14)
      compact(cluster, left)
      write(cluster, left, 3)
      cluster.restart(cluster.node('n3'))
      write(cluster, [...left, 'n3'], 3)
      expect(cluster.counts.installs).toBe(1)
      expect(cluster.node('n3').core.status()).toMatchObject({ mode: bft, epoch: 2 })
      // It signs there: without it and another nothing is decided.
      cluster.crash(cluster.node('n1'))
      write(cluster, ['n2', 'n3', 'n4', 'n5'], 2)
      expect(cluster.rejected).toEqual([])
    })
  }
})

describe('who comes to an epoch that a change of members in a Byzantine epoch is about to begin', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`takes part in its beginning, where that needs it (${bft})`, () => {
      const cluster = begun(5, { spares: ['n6'], bft })
      cluster.crash(cluster.node('n5'))
      const there = idsUpTo(4)
      write(cluster, there, 2)
      toByzantine(cluster, there)
      write(cluster, there, 12)
      const isInit = (message: ProtocolMessage): boolean =>
        (message.type === 'pbftPrePrepare' && message.value.kind === 'mode') ||
        (message.type === 'hsProposal' && message.header.kind === 'mode')
      cluster.intercept = (_from, _to, message) => (isInit(message) ? [] : null)
      change(cluster, idsUpTo(6), idsUpTo(5))
      cluster.crash(cluster.node('n4'))
      const end = cluster.node('n1').core.status().lastIndex
      for (const id of idsUpTo(3)) cluster.snapshot(cluster.node(id), end)
      const isCompacted = (): boolean => cluster.node('n1').core.status().firstIndex === end + 1
      expect(cluster.runFor(10_000, isCompacted), describeNodes(cluster)).toBe(true)
      cluster.restart(cluster.node('n5'))
      const isHere = (): boolean => cluster.node('n5').core.status().epoch === 2
      expect(cluster.runFor(20_000, isHere), describeNodes(cluster)).toBe(true)
      cluster.intercept = () => null
      write(cluster, ['n1', 'n2', 'n3', 'n5'], 3)
      expect(cluster.rejected).toEqual([])
      // Nothing that an honest member says there is evidence against it.
      expect(cluster.seen.filter(({ effect }) => effect.type === 'evidence')).toEqual([])
    })
  }
})

describe('a change of members in a Byzantine epoch of a hybrid', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`of ${bft} begins the next epoch, which the hybrid knows after a restart`, () => {
      const cluster = hybridCluster({ count: 5, bft, seed: 12 })
      settle(cluster, [cluster.submit()])
      toByzantine(cluster, idsUpTo(5))
      write(cluster, idsUpTo(5), 3)
      change(cluster, idsUpTo(4))
      write(cluster, idsUpTo(4), 3)
      for (const node of nodesOf(cluster, idsUpTo(4))) cluster.crash(node)
      for (const id of idsUpTo(4)) cluster.restart(cluster.node(id))
      write(cluster, idsUpTo(4), 3)
      for (const node of nodesOf(cluster, idsUpTo(4))) {
        expect(node.core.status()).toMatchObject({ mode: bft, epoch: 2 })
        expect(node.core.status().membership.membership.members).toHaveLength(4)
      }
      expect(cluster.rejected).toEqual([])
    })

    it(`of ${bft} is possible after one in a Raft epoch`, () => {
      const cluster = hybridCluster({ count: 6, bft, seed: 13 })
      settle(cluster, [cluster.submit()])
      change(cluster, idsUpTo(5))
      write(cluster, idsUpTo(5), 1)
      toByzantine(cluster, idsUpTo(5))
      write(cluster, idsUpTo(5), 3)
      change(cluster, idsUpTo(4))
      write(cluster, idsUpTo(4), 3)
      for (const node of nodesOf(cluster, idsUpTo(4))) expect(node.core.status()).toMatchObject({ mode: bft, epoch: 3 })
    })
  }
})
