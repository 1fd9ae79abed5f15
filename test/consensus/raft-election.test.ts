/** Shows the rules of elections, one by one: what a node answers, what it writes first, what it must never do. */
import { describe, expect, it } from 'vitest'
import { logIndex, nodeId, term } from '../../src/consensus/types.js'
import { members, SETTINGS } from './disk.js'
import {
  append,
  Engine,
  entriesOf,
  heartbeat,
  N1,
  N2,
  N3,
  of,
  preVote,
  preVoteReply,
  requestVote,
  requestVoteReply,
  sends,
  timeoutNow,
} from './engine.js'

const LONG = { lastIndex: logIndex(9), lastTerm: term(9) }

describe('timers', () => {
  it('choose an election timeout within the settings, and only then ask for votes', () => {
    const engine = new Engine()
    const due = engine.core.deadline() as number
    expect(due).toBeGreaterThanOrEqual(SETTINGS.electionTimeoutMinMs)
    expect(due).toBeLessThan(SETTINGS.electionTimeoutMaxMs)
    engine.nowMs = due - 1
    expect(engine.step({ type: 'tick' })).toEqual([])
    engine.nowMs = due
    expect(sends(engine.step({ type: 'tick' }), 'preVote').map(({ to }) => to)).toEqual([N2, N3])
  })

  it('a late tick does one thing once', () => {
    const engine = new Engine()
    engine.elect()
    engine.nowMs += 130
    expect(sends(engine.step({ type: 'tick' }), 'heartbeat')).toHaveLength(2)
    expect(engine.step({ type: 'tick' })).toEqual([])
  })

  it('a learner and a damaged node never campaign', () => {
    expect(new Engine({ members: members(3, [N1]) }).core.deadline()).toBeUndefined()
    expect(new Engine({ mayVote: false }).core.deadline()).toBeUndefined()
  })

  it('start over after a pause: nobody campaigns for what it missed while it stood still', () => {
    const engine = new Engine()
    engine.nowMs = 10_000
    engine.step({ type: 'paused', pausedMs: 10_000 })
    expect(engine.step({ type: 'tick' })).toEqual([])
    expect(engine.core.deadline()).toBeGreaterThanOrEqual(10_000 + SETTINGS.electionTimeoutMinMs)
  })
})

describe('PreVote', () => {
  it('changes no term, no vote and no timer of the node that is asked', () => {
    const engine = new Engine({ term: 3 })
    const due = engine.core.deadline()
    engine.nowMs = 100
    const effects = engine.receive(N2, preVote({ term: 8, round: 5, ...LONG }))
    expect(effects).toHaveLength(1)
    expect(sends(effects, 'preVoteReply')[0]?.message).toMatchObject({ term: 8, round: 5, granted: true })
    expect(engine.core.status().term).toBe(3)
    expect(engine.core.deadline()).toBe(due)
  })

  it('is refused with the own term when the log is behind or the term is old', () => {
    const engine = new Engine({ log: entriesOf([1, 1]), term: 3 })
    const short = engine.receive(N2, preVote({ term: 4, lastIndex: logIndex(1), lastTerm: term(1) }))
    expect(sends(short, 'preVoteReply')[0]?.message).toMatchObject({ term: 3, granted: false })
    const old = engine.receive(N2, preVote({ term: 2, ...LONG }))
    expect(sends(old, 'preVoteReply')[0]?.message).toMatchObject({ term: 3, granted: false })
  })

  it('is ignored while a leader lives, and on the leader itself', () => {
    const follower = new Engine({ term: 3 })
    follower.receive(N2, heartbeat({ term: 3 }))
    follower.nowMs = SETTINGS.electionTimeoutMinMs - 1
    expect(follower.receive(N3, preVote({ term: 4, ...LONG }))).toEqual([])
    follower.nowMs = SETTINGS.electionTimeoutMinMs
    expect(sends(follower.receive(N3, preVote({ term: 4, ...LONG })), 'preVoteReply')[0]?.message.granted).toBe(true)
    const leader = new Engine()
    leader.elect()
    expect(leader.receive(N3, preVote({ term: 9, ...LONG }))).toEqual([])
  })

  it('counts only grants of its own round, each member once', () => {
    const engine = new Engine({ members: members(5) })
    const first = sends(engine.tick(), 'preVote')[0]?.message.round as number
    const second = sends(engine.tick(), 'preVote')[0]?.message.round as number
    expect(second).toBeGreaterThan(first)
    engine.receive(N2, preVoteReply({ term: 1, round: first, granted: true }))
    engine.receive(N3, preVoteReply({ term: 1, round: first, granted: true }))
    expect(engine.core.status().role).toBe('preCandidate')
    engine.receive(N2, preVoteReply({ term: 1, round: second, granted: true }))
    engine.receive(N2, preVoteReply({ term: 1, round: second, granted: true }))
    expect(engine.core.status().role).toBe('preCandidate')
    engine.receive(N3, preVoteReply({ term: 1, round: second, granted: true }))
    expect(engine.core.status()).toMatchObject({ role: 'candidate', term: 1 })
  })

  it('only a refusal with a higher term moves the term', () => {
    const engine = new Engine({ term: 3 })
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    engine.receive(N2, preVoteReply({ term: 7, round, granted: false }))
    expect(engine.core.status()).toMatchObject({ role: 'follower', term: 7 })
  })

  it('a lost round is over at once, also by refusals from behind, and the timer keeps running', () => {
    const engine = new Engine({ term: 3 })
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    const due = engine.core.deadline()
    engine.receive(N2, preVoteReply({ term: 1, round, granted: false }))
    engine.receive(N3, preVoteReply({ term: 2, round, granted: false }))
    expect(engine.core.status().role).toBe('follower')
    expect(engine.core.deadline()).toBe(due)
  })

  it('a grant does not count as a vote', () => {
    const engine = new Engine()
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    engine.receive(N2, preVoteReply({ term: 1, round, granted: true }))
    engine.stored()
    engine.receive(N3, preVoteReply({ term: 1, round, granted: true }))
    expect(engine.core.status().role).toBe('candidate')
  })
})

describe('votes', () => {
  it('leave only when they are durable: the reply names the write that holds the vote', () => {
    const engine = new Engine()
    const effects = engine.receive(N2, requestVote({ term: 1 }))
    const [store] = of(effects, 'store')
    expect(store?.records).toEqual([{ kind: 'hardState', hardState: { epoch: 0, term: 1, votedFor: N2 } }])
    expect(sends(effects, 'requestVoteReply')[0]).toMatchObject({
      after: store?.writeId,
      message: { granted: true, term: 1 },
    })
    expect(effects.findIndex(({ type }) => type === 'store')).toBeLessThan(
      effects.findIndex(({ type }) => type === 'send'),
    )
    // Asked again before it is durable, it still waits; afterwards it does not.
    expect(sends(engine.receive(N2, requestVote({ term: 1 })), 'requestVoteReply')[0]?.after).toBe(store?.writeId)
    engine.stored()
    expect(sends(engine.receive(N2, requestVote({ term: 1 })), 'requestVoteReply')[0]).not.toHaveProperty('after')
  })

  it('go to one candidate per term', () => {
    const engine = new Engine()
    engine.receive(N2, requestVote({ term: 1 }))
    expect(sends(engine.receive(N3, requestVote({ term: 1 })), 'requestVoteReply')[0]?.message.granted).toBe(false)
    expect(sends(engine.receive(N2, requestVote({ term: 1 })), 'requestVoteReply')[0]?.message.granted).toBe(true)
  })

  it('need a log that is at least as complete: by term first, then by length', () => {
    const ask = (lastTerm: number, lastIndex: number) => {
      const engine = new Engine({ log: entriesOf([1, 2, 2]), term: 2 })
      const message = requestVote({ term: 5, lastTerm: term(lastTerm), lastIndex: logIndex(lastIndex) })
      return sends(engine.receive(N2, message), 'requestVoteReply')[0]?.message.granted
    }
    expect(ask(2, 3)).toBe(true)
    expect(ask(2, 2)).toBe(false)
    expect(ask(1, 9)).toBe(false)
    expect(ask(3, 1)).toBe(true)
  })

  it('are given by a learner: it may be promoted and not know it', () => {
    const engine = new Engine({ members: members(3, [N1]) })
    expect(sends(engine.receive(N2, requestVote({ term: 1 })), 'requestVoteReply')[0]?.message.granted).toBe(true)
  })

  it('asked of a learner that holds more: it stands for election itself, and hands over as soon as it has committed', () => {
    const engine = new Engine({ members: members(3, [N1]), log: entriesOf([1, 1]), term: 1 })
    expect(engine.core.deadline()).toBeUndefined()
    const asked = preVote({ term: 2, lastIndex: logIndex(1), lastTerm: term(1) })
    expect(sends(engine.receive(N2, asked), 'preVoteReply')[0]?.message.granted).toBe(false)
    const asking = sends(engine.tick(), 'preVote')
    expect(asking.map(({ to }) => to)).toEqual([N2, N3])
    const round = asking[0]?.message.round as number
    engine.receive(N2, preVoteReply({ term: 2, round, granted: true }))
    engine.receive(N3, preVoteReply({ term: 2, round, granted: true }))
    engine.stored()
    engine.receive(N2, requestVoteReply({ term: 2, granted: true }))
    engine.receive(N3, requestVoteReply({ term: 2, granted: true }))
    expect(engine.core.status().role).toBe('leader')
    engine.stored()
    engine.ack(N2, 3)
    expect(sends(engine.ack(N3, 3), 'timeoutNow')).toHaveLength(1)
    engine.receive(N2, append({ term: 3 }))
    expect(engine.core.deadline()).toBeUndefined()
  })

  it('of a learner are not counted', () => {
    const n4 = nodeId('n4')
    const engine = new Engine({ members: members(4, [n4]) })
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    engine.receive(n4, preVoteReply({ term: 1, round, granted: true }))
    expect(engine.core.status().role).toBe('preCandidate')
  })

  it('are never given by a damaged node', () => {
    const engine = new Engine({ mayVote: false })
    expect(sends(engine.receive(N2, requestVote({ term: 1 })), 'requestVoteReply')[0]?.message.granted).toBe(false)
    expect(sends(engine.receive(N2, preVote({ term: 5 })), 'preVoteReply')[0]?.message.granted).toBe(false)
    engine.receive(N2, append({ term: 2 }))
    expect(engine.receive(N2, timeoutNow({ term: 2 }))).toEqual([])
  })

  it('are refused, and the term not moved, while a leader lives; a transfer is let through', () => {
    const engine = new Engine({ term: 3 })
    engine.receive(N2, heartbeat({ term: 3 }))
    expect(engine.receive(N3, requestVote({ term: 9, ...LONG }))).toEqual([])
    expect(engine.core.status().term).toBe(3)
    const effects = engine.receive(N3, requestVote({ term: 9, ...LONG, transfer: true }))
    expect(sends(effects, 'requestVoteReply')[0]?.message.granted).toBe(true)
  })

  it('a follower that refuses keeps waiting for its own turn; one that grants starts over', () => {
    const engine = new Engine({ log: entriesOf([1]) })
    const due = engine.core.deadline()
    engine.nowMs = 100
    engine.receive(N2, requestVote({ term: 5 }))
    expect(engine.core.deadline()).toBe(due)
    engine.receive(N3, requestVote({ term: 5, ...LONG }))
    expect(engine.core.deadline()).toBeGreaterThanOrEqual(100 + SETTINGS.electionTimeoutMinMs)
  })

  it('for oneself count when they are durable, not before', () => {
    const engine = new Engine({ members: members(1) })
    const effects = engine.tick()
    expect(of(effects, 'store')[0]?.records).toEqual([
      { kind: 'hardState', hardState: { epoch: 0, term: 1, votedFor: N1 } },
    ])
    expect(engine.core.status().role).toBe('candidate')
    engine.stored()
    expect(engine.core.status()).toMatchObject({ role: 'leader', leader: N1 })
  })

  it('for oneself are not counted by the completion of an earlier write', () => {
    const engine = new Engine({ members: members(2), term: 1 })
    // Still being written when the campaign starts.
    engine.receive(N2, append({ term: 1, entries: entriesOf([1]) }))
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    engine.receive(N2, preVoteReply({ term: 2, round, granted: true }))
    engine.receive(N2, requestVoteReply({ term: 2, granted: true }))
    engine.stored()
    expect(engine.core.status().role).toBe('candidate')
    engine.stored()
    expect(engine.core.status().role).toBe('leader')
  })

  it('requests leave when the own term and vote are durable', () => {
    const engine = new Engine()
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    const effects = engine.receive(N2, preVoteReply({ term: 1, round, granted: true }))
    const [store] = of(effects, 'store')
    expect(sends(effects, 'requestVote').map(({ after }) => after)).toEqual([store?.writeId, store?.writeId])
  })

  it('count as first given: a member that refused cannot change its mind', () => {
    const engine = new Engine({ members: members(5) })
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    for (const peer of [N2, N3]) engine.receive(peer, preVoteReply({ term: 1, round, granted: true }))
    engine.stored()
    engine.receive(N2, requestVoteReply({ term: 1, granted: false }))
    for (const peer of [N2, N3]) engine.receive(peer, requestVoteReply({ term: 1, granted: true }))
    expect(engine.core.status().role).toBe('candidate')
  })

  it('of an older term, or for an older campaign, are not counted', () => {
    const engine = new Engine({ members: members(5) })
    const campaign = () => {
      const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
      const next = term(engine.core.status().term + 1)
      for (const peer of [N2, N3]) engine.receive(peer, preVoteReply({ term: next, round, granted: true }))
      engine.stored(engine.writes.length)
    }
    campaign()
    engine.receive(N2, requestVoteReply({ term: 1, granted: true }))
    campaign()
    expect(engine.core.status()).toMatchObject({ role: 'candidate', term: 2 })
    engine.receive(N2, requestVoteReply({ term: 1, granted: true }))
    engine.receive(N3, requestVoteReply({ term: 1, granted: true }))
    engine.receive(N2, requestVoteReply({ term: 2, granted: true }))
    engine.receive(N2, requestVoteReply({ term: 2, granted: true }))
    expect(engine.core.status().role).toBe('candidate')
    engine.receive(N3, requestVoteReply({ term: 2, granted: true }))
    expect(engine.core.status().role).toBe('leader')
  })
})

describe('a step-down within a term keeps the vote', () => {
  it('a leader that lost its quorum votes for nobody else in its term', () => {
    const engine = new Engine()
    engine.elect()
    for (let i = 0; i < 10 && engine.core.status().role === 'leader'; i++) engine.tick()
    expect(engine.core.status()).toMatchObject({ role: 'follower', term: 1, leader: null })
    const message = requestVote({ term: 1, ...LONG })
    expect(sends(engine.receive(N3, message), 'requestVoteReply')[0]?.message.granted).toBe(false)
  })

  it('a candidate that lost votes for nobody else in its term', () => {
    const engine = new Engine()
    const round = sends(engine.tick(), 'preVote')[0]?.message.round as number
    engine.receive(N2, preVoteReply({ term: 1, round, granted: true }))
    engine.stored()
    for (const peer of [N2, N3]) engine.receive(peer, requestVoteReply({ term: 1, granted: false }))
    expect(engine.core.status()).toMatchObject({ role: 'follower', term: 1 })
    const message = requestVote({ term: 1, ...LONG })
    expect(sends(engine.receive(N3, message), 'requestVoteReply')[0]?.message.granted).toBe(false)
  })

  it('a node that voted and then followed remembers its vote over a restart', () => {
    const engine = new Engine({ term: 4, votedFor: N2 })
    expect(sends(engine.receive(N3, requestVote({ term: 4, ...LONG })), 'requestVoteReply')[0]?.message.granted).toBe(
      false,
    )
  })
})

describe('a new leader', () => {
  it('starts its term with an empty entry, sent in parallel with its own write', () => {
    const engine = new Engine({ log: entriesOf([1, 1]), term: 1 })
    const effects = engine.elect()
    const [store] = of(effects, 'store')
    const record = store?.records[0]
    expect(record?.kind === 'entries' && record.entries[0]).toMatchObject({ kind: 'empty', term: 2, index: 3 })
    const appends = sends(effects, 'appendEntries')
    expect(appends.map(({ to }) => to)).toEqual([N2, N3])
    for (const send of appends) {
      expect(send).not.toHaveProperty('after')
      expect(send.message).toMatchObject({ prevIndex: 2, prevTerm: 1, term: 2 })
    }
    expect(of(effects, 'roleChanged')).toEqual([{ type: 'roleChanged', role: 'leader', epoch: 0, term: 2, leader: N1 }])
  })

  it('steps down for a higher term', () => {
    const engine = new Engine()
    engine.elect()
    engine.receive(N2, append({ term: 5 }))
    expect(engine.core.status()).toMatchObject({ role: 'follower', term: 5, leader: N2 })
  })

  it('stops the process rather than follow a second leader of its term', () => {
    const engine = new Engine()
    engine.elect()
    expect(() => engine.receive(N2, append({ term: 1 }))).toThrow(/a term has one leader/)
  })

  it('steps down when no quorum was heard for an election timeout, and not before', () => {
    const engine = new Engine({ members: members(5) })
    engine.elect([N2, N3])
    const electedMs = engine.nowMs
    while (engine.nowMs + SETTINGS.heartbeatIntervalMs < electedMs + SETTINGS.electionTimeoutMaxMs) {
      engine.tick()
      expect(engine.core.status().role).toBe('leader')
    }
    engine.tick()
    expect(engine.core.status().role).toBe('follower')
  })

  it('steps down after a pause, unless it needs nobody else', () => {
    const engine = new Engine()
    engine.elect()
    engine.nowMs += 1000
    engine.step({ type: 'paused', pausedMs: 1000 })
    expect(engine.core.status().role).toBe('follower')
    const alone = new Engine({ members: members(1) })
    alone.tick()
    alone.stored()
    alone.step({ type: 'paused', pausedMs: 1000 })
    expect(alone.core.status().role).toBe('leader')
  })
})

describe('messages of an older term', () => {
  it('are answered where the answer frees a stuck node: leaders and candidates learn the term', () => {
    const engine = new Engine({ term: 7 })
    expect(sends(engine.receive(N2, append({ term: 3 })), 'appendEntriesReply')[0]?.message).toMatchObject({
      term: 7,
      success: false,
    })
    expect(
      sends(engine.receive(N2, heartbeat({ term: 3, readPosition: 4 })), 'heartbeatReply')[0]?.message,
    ).toMatchObject({
      term: 7,
      readPosition: 0,
    })
    expect(sends(engine.receive(N2, requestVote({ term: 3 })), 'requestVoteReply')[0]?.message).toMatchObject({
      term: 7,
      granted: false,
    })
  })

  it('under another configuration are dropped', () => {
    const engine = new Engine()
    const configHash = new Uint8Array(32).fill(1)
    expect(engine.step({ type: 'message', from: N2, configHash, message: requestVote({ term: 9 }) })).toEqual([])
  })
})

describe('leadership transfer', () => {
  it('waits for the target, refuses proposals meanwhile, and ends after one election timeout', () => {
    const engine = new Engine()
    engine.elect()
    const order = { kind: 'transferLeadership', target: N2 } as const
    expect(sends(engine.step({ type: 'order', orderId: 1, order }), 'timeoutNow')).toEqual([])
    expect(of(engine.propose(), 'refused')).toMatchObject([{ code: 'NoLeader', leader: null }])
    expect(sends(engine.ack(N2, 1), 'timeoutNow').map(({ to }) => to)).toEqual([N2])
    for (let i = 0; i < 8; i++) {
      engine.tick()
      engine.ack(N2, 1)
    }
    expect(of(engine.propose(), 'proposed')).toHaveLength(1)
  })

  it('the target campaigns past PreVote, and its votes are asked past the living leader', () => {
    const engine = new Engine({ term: 3 })
    engine.receive(N2, heartbeat({ term: 3 }))
    const effects = engine.receive(N2, timeoutNow({ term: 3 }))
    expect(sends(effects, 'requestVote')[0]?.message).toMatchObject({ term: 4, transfer: true })
    const other = new Engine({ term: 3 })
    other.receive(N2, heartbeat({ term: 3 }))
    expect(other.receive(N3, timeoutNow({ term: 3 }))).toEqual([])
  })
})
