/**
 * Shows the arithmetic of a change of members before it is made: its steps in order, what each bears,
 * which changes are refused, and that nothing is ordered where all is as it shall be.
 */
import { expect, test } from 'vitest'
import {
  changeSteps,
  checkChange,
  checkIdentity,
  type MemberChange,
  withNewcomers,
  withoutLeavers,
  withVotes,
} from '../../src/cluster/change-goals.js'
import { type MembersView, parseMembersView } from '../../src/cluster/members.js'
import { arithmeticText, quorumArithmetic } from '../../src/cluster/quorum-arithmetic.js'
import type { Member } from '../../src/consensus/membership.js'
import { logIndex, nodeId } from '../../src/consensus/types.js'

const member = (n: number, extra: Partial<Member> = {}): Member => ({
  id: nodeId(`n${n}`),
  publicKey: new Uint8Array(32).fill(n),
  address: `127.0.0.1:${4000 + n}`,
  zone: n % 2 === 0 ? 'b' : 'a',
  role: 'voter',
  wasVoter: false,
  promote: false,
  ...extra,
})
const viewOf = (...members: readonly Member[]): MembersView => ({
  index: logIndex(7),
  committed: true,
  joint: false,
  members,
})
const three = viewOf(member(1), member(2), member(3))
const newcomer = (id: string, learner = false) => ({ id, address: null, publicKey: null, zone: null, learner })
const change = (parts: Partial<MemberChange>): MemberChange => ({ add: [], promote: [], remove: [], ...parts })
const voters = (...zones: string[]) => zones.map((zone, at) => ({ id: `n${at + 1}`, zone }))

test('the arithmetic of voters and zones', () => {
  const text = (before: string[], after: string[]) =>
    arithmeticText(quorumArithmetic(voters(...before)), quorumArithmetic(voters(...after)))
  expect(text(['a', 'a', 'a'], ['a', 'a'])).toBe('3 → 2 voters: a quorum is 2, no failure tolerated')
  expect(text(['a'], ['a'])).toBe('1 voter: a quorum is 1, no failure tolerated')
  expect(text(['a', 'b'], ['a', 'b', 'b'])).toBe(
    '2 → 3 voters: a quorum is 2, 1 failure tolerated; zones: a 1; b 2, must not fail',
  )
  expect(quorumArithmetic(voters('a', 'a', 'b', 'b', 'c'))).toMatchObject({
    quorum: 3,
    failuresTolerated: 2,
    zones: [
      { zone: 'a', voters: 2, mayFail: true },
      { zone: 'b', voters: 2, mayFail: true },
      { zone: 'c', voters: 1, mayFail: true },
    ],
  })
})

test('newcomers join, then get their votes one by one, then the others leave at once', () => {
  const steps = changeSteps(three, change({ add: [newcomer('n4'), newcomer('n5', true)], remove: ['n1', 'n2'] }))
  expect(steps.map(({ action, nodes, voters: of, quorum }) => [action, nodes, of, quorum])).toEqual([
    ['join', ['n4', 'n5'], ['n1', 'n2', 'n3'], 2],
    ['promote', ['n4'], ['n1', 'n2', 'n3', 'n4'], 3],
    ['leave', ['n1', 'n2'], ['n3', 'n4'], 2],
  ])
  expect(steps[1]?.text).toContain('2 of the 3 old and 3 of the 4 new voters')
})

test('what is done already is no step and no order', () => {
  const learner = viewOf(member(1), member(4, { role: 'learner', promote: true }))
  const joining = change({ add: [newcomer('n4')], remove: ['n9'] })
  expect(changeSteps(learner, joining).map(({ action }) => action)).toEqual(['promote'])
  expect(withNewcomers(learner, joining, [member(4)])).toBeNull()
  expect(withoutLeavers(learner, joining)).toBeNull()
  expect(changeSteps(viewOf(member(1), member(4)), joining)).toEqual([])
})

test('who joins is ordered without a vote, marked for it unless it stays a learner', () => {
  const joining = change({ add: [newcomer('n4'), newcomer('n5', true)] })
  expect(withNewcomers(three, joining, [member(4), member(5)])?.slice(3)).toMatchObject([
    { id: 'n4', role: 'learner', promote: true },
    { id: 'n5', role: 'learner', promote: false },
  ])
  const waiting = viewOf(member(1), member(2, { role: 'learner' }))
  expect(withNewcomers(waiting, change({ promote: ['n2'] }), [])?.[1]).toMatchObject({ role: 'learner', promote: true })
  expect(withoutLeavers(three, change({ remove: ['n1'] }))?.map(({ id }) => id)).toEqual(['n2', 'n3'])
})

test('what cannot be is refused', () => {
  const known = (id: string) => id === 'n8'
  const code = (parts: Partial<MemberChange>) => {
    try {
      checkChange(three, change(parts), known)
      return null
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  expect(code({ remove: ['n1', 'n2', 'n3'] })).toBe('Refused')
  expect(code({ remove: ['n1', 'n2'] })).toBeNull()
  expect(code({ add: [newcomer('n4')], remove: ['n1', 'n2', 'n3'] })).toBeNull()
  expect(code({ add: [newcomer('n4', true)], remove: ['n1', 'n2', 'n3'] })).toBe('Refused')
  expect(code({ remove: ['n9'] })).toBe('NotFound')
  expect(code({ remove: ['n8'] })).toBeNull()
  expect(code({ promote: ['n8'] })).toBe('NotFound')
  expect(code({ add: [newcomer('N 4')] })).toBe('InvalidArgument')
  expect(code({ add: [newcomer('n4')], remove: ['n4'] })).toBe('InvalidArgument')
})

test('a member of that name that is somebody else is not taken for who joins', () => {
  expect(() => checkIdentity(three, member(2), false)).not.toThrow()
  expect(() => checkIdentity(three, member(9), false)).not.toThrow()
  expect(() => checkIdentity(three, { ...member(2), publicKey: new Uint8Array(32) }, false)).toThrow(/another key/)
  expect(() => checkIdentity(three, { ...member(2), address: 'h:1' }, false)).toThrow(/at 127.0.0.1:4002/)
  expect(() => checkIdentity(three, member(2), true)).toThrow(/has a vote already/)
})

test('a configuration that a node tells is read strictly', () => {
  const told = { index: 3, committed: true, joint: false, members: [{ ...member(1), publicKey: '01'.repeat(32) }] }
  expect(parseMembersView(told)).toEqual({ ...viewOf(member(1)), index: 3 })
  for (const wrong of [null, {}, { ...told, index: 'x' }, { ...told, members: [{ id: 'n1' }] }])
    expect(() => parseMembersView(wrong)).toThrow(/cannot be read/)
})

test('under a Byzantine protocol steps are counted with n, f and q, and fewer than four are refused', () => {
  const four = viewOf(member(1), member(2), member(3), member(4))
  const texts = changeSteps(four, change({ add: [newcomer('n5'), newcomer('n6')], remove: ['n1'] }), 'pbft').map(
    ({ text }) => text.replace(/; zones.*/, ''),
  )
  expect(texts).toEqual([
    'n5, n6 join without a vote; 4 replicas: n = 4, f = 1, q = 3, 1 failure or lie tolerated',
    'n5, n6 get their votes once they have caught up, and a new epoch begins; 4 → 6 replicas: n = 6, f = 1, q = 4, 1 failure or lie tolerated',
    'n1 leaves, and a new epoch begins; 6 → 5 replicas: n = 5, f = 1, q = 4, 1 failure or lie tolerated',
  ])
  const check = (parts: Partial<MemberChange>) => () => checkChange(four, change(parts), () => true, 'hotstuff')
  expect(check({ remove: ['n4'] })).toThrowError(expect.objectContaining({ code: 'Refused' }))
  expect(check({ remove: ['n4'] })).toThrowError(/4 → 3 replicas: n = 3, f = 0, q = 2, no failure or lie tolerated/)
  expect(check({ add: [newcomer('n5')], remove: ['n4'] })).not.toThrow()
  expect(check({ add: [newcomer('n5', true)], remove: ['n4'] })).toThrowError(/needs at least 4/)
})

test('Byzantine newcomers are not marked to get a vote by themselves: it is ordered once they caught up', () => {
  const four = viewOf(member(1), member(2), member(3), member(4))
  const adding = change({ add: [newcomer('n5')] })
  const joined = withNewcomers(four, adding, [member(5)], 'pbft')
  expect(joined?.at(-1)).toMatchObject({ id: 'n5', role: 'learner', promote: false })
  const view = viewOf(...four.members, member(5, { role: 'learner' }))
  expect(withNewcomers(view, adding, [member(5)], 'pbft')).toBe(null)
  expect(withVotes(view, adding)?.at(-1)).toMatchObject({ id: 'n5', role: 'voter' })
  expect(withVotes(viewOf(...four.members, member(5)), adding)).toBe(null)
})
