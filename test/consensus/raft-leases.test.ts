/** Shows how long a lease lasts, what begins it, what ends it, and that a restarted node keeps its vote meanwhile. */
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/consensus/core.js'
import { logIndex, readId, term } from '../../src/consensus/types.js'
import { members, SETTINGS } from './disk.js'
import { Engine, heartbeat, heartbeatReply, N1, N2, N3, of, preVote, requestVote, sends, timeoutNow } from './engine.js'

const DRIFT_MS = 20
const LEASE_MS = SETTINGS.electionTimeoutMinMs - DRIFT_MS

/** A leader with leases on; its first entry is committed unless told otherwise. */
function leader(options: { commit?: boolean } = {}): Engine {
  const engine = new Engine({ leaseDriftMs: DRIFT_MS })
  engine.elect()
  if (options.commit !== false) engine.ack(N2, 1)
  return engine
}

/** The next heartbeats: when they left, and which position they carry. Before them a commit index may be due. */
function beat(engine: Engine): { readonly sentMs: number; readonly readPosition: number } {
  for (let ticks = 0; ticks < 3; ticks++) {
    const message = sends(engine.tick(), 'heartbeat')[0]?.message
    if (message !== undefined) return { sentMs: engine.nowMs, readPosition: message.readPosition }
  }
  throw new Error('no heartbeat was due')
}

function answer(engine: Engine, readPosition: number): Effect[] {
  return engine.receive(N2, heartbeatReply({ term: engine.core.status().term, readPosition }))
}

function holds(engine: Engine): boolean {
  return engine.core.holdsLease(engine.now())
}

describe('a lease', () => {
  it('begins with the answer of a quorum to a round of heartbeats, not with the round', () => {
    const engine = leader()
    const { readPosition } = beat(engine)
    expect(holds(engine)).toBe(false)
    answer(engine, readPosition)
    expect(holds(engine)).toBe(true)
  })

  it('lasts the shortest election timeout less the drift, from when the heartbeat left, not from its answer', () => {
    const engine = leader()
    const { sentMs, readPosition } = beat(engine)
    engine.nowMs = sentMs + 30
    answer(engine, readPosition)
    engine.nowMs = sentMs + LEASE_MS - 1
    expect(holds(engine)).toBe(true)
    engine.nowMs = sentMs + LEASE_MS
    expect(holds(engine)).toBe(false)
  })

  it('counts from the newest answered round, whatever was sent after it', () => {
    const engine = leader()
    const first = beat(engine)
    answer(engine, first.readPosition)
    const second = beat(engine)
    engine.nowMs = first.sentMs + LEASE_MS
    expect(holds(engine)).toBe(false)
    answer(engine, second.readPosition)
    expect(holds(engine)).toBe(true)
    engine.nowMs = second.sentMs + LEASE_MS
    expect(holds(engine)).toBe(false)
  })

  it('needs a quorum: one follower of four is none', () => {
    const engine = new Engine({ members: members(5), leaseDriftMs: DRIFT_MS })
    engine.elect([N2, N3])
    engine.ack(N2, 1)
    engine.ack(N3, 1)
    const { readPosition } = beat(engine)
    answer(engine, readPosition)
    expect(holds(engine)).toBe(false)
    engine.receive(N3, heartbeatReply({ term: 1, readPosition }))
    expect(holds(engine)).toBe(true)
  })

  it('waits for the first commit of the term', () => {
    const engine = leader({ commit: false })
    const { readPosition } = beat(engine)
    answer(engine, readPosition)
    expect(holds(engine)).toBe(false)
    engine.ack(N2, 1)
    expect(holds(engine)).toBe(true)
  })

  it('ends when a transfer begins, and does not come back in the term after TimeoutNow', () => {
    const engine = leader()
    answer(engine, beat(engine).readPosition)
    const order = { kind: 'transferLeadership', target: N2 } as const
    expect(sends(engine.order(order), 'timeoutNow')).toHaveLength(1)
    expect(holds(engine)).toBe(false)
    // The transfer is given up: its target may still be elected by messages that are on their way.
    for (let beats = 0; beats < 8; beats++) answer(engine, beat(engine).readPosition)
    expect(of(engine.propose(), 'proposed')).toHaveLength(1)
    expect(holds(engine)).toBe(false)
  })

  it('is suspended while a transfer waits for its target, and is back when that was never told to campaign', () => {
    const engine = leader()
    engine.order({ kind: 'transferLeadership', target: N3 })
    answer(engine, beat(engine).readPosition)
    expect(holds(engine)).toBe(false)
    for (let beats = 0; beats < 8; beats++) answer(engine, beat(engine).readPosition)
    expect(holds(engine)).toBe(true)
  })

  it('ends with a pause of the process, even of a leader that needs nobody to go on', () => {
    const alone = new Engine({ members: members(1), leaseDriftMs: DRIFT_MS })
    alone.tick()
    alone.stored()
    alone.stored()
    alone.order({
      kind: 'changeMembership',
      planned: alone.core.status().membership.index,
      target: members(2, [N2]).members.map(({ wasVoter: _, ...member }) => ({
        ...member,
        role: member.id === N1 ? 'voter' : 'learner',
      })),
    })
    alone.stored()
    beat(alone)
    expect(holds(alone)).toBe(true)
    alone.step({ type: 'paused', pausedMs: 1000 })
    expect(alone.core.status().role).toBe('leader')
    expect(holds(alone)).toBe(false)
  })

  it('is never there where the settings have none', () => {
    const engine = new Engine()
    engine.elect()
    engine.ack(N2, 1)
    answer(engine, beat(engine).readPosition)
    expect(holds(engine)).toBe(false)
  })
})

describe('a leader that stood still', () => {
  it('believes in nothing that it heard before, however short that is ago', () => {
    const engine = new Engine()
    engine.elect()
    engine.ack(N2, 1)
    engine.step({ type: 'paused', pausedMs: 100 })
    expect(engine.core.status()).toMatchObject({ role: 'follower', leader: null })
  })
})

describe('a read that asks for a lease', () => {
  it('is answered at once while the lease lasts, by a round like any other afterwards', () => {
    const engine = leader()
    const { sentMs, readPosition } = beat(engine)
    answer(engine, readPosition)
    const leased = engine.step({ type: 'read', readId: readId(1), lease: true })
    expect(leased).toMatchObject([{ type: 'readReady', readId: 1, index: 1 }])
    const plain = engine.step({ type: 'read', readId: readId(2), lease: false })
    expect(of(plain, 'readReady')).toEqual([])
    expect(sends(plain, 'heartbeat')).not.toEqual([])
    engine.nowMs = sentMs + LEASE_MS
    expect(of(engine.step({ type: 'read', readId: readId(3), lease: true }), 'readReady')).toEqual([])
  })
})

describe('with leases on, a node that starts', () => {
  const LONG = { lastIndex: logIndex(9), lastTerm: term(9) }

  it('gives no vote, and moves no term, until any lease it may have given is over', () => {
    const engine = new Engine({ leaseDriftMs: DRIFT_MS, term: 3 })
    engine.nowMs = SETTINGS.electionTimeoutMaxMs + DRIFT_MS - 1
    expect(engine.receive(N2, requestVote({ term: 9, ...LONG }))).toEqual([])
    expect(engine.receive(N2, preVote({ term: 9, ...LONG }))).toEqual([])
    expect(engine.core.status().term).toBe(3)
    engine.nowMs++
    const effects = engine.receive(N2, requestVote({ term: 9, ...LONG }))
    expect(sends(effects, 'requestVoteReply')[0]?.message.granted).toBe(true)
  })

  it('gives none to the target of a transfer either, which passes everything else', () => {
    const engine = new Engine({ leaseDriftMs: DRIFT_MS, term: 3 })
    const early = engine.receive(N2, requestVote({ term: 9, ...LONG, transfer: true }))
    expect(sends(early, 'requestVoteReply')[0]?.message.granted).toBe(false)
    engine.nowMs = SETTINGS.electionTimeoutMaxMs + DRIFT_MS
    const late = engine.receive(N2, requestVote({ term: 9, ...LONG, transfer: true }))
    expect(sends(late, 'requestVoteReply')[0]?.message.granted).toBe(true)
  })

  it('votes at once where there are no leases', () => {
    const engine = new Engine({ term: 3 })
    const effects = engine.receive(N2, requestVote({ term: 9, ...LONG }))
    expect(sends(effects, 'requestVoteReply')[0]?.message.granted).toBe(true)
  })

  it('obeys TimeoutNow of its leader all the same', () => {
    const engine = new Engine({ leaseDriftMs: DRIFT_MS, term: 3 })
    engine.receive(N2, heartbeat({ term: 3 }))
    expect(sends(engine.receive(N2, timeoutNow({ term: 3 })), 'requestVote')).not.toEqual([])
  })
})
