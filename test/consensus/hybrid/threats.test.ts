/**
 * What makes a hybrid cluster leave its Raft epoch, and what does not: bad signatures climb the levels and
 * switch it when f + 1 members see them; a leader with two histories is caught by the second one and the
 * switch is immediate; one member's cries of panic, or a flood of lies that anybody can tell, change
 * nothing. In all cases what was executed before is there after.
 */
import { describe, expect, it } from 'vitest'
import { type Evidence, equivocation } from '../../../src/consensus/bft/evidence.js'
import { epochConfigHash } from '../../../src/consensus/bft/replicas.js'
import type { SignedStatement } from '../../../src/consensus/bft/statement.js'
import { decodeHybrid, encodeHybrid, isHybrid } from '../../../src/consensus/hybrid/codec.js'
import type { HybridMessage } from '../../../src/consensus/hybrid/messages.js'
import type { NodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { leaderOf, orderMode, settle } from '../bft/steps.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { hybridCluster } from './harness.js'
import { RaftLiar } from './liar.js'

function begun(count = 4, seed = 1): { cluster: ByzantineCluster; leader: Node } {
  const cluster = hybridCluster({ count, seed })
  settle(cluster, [cluster.submit(), cluster.submit()])
  return { cluster, leader: leaderOf(cluster) }
}

const modes = (cluster: ByzantineCluster): string[] => cluster.honest.map((node) => node.core.status().mode)

describe('bad signatures', () => {
  it('climb low, medium, high as counted, and switch the cluster when f + 1 members see high', () => {
    const { cluster, leader } = begun()
    const liar = [...cluster.nodes.values()].find((node) => node !== leader) as Node
    cluster.lie(liar.id)
    const victims = cluster.honest
    const ack = { type: 'hybridVote', vote: { ...forgedPanic(liar), signature: new Uint8Array(64) } } as const
    const levels: string[][] = []
    for (let count = 1; count <= 6; count++) {
      for (const victim of victims) cluster.inject(liar.id, victim.id, ack as HybridMessage)
      levels.push(victims.map((node) => node.core.status().threat?.level ?? '?'))
    }
    const all = (level: string): string[] => [level, level, level]
    expect(levels.slice(0, 5)).toEqual([all('low'), all('low'), all('medium'), all('medium'), all('medium')])
    expect(levels[5]).toEqual(all('high'))
    expect(cluster.runFor(20_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
    settle(cluster, [cluster.submit()])
  })

  it('seen by one member only raise its own level and switch nothing', () => {
    const { cluster, leader } = begun()
    const others = [...cluster.nodes.values()].filter((node) => node !== leader)
    const [liar, victim] = others as [Node, Node]
    cluster.lie(liar.id)
    const lie = { type: 'hybridVote', vote: { ...forgedPanic(liar), signature: new Uint8Array(64) } } as const
    for (let i = 0; i < 50; i++) cluster.inject(liar.id, victim.id, lie as HybridMessage)
    expect(victim.core.status().threat?.level).toBe('critical')
    settle(cluster, [cluster.submit()])
    cluster.runFor(5000)
    expect(new Set(modes(cluster))).toEqual(new Set(['raft']))
  })

  it('make answers certified', () => {
    const { cluster, leader } = begun()
    const liar = [...cluster.nodes.values()].find((node) => node !== leader) as Node
    cluster.lie(liar.id)
    const lie = { type: 'hybridVote', vote: { ...forgedPanic(liar), signature: new Uint8Array(64) } } as const
    for (const victim of cluster.honest) cluster.inject(liar.id, victim.id, lie as HybridMessage)
    cluster.seen.length = 0
    settle(cluster, [cluster.submit(), cluster.submit()])
    const told = cluster.seen.flatMap(({ node, effect }) =>
      effect.type === 'commit' && node !== liar.id ? [effect.assurance] : [],
    )
    expect(new Set(told)).toEqual(new Set(['certified']))
  })
})

function forgedPanic(liar: Node) {
  const zero = new Uint8Array(32)
  const statement = { mode: 'raft', type: 'panic', epoch: liar.core.status().epoch, view: 0, sequence: 0 } as const
  return { ...statement, digest: zero, extra: zero, signer: liar.id }
}

describe('a leader with two histories', () => {
  for (const count of [4, 5, 6, 7]) {
    it(`is caught and the cluster switches at once (n = ${count})`, () => {
      const { cluster, leader } = begun(count, count)
      cluster.lie(leader.id)
      const liar = new RaftLiar(leader.id, cluster.options.membership)
      const honest = cluster.honest.map(({ id }) => id)
      liar.fork(honest.slice(0, Math.ceil(honest.length / 2)), leader.core.status().lastIndex + 1)
      cluster.intercept = (from, to, message) => (from === leader.id ? liar.distort(to, message, () => 0.5) : null)
      const names = Array.from({ length: 6 }, () => cluster.submit())
      settle(cluster, names, { withinMs: 60_000 })
      // Both histories meet when somebody shows its own to be elected: the headers in between are the proof.
      expect(cluster.runFor(60_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
      expect(cluster.watch.evidence.map(({ culprit }) => culprit)).toContain(leader.id)
    })
  }

  it('that tells one follower alone another one, and commits with the others, is convicted before anybody waits', () => {
    const { cluster, leader } = begun(4, 3)
    cluster.lie(leader.id)
    const liar = new RaftLiar(leader.id, cluster.options.membership)
    liar.fork([(cluster.honest[0] as Node).id], leader.core.status().lastIndex + 1)
    cluster.intercept = (from, to, message) => (from === leader.id ? liar.distort(to, message, () => 0.5) : null)
    const names = Array.from({ length: 6 }, () => cluster.submit())
    const isConvicted = () => cluster.watch.evidence.some(({ culprit }) => culprit === leader.id)
    expect(cluster.runFor(1000, isConvicted)).toBe(true)
    expect(cluster.runFor(20_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
    settle(cluster, [...names, cluster.submit()])
  })

  it('both words in one hand are evidence at once, and abort the epoch everywhere', () => {
    const { cluster, leader } = begun()
    cluster.lie(leader.id)
    const liar = new RaftLiar(leader.id, cluster.options.membership)
    liar.fork([], leader.core.status().lastIndex + 1)
    const victim = cluster.honest[0] as Node
    cluster.intercept = (from, to, message) => {
      if (from !== leader.id || to !== victim.id || message.type !== 'hybridAppend') return null
      return [message, liar.forked(message)]
    }
    const name = cluster.submit()
    expect(cluster.runFor(20_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
    expect(cluster.watch.evidence.map(({ culprit }) => culprit)).toContain(leader.id)
    for (const node of cluster.honest) {
      expect(node.core.status().threat).toMatchObject({ level: 'critical', causes: ['equivocation'] })
    }
    settle(cluster, [name, cluster.submit()])
  })
})

describe('the way back', () => {
  it('is refused while there is evidence, also when it is cleared too early; without its culprit it comes by itself', () => {
    const cluster = hybridCluster({ count: 5, seed: 4 })
    settle(cluster, [cluster.submit(), cluster.submit()])
    const leader = cluster.leader() as Node
    cluster.lie(leader.id)
    const liar = new RaftLiar(leader.id, cluster.options.membership)
    liar.fork([], leader.core.status().lastIndex + 1)
    cluster.intercept = (from, _to, message) =>
      from === leader.id && message.type === 'hybridAppend' ? [message, liar.forked(message)] : null
    cluster.submit()
    expect(cluster.runFor(20_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
    settle(cluster, [cluster.submit()])
    const node = cluster.honest[0] as Node
    const refusal = () => {
      cluster.seen.length = 0
      orderMode(cluster, 'raft', [node])
      return cluster.seen.map(({ effect }) => effect).find((effect) => effect.type === 'orderRefused')
    }
    const isAccused = { code: 'ModeRefused', reason: expect.stringContaining(leader.id) }
    expect(refusal()).toMatchObject(isAccused)
    // Its key is still that of a member: what it signed stays where it is.
    cluster.step(node, { type: 'clear', node: leader.id })
    expect(refusal()).toMatchObject(isAccused)
    cluster.runFor(40_000)
    expect(new Set(modes(cluster))).toEqual(new Set(['pbft']))
    const others = cluster.options.membership.members.filter(({ id }) => id !== leader.id)
    const primary = (): Node | undefined => cluster.honest.find(({ core }) => core.status().role === 'leader')
    expect(cluster.runFor(20_000, () => primary() !== undefined)).toBe(true)
    cluster.order(
      primary() as Node,
      others.map((member) => ({ ...member, role: 'voter', promote: false })),
    )
    const hasLeft = (): boolean =>
      cluster.honest.every(({ core }) => core.status().membership.membership.members.length === 4)
    expect(cluster.runFor(20_000, hasLeft)).toBe(true)
    cluster.crash(leader)
    expect(refusal()).toMatchObject(isAccused)
    cluster.pardon(leader.id)
    expect(cluster.runFor(30_000, () => modes(cluster).every((mode) => mode === 'raft'))).toBe(true)
    settle(cluster, [cluster.submit(), cluster.submit()])
  })
})

describe('evidence that only one member had when the epoch ended', () => {
  it('reaches the others, and keeps them from a return', () => {
    const cluster = hybridCluster({ count: 4, seed: 3, residencyMs: 1000 })
    settle(cluster, [cluster.submit()])
    const { epoch } = cluster.node('n4').core.status()
    cluster.lie('n3' as NodeId)
    const liar = new RaftLiar('n3' as NodeId, cluster.options.membership)
    const [a, b] = [1, 2].map((fill) => {
      const digest = new Uint8Array(32).fill(fill)
      return liar.sign({ mode: 'raft', type: 'header', epoch, view: 9, sequence: 9, digest, extra: new Uint8Array(32) })
    }) as [SignedStatement, SignedStatement]
    const configHash = epochConfigHash(sha256, CONFIG_HASH, cluster.options.membership)
    const evidence = equivocation({ clusterId: CLUSTER_ID, configHash }, a, b) as Evidence
    cluster.intercept = (_from, _to, message) => (message.type === 'hybridEvidence' ? [] : null)
    cluster.inject('n1' as NodeId, 'n4' as NodeId, { type: 'hybridEvidence', evidence })
    orderMode(cluster, 'bft')
    expect(cluster.runFor(20_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
    const levels = (): (string | undefined)[] =>
      ['n1', 'n2', 'n4'].map((id) => cluster.node(id).core.status().threat?.level)
    expect(levels()).toEqual(['none', 'none', 'critical'])
    cluster.intercept = () => null
    expect(cluster.runFor(10_000, () => levels().every((level) => level === 'critical'))).toBe(true)
    orderMode(cluster, 'raft', cluster.honest)
    cluster.runFor(10_000)
    expect(new Set(modes(cluster))).toEqual(new Set(['pbft']))
    settle(cluster, [cluster.submit()])
  })
})

describe('one liar alone', () => {
  it('changes nothing by panic, false clocks, terms out of nowhere, or commit indexes that nobody certified', () => {
    const { cluster, leader } = begun()
    const liar = [...cluster.nodes.values()].find((node) => node !== leader) as Node
    cluster.lie(liar.id)
    const { epoch, term } = leader.core.status()
    const heartbeat = { type: 'heartbeat', epoch, term: (term + 5) as never, commitIndex: 9999 as never } as const
    const rest = { acknowledgedIndex: 9999 as never, lastIndex: 9999 as never, readPosition: 0, commitChain: null }
    for (let i = 0; i < 20; i++) {
      for (const { id } of cluster.honest) {
        cluster.inject(liar.id, id, { ...heartbeat, ...rest })
        cluster.inject(liar.id, id, { ...heartbeat, ...rest, term })
        const reply = { type: 'heartbeatReply', epoch, term: (term + 9) as never, readPosition: 0, wallMs: 0 } as const
        cluster.inject(liar.id, id, { ...reply, digestIndex: 0 as never, stateDigest: null })
      }
      cluster.runFor(20)
    }
    settle(cluster, [cluster.submit()])
    expect(cluster.leader()?.id).toBe(leader.id)
    expect(leader.core.status()).toMatchObject({ mode: 'raft', term })
    expect(cluster.honest.every((node) => node.core.status().mayVote)).toBe(true)
  })

  it('withholding its history, or showing a shorter one, keeps nobody from the switch', () => {
    for (const what of ['withheld', 'shorter'] as const) {
      const { cluster, leader } = begun(4, 7)
      cluster.lie(leader.id)
      const liar = new RaftLiar(leader.id, cluster.options.membership)
      cluster.intercept = (from, _to, message) => {
        if (from !== leader.id || message.type !== 'hybridHistory') return null
        return what === 'withheld' ? [] : [{ ...message, history: liar.forgetful(message.history) }]
      }
      const before = cluster.submit()
      settle(cluster, [before])
      orderMode(cluster, 'bft', cluster.honest)
      expect(cluster.runFor(20_000, () => modes(cluster).every((mode) => mode === 'pbft'))).toBe(true)
      settle(cluster, [cluster.submit()])
    }
  })

  it('one member that wakes up in an epoch that is over is given its end', () => {
    const { cluster, leader } = begun()
    const late = [...cluster.nodes.values()].find((node) => node !== leader) as Node
    cluster.crash(late)
    settle(cluster, [cluster.submit()])
    orderMode(cluster, 'bft')
    settle(cluster, [cluster.submit(), cluster.submit()])
    cluster.restart(late)
    settle(cluster, [cluster.submit()])
    expect(cluster.node(late.id).core.status()).toMatchObject({ mode: 'pbft', epoch: 1 })
  })
})

describe('messages', () => {
  it('are the same bytes after a way through the codec, and none is taken with a byte more or less', () => {
    const cluster = hybridCluster({ seed: 5 })
    const seen = new Set<string>()
    let checked = 0
    cluster.onDeliver = (_from, _to, message) => {
      if (!isHybrid(message)) return
      seen.add(message.type)
      const bytes = encodeHybrid(message)
      expect(Buffer.from(encodeHybrid(decodeHybrid(bytes))).equals(Buffer.from(bytes))).toBe(true)
      if (checked++ % 50 > 0) return
      expect(() => decodeHybrid(Uint8Array.of(...bytes, 0))).toThrow()
      expect(() => decodeHybrid(bytes.subarray(0, bytes.length - 1))).toThrow()
    }
    cluster.crash(cluster.node('n2'))
    settle(cluster, [cluster.submit(), cluster.submit()])
    cluster.restart(cluster.node('n2'))
    settle(cluster, [cluster.submit()])
    cluster.crash(cluster.node('n2'))
    orderMode(cluster, 'bft')
    settle(cluster, [cluster.submit()])
    cluster.restart(cluster.node('n2'))
    settle(cluster, [cluster.submit()])
    for (const type of ['hybridAppend', 'hybridAck', 'hybridVoteRequest', 'hybridGrant', 'hybridTerm', 'hybridCommit'])
      expect(seen).toContain(type)
    for (const type of ['hybridVote', 'hybridHistory', 'hybridHandOver', 'hybridSwitch']) expect(seen).toContain(type)
  })
})
