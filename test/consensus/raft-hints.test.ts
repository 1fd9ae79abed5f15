/**
 * Shows that a node that was cut off while a new member joined and took the lead finds that member
 * again: the others name the members when it asks for votes, and the driver is told to talk to them.
 */
import { describe, expect, it } from 'vitest'
import { epoch, logIndex, nodeId, term } from '../../src/consensus/types.js'
import { member, members } from './disk.js'
import { Engine, heartbeat, N2, of, sends } from './engine.js'

const N4 = nodeId('n4')
const RECORD = {
  index: logIndex(7),
  membership: { joint: false, members: [...members(3).members, member(N4, 'voter')] },
}

describe('a membership hint', () => {
  it('answers a vote request while a leader lives, once the members have changed', () => {
    const engine = new Engine()
    engine.elect()
    const preVote = { type: 'preVote', epoch: epoch(0), term: term(9), round: 1 } as const
    const last = { lastIndex: logIndex(0), lastEpoch: epoch(0), lastTerm: term(0) }
    expect(engine.receive(N2, { ...preVote, ...last })).toEqual([])
    engine.ack(N2, 1)
    const target = [...members(3).members, member(N4, 'learner')].map(({ wasVoter: _, role, ...rest }) => ({
      ...rest,
      role: role === 'voter' ? ('voter' as const) : ('learner' as const),
    }))
    engine.step({ type: 'order', orderId: 1, order: { kind: 'changeMembership', planned: logIndex(0), target } })
    const [hint] = sends(engine.receive(N2, { ...preVote, ...last }), 'membershipHint')
    expect(hint?.message).toMatchObject({ record: { index: 2 } })
  })

  it('is passed on to the driver if it is newer than what the log says, and changes nothing else', () => {
    const engine = new Engine()
    engine.receive(N2, heartbeat({ term: 1 }))
    const hint = { type: 'membershipHint', epoch: epoch(0), term: term(1), record: RECORD } as const
    expect(of(engine.receive(N2, hint), 'membershipHinted')).toMatchObject([{ record: { index: 7 } }])
    expect(engine.core.status().membership.index).toBe(0)
    const older = { ...hint, record: { ...RECORD, index: logIndex(0) } }
    expect(of(engine.receive(N2, older), 'membershipHinted')).toEqual([])
    expect(engine.core.status().role).toBe('follower')
  })
})
