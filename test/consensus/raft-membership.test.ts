/** Shows how the members change: one change at a time, through a joint configuration, learners promoted, leaders handing over. */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import type { Effect } from '../../src/consensus/core.js'
import { type Entry, GENESIS_CHAIN, makeEntry } from '../../src/consensus/entry.js'
import {
  decodeMembership,
  encodeMembership,
  leaveJoint,
  type Membership,
  nextMembership,
} from '../../src/consensus/membership.js'
import { epoch, logIndex, type NodeId, nodeId, readId, term } from '../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, member, members, SETTINGS, sha256 } from './disk.js'
import {
  append,
  appendOf,
  Engine,
  entriesOf,
  heartbeatReply,
  N1,
  N2,
  N3,
  of,
  preVote,
  preVoteReply,
  requestVoteReply,
  sends,
  targetOf,
} from './engine.js'

const N4 = nodeId('n4')

/** A settled configuration of these voters and learners. */
function settled(voters: readonly NodeId[], learners: readonly NodeId[] = []): Membership {
  return {
    joint: false,
    members: [...voters.map((id) => member(id, 'voter')), ...learners.map((id) => member(id, 'learner'))],
  }
}

/** The configuration between the two. */
function joint(before: Membership, after: Membership): Membership {
  const next = nextMembership(before, targetOf(after))
  if (next === null || !next.joint) throw new Error('the voters do not change')
  return next
}

/** The entry that brings a configuration, in `entryTerm`, after `log`. */
function membershipEntry(log: readonly Entry[], entryTerm: number, membership: Membership): Entry {
  const body = encodeMembership(membership)
  const fields = {
    epoch: epoch(0),
    term: term(entryTerm),
    index: logIndex(log.length + 1),
    timestampMs: 1000 * entryTerm,
    kind: 'membership' as const,
    clusterId: CLUSTER_ID,
    configHash: CONFIG_HASH,
    batchDigest: computeBatchDigest(sha256, 'membership', body),
    previousChain: log.at(-1)?.chain ?? GENESIS_CHAIN,
  }
  return makeEntry(sha256, fields, body)
}

function change(engine: Engine, after: Membership, planned = engine.core.status().membership.index): Effect[] {
  return engine.order({ kind: 'changeMembership', planned, target: targetOf(after) })
}

/** n1 leads three voters; its first entry is committed everywhere. */
function leader(options: ConstructorParameters<typeof Engine>[0] = {}): Engine {
  const engine = new Engine(options)
  engine.elect()
  for (const id of [N2, N3]) engine.ack(id, engine.core.status().lastIndex)
  return engine
}

const inForce = (engine: Engine) => engine.core.status().membership

describe('a change of members', () => {
  it('of voters is joint from its append on, committed by both halves, then left by itself', () => {
    const engine = leader()
    const after = settled([N1, N2, N4])
    expect(of(change(engine, after), 'ordered')).toMatchObject([{ orderId: 1, index: 2 }])
    expect(inForce(engine)).toMatchObject({ index: 2, membership: { joint: true } })
    engine.stored()
    // Of the old voters n1 and n2 hold it, of the new ones n1 alone until n2 or n4 do.
    engine.ack(N3, 2)
    expect(engine.core.status().commitIndex).toBe(1)
    expect(inForce(engine).index).toBe(2)
    engine.ack(N4, 2)
    expect(engine.core.status().commitIndex).toBe(2)
    expect(inForce(engine)).toEqual({ index: 3, membership: after })
    engine.stored()
    engine.ack(N2, 3)
    expect(engine.core.status()).toMatchObject({ commitIndex: 3, membershipCommitted: true })
    // Left once: nothing follows.
    expect(engine.core.status().lastIndex).toBe(3)
  })

  it('stays joint until the joint entry itself is committed, whatever else commits', () => {
    const engine = leader()
    engine.propose()
    change(engine, settled([N1, N2, N4]))
    engine.stored(2)
    engine.ack(N2, 2)
    expect(engine.core.status().commitIndex).toBe(2)
    expect(inForce(engine)).toMatchObject({ index: 3, membership: { joint: true } })
    expect(engine.core.status().lastIndex).toBe(3)
  })

  it('of learners alone is no joint one', () => {
    const engine = leader()
    change(engine, settled([N1, N2, N3], [N4]))
    expect(inForce(engine)).toMatchObject({ index: 2, membership: { joint: false } })
  })

  it('that changes nothing appends nothing', () => {
    const engine = leader()
    expect(of(change(engine, members(3)), 'ordered')).toMatchObject([{ index: null }])
    expect(engine.core.status().lastIndex).toBe(1)
  })

  it('waits until the last one is committed, joint or not', () => {
    const engine = leader()
    change(engine, settled([N1, N2, N3], [N4]))
    expect(of(change(engine, settled([N1, N2, N3])), 'orderRefused')).toMatchObject([{ code: 'ChangeInProgress' }])
    engine.stored()
    engine.ack(N2, 2)
    expect(of(change(engine, settled([N1, N2, N4])), 'ordered')).toMatchObject([{ index: 3 }])
    expect(of(change(engine, settled([N1, N2])), 'orderRefused')).toMatchObject([{ code: 'ChangeInProgress' }])
  })

  it('waits until an entry of the leader’s own term is committed', () => {
    const engine = new Engine()
    engine.elect()
    expect(of(change(engine, settled([N1, N2])), 'orderRefused')).toMatchObject([{ code: 'ChangeInProgress' }])
    engine.ack(N2, 1)
    expect(of(change(engine, settled([N1, N2])), 'ordered')).toMatchObject([{ index: 2 }])
  })

  it('that was planned against other members is refused, older or newer', () => {
    const engine = leader()
    change(engine, settled([N1, N2, N3], [N4]))
    engine.stored()
    engine.ack(N2, 2)
    expect(of(change(engine, settled([N1, N2]), logIndex(0)), 'orderRefused')).toMatchObject([{ code: 'StalePlan' }])
    expect(of(change(engine, settled([N1, N2]), logIndex(3)), 'orderRefused')).toMatchObject([{ code: 'StalePlan' }])
    expect(of(change(engine, settled([N1, N2]), logIndex(2)), 'ordered')).toMatchObject([{ index: 3 }])
  })

  it('to unsound members is refused, and so is one asked of a follower', () => {
    const engine = leader()
    expect(of(change(engine, settled([], [N1])), 'orderRefused')).toMatchObject([{ code: 'InvalidArgument' }])
    const follower = new Engine()
    expect(of(change(follower, settled([N1, N2])), 'orderRefused')).toMatchObject([{ code: 'NoLeader' }])
    follower.receive(N2, append({ term: 1 }))
    expect(of(change(follower, settled([N1, N2])), 'orderRefused')).toMatchObject([{ code: 'NotLeader', leader: N2 }])
  })
})

describe('a joint configuration', () => {
  const before = settled([N1, N2, N3])
  const between = joint(before, settled([N1, N2, N4]))

  it('that a leader left behind is taken over, and left, by the next', () => {
    const log = entriesOf([1])
    const engine = new Engine({ log: [...log, membershipEntry(log, 1, between)], term: 1 })
    engine.elect([N2])
    expect(inForce(engine)).toMatchObject({ index: 2, membership: { joint: true } })
    // Its own empty entry has to commit before it may go on.
    engine.ack(N2, 3)
    expect(inForce(engine)).toEqual({ index: 4, membership: leaveJoint(between) })
  })

  it('needs both halves for an election', () => {
    const log = entriesOf([1])
    const engine = new Engine({ log: [...log, membershipEntry(log, 1, joint(before, settled([N1, N4])))], term: 1 })
    const asked = sends(engine.tick(), 'preVote')
    expect(asked.map(({ to }) => to).sort()).toEqual([N2, N3, N4])
    const round = asked[0]?.message.round as number
    for (const id of [N2, N3]) engine.receive(id, preVoteReply({ term: 2, round, granted: true }))
    expect(engine.core.status().role).toBe('preCandidate')
    engine.receive(N4, preVoteReply({ term: 2, round, granted: true }))
    expect(engine.core.status().role).toBe('candidate')
  })
})

describe('a configuration', () => {
  it('is in force at a follower from its append on and rolled back with its entry, its quorum too', () => {
    const log = entriesOf([1])
    const engine = new Engine({ log, term: 1 })
    const between = joint(members(3), settled([N1]))
    const changed = [...log, membershipEntry(log, 1, leaveJoint(between))]
    engine.receive(N2, appendOf(changed, 2, 2, { term: 1 }))
    expect(inForce(engine)).toMatchObject({ index: 2 })
    expect(inForce(engine).membership.members).toHaveLength(1)
    const other = entriesOf([1, 2])
    engine.receive(N3, appendOf(other, 2, 2, { term: 2 }))
    expect(inForce(engine)).toEqual({ index: 0, membership: members(3) })
    engine.stored(engine.writes.length)
    // Alone it would be elected by itself.
    engine.tick()
    expect(engine.core.status().role).toBe('preCandidate')
  })

  it('that makes no sense is not appended', () => {
    const log = entriesOf([1])
    const engine = new Engine({ log, term: 1 })
    const sound = membershipEntry(log, 1, members(3))
    const body = sound.body.slice()
    body[8] = 99
    const batchDigest = computeBatchDigest(sha256, 'membership', body)
    const header = {
      ...sound,
      clusterId: CLUSTER_ID,
      configHash: CONFIG_HASH,
      batchDigest,
      previousChain: log[0]?.chain as Uint8Array,
    }
    const broken = makeEntry(sha256, header, body)
    expect(() => decodeMembership(broken.body)).toThrow()
    expect(engine.receive(N2, appendOf([...log, broken], 2, 2, { term: 1 }))).toMatchObject([{ type: 'roleChanged' }])
    expect(engine.core.status().lastIndex).toBe(1)
  })
})

describe('a leader that is removed', () => {
  it('hands over to a voter that stays, and changes nothing itself', () => {
    const engine = leader()
    const effects = change(engine, settled([N2, N3]))
    expect(of(effects, 'orderRefused')).toMatchObject([{ code: 'ChangeInProgress' }])
    expect(sends(effects, 'timeoutNow').map(({ to }) => to)).toEqual([N2])
    expect(engine.core.status().lastIndex).toBe(1)
  })

  it('is refused where nobody who stays could lead', () => {
    const engine = leader()
    for (let beats = 0; beats < 9; beats++) {
      engine.tick()
      engine.receive(N2, heartbeatReply({ term: 1 }))
    }
    expect(of(change(engine, settled([N3])), 'orderRefused')).toMatchObject([{ code: 'InvalidArgument' }])
  })

  it('does not count itself, leads until its removal is committed, then steps down and names an heir', () => {
    // It led in the joint configuration of an earlier leader, which it had to finish.
    const between = joint(members(3), settled([N2, N3]))
    const log = entriesOf([1])
    const engine = new Engine({ log: [...log, membershipEntry(log, 1, between)], term: 1 })
    engine.elect([N2, N3])
    engine.ack(N2, 3)
    expect(engine.core.status().commitIndex).toBeLessThan(3)
    engine.ack(N3, 3)
    expect(inForce(engine)).toMatchObject({ index: 4, membership: { joint: false } })
    engine.stored()
    engine.ack(N2, 4)
    // Of n2 and n3 one holds it; the own copy is none of them.
    expect(engine.core.status()).toMatchObject({ role: 'leader', commitIndex: 3 })
    const effects = engine.ack(N3, 4)
    expect(engine.core.status()).toMatchObject({ role: 'learner', commitIndex: 4, leader: null })
    expect(sends(effects, 'timeoutNow')).toHaveLength(1)
    expect(engine.core.deadline()).toBeUndefined()
  })
})

describe('a learner that was a voter', () => {
  it('asked for a vote by who was left behind, knows that somebody else holds more', () => {
    const log = entriesOf([1])
    const demoted = [...log, membershipEntry(log, 1, settled([N2, N3], [N1]))]
    const engine = new Engine({ log: demoted, term: 2, commit: 2 })
    engine.receive(N2, preVote({ term: 3, lastIndex: logIndex(1), lastTerm: term(1) }))
    engine.receive(N3, preVote({ term: 3, lastIndex: logIndex(5), lastTerm: term(0) }))
    expect(engine.core.deadline()).toBeUndefined()
  })
})

describe('a node whose removal', () => {
  const after = settled([N2])
  const between = joint(members(4), after)
  const log = entriesOf([1])
  const twice = [...log, membershipEntry(log, 1, between)]
  const whole = [...twice, membershipEntry(twice, 1, after)]

  it('is not committed campaigns: it may be the only one that can be elected', () => {
    const engine = new Engine({ members: members(4), log: whole, term: 1, commit: 1 })
    expect(sends(engine.tick(), 'preVote').map(({ to }) => to)).toEqual([N2])
  })

  it('is not committed is elected by the voters that stay, and its own vote counts for nothing', () => {
    const engine = new Engine({ members: members(4), log: whole, term: 1, commit: 1 })
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    engine.receive(N2, preVoteReply({ term: 2, round, granted: true }))
    engine.stored()
    expect(engine.core.status().role).toBe('candidate')
    engine.receive(N2, requestVoteReply({ term: 2, granted: true }))
    expect(engine.core.status().role).toBe('leader')
  })

  it('is committed never campaigns', () => {
    const engine = new Engine({ members: members(4), log: whole, term: 1, commit: 3 })
    expect(engine.core.deadline()).toBeUndefined()
    // Nor while the next change, which is not its own, is under way.
    const next = [...whole, membershipEntry(whole, 1, joint(after, settled([N2, N3])))]
    const other = new Engine({ members: members(4), log: next, term: 1, commit: 3 })
    expect(other.core.deadline()).toBeUndefined()
  })
})

describe('a member that is removed', () => {
  it('is still sent the entry that removes it and its commit, then let go', () => {
    const engine = leader()
    change(engine, settled([N1, N2]))
    engine.stored()
    for (const id of [N2, N3]) engine.ack(id, 2)
    engine.stored()
    const told = engine.ack(N2, 3)
    expect(engine.core.status()).toMatchObject({ commitIndex: 3, membershipCommitted: true })
    // A heartbeat lets go of nobody who has not acknowledged it.
    told.push(...engine.tick(), ...engine.tick())
    expect(sends(told, 'heartbeat').map(({ to }) => to)).toContain(N3)
    engine.receive(N2, heartbeatReply({ term: 1 }))
    expect(engine.core.status().peers.map(({ id }) => id)).toEqual([N2, N3])
    engine.ack(N3, 3)
    const pushed = [...told, ...engine.tick(), ...engine.tick()]
    expect(sends(pushed, 'appendEntries').some(({ to, message }) => to === N3 && message.commitIndex === 3)).toBe(true)
    engine.receive(N2, heartbeatReply({ term: 1 }))
    engine.tick()
    expect(engine.core.status().peers.map(({ id }) => id)).toEqual([N2])
  })

  it('that does not answer is let go after a while', () => {
    const engine = leader()
    change(engine, settled([N1, N2]))
    engine.stored()
    engine.ack(N2, 2)
    engine.stored()
    engine.ack(N2, 3)
    const endMs = engine.nowMs + 11 * SETTINGS.electionTimeoutMaxMs
    while (engine.nowMs < endMs) {
      engine.tick()
      engine.receive(N2, heartbeatReply({ term: 1 }))
    }
    expect(engine.core.status().peers.map(({ id }) => id)).toEqual([N2])
  })
})

describe('a learner that shall be promoted', () => {
  const waiting: Membership = {
    joint: false,
    members: [...members(3).members, { ...member(N4, 'learner'), promote: true }],
  }
  const LAG = 2

  /** n1 leads, n4 waits; there are ten more entries than n4 has acknowledged. */
  function prepared(): Engine {
    const engine = leader({ members: waiting, limits: { promoteLagEntriesMax: LAG } })
    engine.ack(N4, 1)
    for (let i = 0; i < 10; i++) engine.propose()
    engine.stored(engine.writes.length)
    engine.ack(N2, 11)
    engine.ack(N3, 11)
    return engine
  }

  function beat(engine: Engine): void {
    for (let ticks = 0; ticks < 3; ticks++) if (sends(engine.tick(), 'heartbeat').length > 0) return
  }

  it('is not while it is behind, and is with the next heartbeat once it has caught up', () => {
    const engine = prepared()
    engine.ack(N4, 11 - LAG - 1)
    beat(engine)
    expect(inForce(engine).index).toBe(0)
    engine.ack(N4, 11 - LAG)
    beat(engine)
    expect(inForce(engine)).toMatchObject({ index: 12, membership: { joint: true } })
    expect(inForce(engine).membership.members.at(-1)).toMatchObject({ id: N4, role: 'voter', promote: false })
  })

  it('is although reads make heartbeats all the time', () => {
    const engine = prepared()
    engine.ack(N4, 11)
    for (let id = 1; id <= 20 && inForce(engine).index === 0; id++) {
      engine.nowMs += SETTINGS.heartbeatIntervalMs / 2
      const due = engine.core.deadline() ?? Number.POSITIVE_INFINITY
      if (due <= engine.nowMs) engine.step({ type: 'tick' })
      const asked = sends(engine.step({ type: 'read', readId: readId(id), lease: false }), 'heartbeat')
      for (const { to, message } of asked) {
        engine.receive(to, heartbeatReply({ term: 1, readPosition: message.readPosition }))
      }
    }
    expect(inForce(engine)).toMatchObject({ index: 12, membership: { joint: true } })
  })

  it('is not while nobody hears it', () => {
    const engine = prepared()
    engine.ack(N4, 11)
    engine.nowMs += SETTINGS.electionTimeoutMaxMs
    for (const id of [N2, N3]) engine.receive(id, heartbeatReply({ term: 1 }))
    beat(engine)
    expect(inForce(engine).index).toBe(0)
  })

  it('is not while another change, or a transfer, is under way', () => {
    const engine = prepared()
    engine.order({ kind: 'transferLeadership', target: N3 })
    engine.ack(N4, 11)
    beat(engine)
    expect(inForce(engine).index).toBe(0)
  })
})
