/** Shows how leadership moves on order: to whom, when the target is told, and what the order is refused for. */
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/consensus/core.js'
import { type NodeId, nodeId } from '../../src/consensus/types.js'
import { members, SETTINGS } from './disk.js'
import { Engine, heartbeat, heartbeatReply, N1, N2, N3, of, requestVote, sends, timeoutNow } from './engine.js'

const N4 = nodeId('n4')

/** n1 leads n2 and n3, and n4 that only learns; n2 holds everything, n3 does not. */
function leader(): Engine {
  const engine = new Engine({ members: members(4, [N4]) })
  engine.elect()
  engine.ack(N2, 1)
  return engine
}

function hand(engine: Engine, target: NodeId | null): Effect[] {
  return engine.order({ kind: 'transferLeadership', target })
}

describe('an order to hand over', () => {
  it('tells a target that holds the whole log at once, one time', () => {
    const engine = leader()
    const effects = hand(engine, N2)
    expect(of(effects, 'ordered')).toEqual([{ type: 'ordered', orderId: 1, index: null }])
    expect(sends(effects, 'timeoutNow').map(({ to }) => to)).toEqual([N2])
    expect(sends(engine.ack(N2, 1), 'timeoutNow')).toEqual([])
  })

  it('waits for a target that does not, however many others do', () => {
    const engine = leader()
    expect(sends(hand(engine, N3), 'timeoutNow')).toEqual([])
    expect(sends(engine.ack(N2, 1), 'timeoutNow')).toEqual([])
    expect(sends(engine.ack(N3, 1), 'timeoutNow').map(({ to }) => to)).toEqual([N3])
  })

  it('without a target goes to the voter that holds most and is heard', () => {
    const engine = leader()
    engine.ack(N4, 1)
    expect(sends(hand(engine, null), 'timeoutNow').map(({ to }) => to)).toEqual([N2])
    const other = leader()
    other.nowMs += SETTINGS.electionTimeoutMaxMs
    other.receive(N3, heartbeatReply({ term: 1 }))
    expect(sends(hand(other, null), 'timeoutNow')).toEqual([])
    expect(sends(other.ack(N3, 1), 'timeoutNow').map(({ to }) => to)).toEqual([N3])
  })

  it('to the leader itself is done already', () => {
    const engine = leader()
    expect(hand(engine, N1)).toEqual([{ type: 'ordered', orderId: 1, index: null }])
    expect(of(engine.propose(), 'proposed')).toHaveLength(1)
  })

  it('is refused for a learner, for a stranger, and while another is under way', () => {
    const engine = leader()
    expect(of(hand(engine, N4), 'orderRefused')).toMatchObject([{ code: 'InvalidArgument' }])
    expect(of(hand(engine, nodeId('n9')), 'orderRefused')).toMatchObject([{ code: 'NotFound' }])
    hand(engine, N3)
    expect(of(hand(engine, N2), 'orderRefused')).toMatchObject([{ code: 'ChangeInProgress' }])
  })

  it('is refused by who does not lead, with the leader if it is known', () => {
    const engine = new Engine()
    expect(of(hand(engine, N2), 'orderRefused')).toMatchObject([{ code: 'NoLeader', leader: null }])
    engine.receive(N2, heartbeat({ term: 1 }))
    expect(of(hand(engine, N3), 'orderRefused')).toMatchObject([{ code: 'NotLeader', leader: N2 }])
  })
})

describe('a leader that handed over', () => {
  it('votes for the target, which its own contact with a quorum does not hinder', () => {
    const engine = leader()
    hand(engine, N2)
    const message = requestVote({ term: 2, lastIndex: engine.core.status().lastIndex, transfer: true })
    const asked = { ...message, lastTerm: engine.core.status().term }
    const effects = engine.receive(N2, asked)
    expect(sends(effects, 'requestVoteReply')[0]?.message).toMatchObject({ term: 2, granted: true })
    expect(engine.core.status()).toMatchObject({ role: 'follower', term: 2 })
  })
})

describe('the word to campaign', () => {
  it('is obeyed only by a voter that follows who says it', () => {
    const learner = new Engine({ self: N4, members: members(4, [N4]), term: 1 })
    learner.receive(N2, heartbeat({ term: 1 }))
    expect(learner.receive(N2, timeoutNow({ term: 1 }))).toEqual([])
    const follower = new Engine({ term: 1 })
    follower.receive(N2, heartbeat({ term: 1 }))
    expect(follower.receive(N3, timeoutNow({ term: 1 }))).toEqual([])
    expect(sends(follower.receive(N2, timeoutNow({ term: 1 })), 'requestVote')).toHaveLength(2)
  })
})

describe('a leader whose disk hangs', () => {
  it('hands over to a voter that holds the whole log, once a write has waited too long', () => {
    const engine = new Engine()
    engine.elect()
    engine.ack(N2, 1)
    engine.propose()
    const told: NodeId[] = []
    const from = engine.nowMs
    while (told.length === 0 && engine.nowMs - from < 5000) {
      told.push(...sends(engine.tick(), 'timeoutNow').map(({ to }) => to))
      if (told.length > 0) break
      told.push(...sends(engine.ack(N2, 2), 'timeoutNow').map(({ to }) => to))
    }
    expect(told).toEqual([N2])
    expect(engine.nowMs - from).toBeGreaterThanOrEqual(1000)
  })

  it('stays while its writes come back', () => {
    const engine = new Engine()
    engine.elect()
    engine.ack(N2, 1)
    for (let i = 0; i < 60; i++) {
      engine.propose()
      expect(sends([...engine.tick(), ...engine.stored(engine.writes.length)], 'timeoutNow')).toEqual([])
      engine.ack(N2, engine.core.status().lastIndex)
    }
  })
})
