/** When a node whose removal is committed has to keep quiet, and when a learner may stand for election after all. */
import { describe, expect, it } from 'vitest'
import type { CoreStatus, Role } from '../../src/consensus/core.js'
import type { Member, Membership, MembershipRecord } from '../../src/consensus/membership.js'
import type { LogIndex, NodeId } from '../../src/consensus/types.js'
import { MemberRules } from '../../src/simulator/member-rules.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { violated } from './violated.js'

function member(id: string, role: Member['role'], wasVoter = false): Member {
  return {
    id: id as NodeId,
    publicKey: new Uint8Array(32),
    address: `${id}:1`,
    zone: '',
    role,
    wasVoter,
    promote: false,
  }
}

const OUTSET: Membership = { joint: false, members: [member('a', 'voter'), member('b', 'learner')] }
const GIVES_VOTE: Membership = { joint: true, members: [member('a', 'voter', true), member('b', 'voter')] }
const ANOTHER: Membership = {
  joint: false,
  members: [member('a', 'voter'), member('b', 'learner'), member('c', 'learner')],
}
const WITHOUT: Membership = { joint: false, members: [member('a', 'voter')] }

/** What the rules read of a node that goes by `record`, its last entry. */
function look(
  rules: MemberRules,
  id: string,
  role: Role,
  record: MembershipRecord,
  membershipCommitted: boolean,
): void {
  const status = { role, membership: record, membershipCommitted, lastIndex: record.index, firstIndex: 1, term: 1 }
  const before: MembershipRecord = { index: 0 as LogIndex, membership: OUTSET }
  const core = { status: () => status, membershipAt: () => before, entry: () => undefined }
  rules.look(
    { id, running: { core } } as unknown as SimulatedNode,
    status as unknown as CoreStatus,
    undefined,
    record.index,
  )
}

const at = (index: number, membership: Membership): MembershipRecord => ({ index: index as LogIndex, membership })

describe('whoever is removed', () => {
  it('does not campaign once it knows', () => {
    const rules = new MemberRules()
    look(rules, 'a', 'leader', at(3, WITHOUT), true)
    expect(violated(() => look(rules, 'b', 'preCandidate', at(3, WITHOUT), true))).toBe('removedIsQuiet')
  })

  it('does not campaign as a learner either, where no later configuration gives it a vote', () => {
    const rules = new MemberRules()
    look(rules, 'a', 'follower', at(2, GIVES_VOTE), false)
    expect(violated(() => look(rules, 'b', 'preCandidate', at(3, ANOTHER), true))).toBe('removedIsQuiet')
  })

  it('may as a learner, where somebody goes by a later configuration in which it votes', () => {
    const rules = new MemberRules()
    look(rules, 'a', 'follower', at(2, GIVES_VOTE), false)
    expect(violated(() => look(rules, 'b', 'preCandidate', at(0, OUTSET), true))).toBeNull()
  })

  it('may also where another configuration has been committed in place of that one', () => {
    const rules = new MemberRules()
    look(rules, 'a', 'follower', at(2, GIVES_VOTE), false)
    look(rules, 'c', 'learner', at(3, ANOTHER), true)
    expect(violated(() => look(rules, 'b', 'preCandidate', at(0, OUTSET), true))).toBeNull()
  })
})
