/**
 * Shows that the picture of a Byzantine cluster is what f + 1 members vouch for: no member alone makes
 * somebody the leader, or the log longer than it is; and that HotStuff has a leader although its rounds
 * pass while members are asked.
 */
import { expect, test } from 'vitest'
import { assembleStatus, type MemberReport } from '../../src/client/status.js'
import type { ProtocolName } from '../../src/consensus/types.js'
import { member } from './fake-cluster.js'

const report = (n: number, value: Record<string, unknown>): MemberReport => ({
  member: member(n),
  value: { id: `n${n}`, role: 'follower', term: 0, epoch: 0, view: null, round: null, ...value },
  error: null,
})
const statusOf = (protocol: ProtocolName, values: readonly Record<string, unknown>[]) =>
  assembleStatus(
    protocol,
    values.map((value, i) => report(i + 1, value)),
    2,
  )

test('a liar leads nobody, and moves neither view nor epoch nor commit', () => {
  const honest = { mode: 'pbft', view: 3, leader: 'n4', commitIndex: 20 }
  const liar = { mode: 'raft', role: 'leader', view: 2 ** 40, epoch: 9, leader: 'n1', commitIndex: 2 ** 50 }
  expect(statusOf('pbft', [liar, honest, honest, { ...honest, role: 'leader', commitIndex: 21 }])).toMatchObject({
    mode: 'pbft',
    epoch: 0,
    view: 3,
    term: null,
    round: null,
    leader: 'n4',
    commitIndex: 21,
  })
})

test('without f + 1 members that name one there is no primary', () => {
  const one = { mode: 'pbft', view: 3, commitIndex: 20 }
  expect(
    statusOf('pbft', [
      { ...one, leader: 'n1' },
      { ...one, leader: null },
      { ...one, leader: 'n2' },
    ]),
  ).toMatchObject({
    leader: null,
    view: 3,
  })
})

test('the leader of HotStuff is that of a round which f + 1 members have reached', () => {
  const at = (round: number, leader: string) => ({ mode: 'hotstuff', round, leader, commitIndex: 20 })
  expect(statusOf('hotstuff', [at(2 ** 40, 'n1'), at(7, 'n3'), at(6, 'n2'), at(5, 'n4')])).toMatchObject({
    round: 7,
    leader: 'n3',
  })
})
