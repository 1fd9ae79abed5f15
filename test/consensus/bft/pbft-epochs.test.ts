/** Changes of members: alone in their slot, the end of an epoch, and the same core goes on in the next. */
import { describe, expect, it } from 'vitest'
import { decodeInit } from '../../../src/consensus/bft/init.js'
import { logIndex, nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { replica } from './keys.js'
import { pbftCluster } from './pbft-harness.js'

const N5 = nodeId('n5')

function target(...ids: string[]) {
  return ids.map((id) => {
    const { wasVoter: _, ...member } = replica(nodeId(id))
    return { ...member, role: 'voter' as const }
  })
}

function work(cluster: ByzantineCluster, count: number): void {
  const names = Array.from({ length: count }, () => cluster.submit())
  const members = (): typeof cluster.honest => cluster.honest.filter((node) => node.up && node.core.status().mayVote)
  expect(cluster.runFor(20_000, () => names.every((name) => cluster.executedBy(name, members())))).toBe(true)
}

describe('epochs', () => {
  it('one member leaves, the others go on in the next epoch with INIT resting on the certified checkpoint', () => {
    const cluster = pbftCluster({ count: 5 })
    work(cluster, 10)
    const leader = cluster.leader() as NonNullable<ReturnType<typeof cluster.leader>>
    cluster.order(leader, target('n1', 'n2', 'n3', 'n4'))
    const moved = (): boolean => ['n1', 'n2', 'n3', 'n4'].every((id) => cluster.node(id).core.status().epoch === 1)
    expect(cluster.runFor(5000, moved)).toBe(true)
    work(cluster, 10)
    expect(cluster.node('n5').core.status().mayVote).toBe(false)
    const init = cluster.watch.log.find((entry) => entry.epoch === 1)
    expect(init?.kind).toBe('mode')
    expect(decodeInit(init?.body ?? new Uint8Array()).basis.kind).toBe('checkpoint')
  })

  it('a member that slept through the change follows by entries and certificates', () => {
    const cluster = pbftCluster({ count: 5 })
    work(cluster, 5)
    cluster.crash(cluster.node('n4'))
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4'))
    // Four of five are a quorum; the one that leaves still helps to end the epoch.
    const moved = (): boolean => ['n1', 'n2', 'n3'].every((id) => cluster.node(id).core.status().epoch === 1)
    expect(cluster.runFor(5000, moved)).toBe(true)
    work(cluster, 5)
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(5000, () => cluster.node('n4').core.status().epoch === 1)).toBe(true)
    cluster.crash(cluster.node('n3'))
    work(cluster, 5)
  })

  it('a member that learns of the certified end of an epoch before the change itself follows all the same', () => {
    const cluster = pbftCluster({ count: 5 })
    work(cluster, 5)
    const n4 = nodeId('n4')
    // Nothing of the slots reaches it, only the checkpoint votes of the others do.
    let held = true
    cluster.intercept = (_from, to, message) => {
      const isCheckpoint = message.type === 'pbftVote' && message.vote.type === 'checkpoint'
      return held && to === n4 && !isCheckpoint ? [] : null
    }
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4'))
    const moved = (): boolean => ['n1', 'n2', 'n3'].every((id) => cluster.node(id).core.status().epoch === 1)
    expect(cluster.runFor(5000, moved)).toBe(true)
    expect(cluster.node('n4').core.status().epoch).toBe(0)
    held = false
    expect(cluster.runFor(5000, () => cluster.node('n4').core.status().epoch === 1)).toBe(true)
    cluster.crash(cluster.node('n3'))
    work(cluster, 5)
  })

  it('refuses fewer than four members, and a joiner that nobody heard of', () => {
    const cluster = pbftCluster({ spares: [N5] })
    cluster.crash(cluster.node('n5'))
    work(cluster, 3)
    const leader = cluster.leader() as NonNullable<ReturnType<typeof cluster.leader>>
    cluster.order(leader, target('n1', 'n2', 'n3'))
    cluster.order(leader, target('n1', 'n2', 'n3', 'n4', 'n5'))
    const refused = cluster.seen.flatMap(({ effect }) => (effect.type === 'orderRefused' ? [effect] : []))
    expect(refused.map(({ code }) => code)).toEqual(['InvalidArgument', 'NotCaughtUp'])
  })

  it('a joiner catches up first, then votes', () => {
    const cluster = pbftCluster({ spares: [N5] })
    work(cluster, 12)
    expect(cluster.runFor(5000, () => cluster.node('n5').core.status().lastIndex >= 3)).toBe(true)
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4', 'n5'))
    const all = ['n1', 'n2', 'n3', 'n4', 'n5']
    expect(cluster.runFor(5000, () => all.every((id) => cluster.node(id).core.status().epoch === 1))).toBe(true)
    work(cluster, 12)
    // Four of five are the quorum now: the joiner's vote is needed.
    cluster.crash(cluster.node('n2'))
    work(cluster, 8)
  })

  it('a snapshot from before the last change of members is enough: the rest comes as entries', () => {
    const cluster = pbftCluster({ count: 6, spares: [nodeId('n7')] })
    cluster.crash(cluster.node('n7'))
    const epochIs = (epoch: number, ...ids: string[]) =>
      cluster.runFor(20_000, () => ids.every((id) => cluster.node(id).core.status().epoch === epoch))
    work(cluster, 10)
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4', 'n5'))
    expect(epochIs(1, 'n1', 'n2', 'n3', 'n4', 'n5')).toBe(true)
    work(cluster, 60)
    cluster.runFor(1000)
    for (const id of ['n1', 'n2', 'n3', 'n4']) cluster.snapshot(cluster.node(id), 16)
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4'))
    expect(epochIs(2, 'n1', 'n2', 'n3', 'n4')).toBe(true)
    work(cluster, 10)
    cluster.restart(cluster.node('n7'))
    const { lastIndex } = cluster.node('n1').core.status()
    expect(cluster.runFor(20_000, () => cluster.node('n7').executed >= lastIndex)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    expect(cluster.node('n7').core.status().epoch).toBe(2)
  })

  it('a snapshot of exactly the state after a change of members leads into the next epoch', () => {
    const cluster = pbftCluster({ count: 5, spares: [nodeId('n7')] })
    cluster.crash(cluster.node('n7'))
    work(cluster, 10)
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4'))
    const moved = (): boolean => ['n1', 'n2', 'n3', 'n4'].every((id) => cluster.node(id).core.status().epoch === 1)
    expect(cluster.runFor(5000, moved)).toBe(true)
    const change = cluster.watch.log.find((entry) => entry.kind === 'membership')?.index ?? 0
    for (const id of ['n1', 'n2', 'n3', 'n4']) cluster.snapshot(cluster.node(id), change)
    work(cluster, 10)
    cluster.restart(cluster.node('n7'))
    const { lastIndex } = cluster.node('n1').core.status()
    expect(cluster.runFor(20_000, () => cluster.node('n7').executed >= lastIndex)).toBe(true)
    expect(cluster.node('n7').core.status().epoch).toBe(1)
  })

  it('a snapshot of that state can be taken before its checkpoint is certified, and the log begin behind it', () => {
    const cluster = pbftCluster({ count: 5 })
    work(cluster, 10)
    const stay = ['n1', 'n2', 'n3', 'n4']
    let held = true
    cluster.intercept = (_from, _to, message) =>
      held && message.type === 'pbftVote' && message.vote.type === 'checkpoint' ? [] : null
    cluster.order(cluster.leader() as never, target(...stay))
    const change = () => cluster.watch.log.find((entry) => entry.kind === 'membership')?.index ?? Number.MAX_VALUE
    expect(cluster.runFor(5000, () => stay.every((id) => cluster.node(id).executed >= change()))).toBe(true)
    for (const id of stay) {
      const { core } = cluster.node(id)
      expect(core.status().epoch).toBe(0)
      // Whoever is given the snapshot holds its members against those that the steps lead to.
      const named = core.membershipAt(logIndex(change())).membership.members.map((member) => member.id)
      expect(named).toEqual(stay)
      cluster.snapshot(cluster.node(id), change())
    }
    held = false
    expect(cluster.runFor(5000, () => stay.every((id) => cluster.node(id).core.status().epoch === 1))).toBe(true)
    expect(cluster.node('n1').core.status().firstIndex).toBe(change() + 1)
    work(cluster, 5)
  })

  it('who joins after two changes and a compaction walks the epochs to a snapshot', () => {
    const cluster = pbftCluster({ count: 6, spares: [nodeId('n7')] })
    cluster.crash(cluster.node('n7'))
    const epochIs = (epoch: number, ...ids: string[]) =>
      cluster.runFor(20_000, () => ids.every((id) => cluster.node(id).core.status().epoch === epoch))
    work(cluster, 10)
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4', 'n5'))
    expect(epochIs(1, 'n1', 'n2', 'n3', 'n4', 'n5')).toBe(true)
    work(cluster, 10)
    cluster.order(cluster.leader() as never, target('n1', 'n2', 'n3', 'n4'))
    expect(epochIs(2, 'n1', 'n2', 'n3', 'n4')).toBe(true)
    work(cluster, 60)
    cluster.runFor(1000)
    for (const id of ['n1', 'n2', 'n3', 'n4']) {
      const node = cluster.node(id)
      const stable = Math.floor(node.executed / 8) * 8
      cluster.snapshot(node, stable)
    }
    cluster.runFor(500)
    cluster.restart(cluster.node('n7'))
    const { lastIndex } = cluster.node('n1').core.status()
    expect(cluster.runFor(20_000, () => cluster.node('n7').executed >= lastIndex)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    expect(cluster.node('n7').core.status().epoch).toBe(2)
    work(cluster, 5)
    // After restarts too: every node comes back in the epoch that it was in.
    for (const id of ['n1', 'n2', 'n3', 'n4', 'n7']) {
      cluster.crash(cluster.node(id))
      cluster.restart(cluster.node(id))
    }
    work(cluster, 5)
  })
})
