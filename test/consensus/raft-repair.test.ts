/** Shows when a damaged node takes part again, and how a node learns that it lost what it had acknowledged. */
import { describe, expect, it } from 'vitest'
import { logIndex, term } from '../../src/consensus/types.js'
import {
  appendOf,
  Engine,
  entriesOf,
  heartbeat,
  installSnapshot,
  N2,
  N3,
  of,
  requestVote,
  sends,
  snapshotAt,
  timeoutNow,
} from './engine.js'

const LOG = entriesOf([1, 1, 1, 1])
const LONG = { lastIndex: logIndex(9), lastTerm: term(9) }

/** A node that lost everything after the second of four entries. */
function damaged(): Engine {
  return new Engine({ log: LOG.slice(0, 2), term: 1, mayVote: false, votedFor: N2 })
}

function beat(lastIndex: number, fields: { readonly commitIndex?: number } = {}) {
  return heartbeat({ term: 1, lastIndex: logIndex(lastIndex), commitIndex: logIndex(fields.commitIndex ?? 0) })
}

function votes(engine: Engine): boolean | undefined {
  return sends(engine.receive(N3, requestVote({ term: 9, ...LONG, transfer: true })), 'requestVoteReply')[0]?.message
    .granted
}

describe('a damaged node', () => {
  it('asks its leader to look at its log anew, once it hears one', () => {
    const effects = damaged().receive(N2, beat(4))
    expect(sends(effects, 'appendEntriesReply')).toMatchObject([
      { to: N2, message: { success: false, prevIndex: 4, matchIndex: 0, hintIndex: 2, hintTerm: 1 } },
    ])
  })

  it('is whole when its log agrees with the leader’s up to where that ended, durably, and not before', () => {
    const engine = damaged()
    expect(of(engine.receive(N2, beat(4)), 'repaired')).toEqual([])
    expect(of(engine.receive(N2, appendOf(LOG, 3, 3, { term: 1 })), 'repaired')).toEqual([])
    expect(of(engine.stored(), 'repaired')).toEqual([])
    expect(of(engine.receive(N2, appendOf(LOG, 4, 4, { term: 1 })), 'repaired')).toEqual([])
    expect(engine.core.status().mayVote).toBe(false)
    expect(of(engine.stored(), 'repaired')).toHaveLength(1)
    expect(engine.core.status().mayVote).toBe(true)
    expect(votes(engine)).toBe(true)
  })

  it('gives the vote of its term to its leader, durably, before it counts again: it may have lost that vote', () => {
    const engine = new Engine({ log: LOG.slice(0, 2), term: 1, mayVote: false })
    engine.receive(N2, beat(4))
    engine.receive(N2, appendOf(LOG, 3, 4, { term: 1 }))
    expect(of(engine.stored(), 'repaired')).toEqual([])
    expect(engine.core.status().mayVote).toBe(false)
    expect(of(engine.stored(), 'repaired')).toHaveLength(1)
    engine.step({ type: 'paused', pausedMs: 1000 })
    const late = requestVote({ term: 1, ...LONG })
    expect(sends(engine.receive(N3, late), 'requestVoteReply')).toMatchObject([{ message: { granted: false } }])
    expect(engine.disk.hardState).toMatchObject({ term: 1, votedFor: N2 })
  })

  it('is not whole by what it holds itself: the leader has to show that the logs agree', () => {
    const engine = new Engine({ log: LOG, term: 1, mayVote: false, votedFor: N2 })
    engine.receive(N2, beat(4))
    expect(engine.core.status().mayVote).toBe(false)
    expect(of(engine.receive(N2, appendOf(LOG, 5, 4, { term: 1 })), 'repaired')).toHaveLength(1)
  })

  it('keeps to where the leader’s log ended at first contact: a busy leader does not keep it out', () => {
    const engine = damaged()
    engine.receive(N2, beat(3))
    engine.receive(N2, beat(4))
    engine.receive(N2, appendOf(LOG, 3, 3, { term: 1 }))
    expect(of(engine.stored(), 'repaired')).toHaveLength(1)
  })

  it('begins anew with another leader, whose log may end later', () => {
    const engine = damaged()
    engine.receive(N2, beat(2))
    engine.receive(N2, heartbeat({ term: 1, lastIndex: logIndex(3) }))
    const other = entriesOf([1, 1, 1, 1])
    engine.receive(N3, heartbeat({ term: 2, lastIndex: logIndex(4) }))
    engine.receive(N3, appendOf(other, 3, 3, { term: 2 }))
    expect(of(engine.stored(engine.writes.length), 'repaired')).toEqual([])
    engine.receive(N3, appendOf(other, 4, 4, { term: 2 }))
    engine.stored()
    expect(of(engine.stored(), 'repaired')).toHaveLength(1)
  })

  it('is repaired by a snapshot as well as by entries', () => {
    const engine = damaged()
    const offer = snapshotAt(LOG[3] as (typeof LOG)[number])
    engine.receive(N2, beat(4))
    engine.receive(N2, installSnapshot(offer, 1))
    engine.disk.snapshot = offer
    engine.step({ type: 'snapshotFetched', snapshot: offer })
    engine.stored()
    expect(of(engine.receive(N2, installSnapshot(offer, 1)), 'repaired')).toHaveLength(1)
  })

  it('neither votes nor campaigns, not even when it is told to', () => {
    const engine = damaged()
    expect(engine.core.deadline()).toBeUndefined()
    engine.receive(N2, beat(4))
    expect(sends(engine.receive(N2, timeoutNow({ term: 1 })), 'requestVote')).toEqual([])
    expect(votes(engine)).toBe(false)
  })

  it('believes a commit index only as far as an append has shown the logs to agree', () => {
    const engine = new Engine({ log: LOG, term: 1, mayVote: false, votedFor: N2 })
    engine.receive(N2, beat(4, { commitIndex: 4 }))
    expect(engine.core.status().commitIndex).toBe(0)
    engine.receive(N2, appendOf(LOG, 2, 2, { term: 1 }))
    engine.receive(N2, beat(4, { commitIndex: 4 }))
    expect(engine.core.status().commitIndex).toBe(2)
  })
})

describe('a node that is told of a commit beyond its log', () => {
  it('has lost what it acknowledged: it says so, votes no more, and is repaired like any damaged node', () => {
    const engine = new Engine({ log: LOG.slice(0, 2), term: 1, votedFor: N2 })
    const effects = engine.receive(N2, beat(4, { commitIndex: 3 }))
    expect(of(effects, 'damaged')).toMatchObject([{ lastIndex: 2 }])
    expect(engine.core.status()).toMatchObject({ mayVote: false, commitIndex: 0 })
    expect(sends(effects, 'appendEntriesReply')[0]?.message).toMatchObject({ success: false, prevIndex: 4 })
    expect(of(engine.receive(N2, beat(4, { commitIndex: 3 })), 'damaged')).toEqual([])
    engine.receive(N2, appendOf(LOG, 3, 4, { term: 1, commitIndex: logIndex(3) }))
    expect(of(engine.stored(), 'repaired')).toHaveLength(1)
    expect(engine.core.status()).toMatchObject({ mayVote: true, commitIndex: 3 })
  })

  it('hears of it too when only uncommitted entries are gone: the leader says what it acknowledged', () => {
    const engine = new Engine({ log: LOG.slice(0, 2), term: 1, votedFor: N2 })
    const message = heartbeat({ term: 1, acknowledgedIndex: logIndex(3), lastIndex: logIndex(4) })
    expect(of(engine.receive(N2, message), 'damaged')).toMatchObject([{ lastIndex: 2 }])
    expect(votes(engine)).toBe(false)
  })

  it('is told by a leader whose append it refuses, before it is given the entries again', () => {
    const engine = new Engine({ log: LOG, term: 1 })
    engine.elect([N2])
    const end = engine.core.status().lastIndex
    engine.ack(N2, end)
    const refusal = { success: false, prevIndex: end, hintIndex: logIndex(2), hintTerm: term(1) } as const
    const sent = of(engine.ack(N2, 0, refusal), 'send').map(({ message }) => message)
    expect(sent[0]).toMatchObject({ type: 'heartbeat', acknowledgedIndex: end })
    expect(sent[1]).toMatchObject({ type: 'appendEntries' })
  })
})
