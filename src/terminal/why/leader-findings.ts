/** Why nobody leads: who is missing for a quorum, who may not vote, who campaigns, and who cannot win. */

import type { SelfReport } from '../../cluster/self-reports.js'
import { quorumOf } from '../../consensus/membership.js'
import { majority } from '../../consensus/quorum.js'
import type { Evidence } from './evidence.js'
import type { Finding } from './finding.js'

export function leaderFindings(evidence: Evidence): Finding[] {
  return [
    ...unreachable(evidence),
    ...notVoting(evidence),
    ...quorum(evidence),
    ...withoutLeader(evidence),
    ...leadersApart(evidence),
  ]
}

export function unreachable({ status, local }: Evidence): Finding[] {
  return status.nodes
    .filter(({ reachable }) => !reachable)
    .map(({ id, address, error }) => {
      const state = local.get(id)
      const ended = state?.lastError == null ? '' : `; its log ends with ${state.lastError}`
      const why = state?.running === false ? `its process does not run${ended}` : (error?.message ?? 'no answer')
      return {
        code: 'Unreachable' as const,
        node: id,
        message: `${id} (${address}) does not answer: ${why}`,
        hint:
          state?.running === false
            ? 'Start it: knhk up --dir DIR, or knhk node start --dir DIR --node ID.'
            : 'Does it run, and can it be reached from here? Its own log says more.',
        numbers: {},
      }
    })
}

function notVoting({ reports }: Evidence): Finding[] {
  return [...reports.values()]
    .filter(({ mayVote }) => !mayVote)
    .map(({ id, lastIndex }) => ({
      code: 'NotVoting' as const,
      node: id,
      message: `${id} neither votes nor leads: its log was damaged and ends at ${lastIndex}; it has to be given again what it had`,
      hint: 'It mends itself from a leader; without one, or if it does not, replace it: knhk cluster members replace ID.',
      numbers: { lastIndex },
    }))
}

/** Both halves of a joint configuration need their own majority. */
function quorum({ view, reports }: Evidence): Finding[] {
  if (view === null) return []
  const { voters, outgoing } = quorumOf(view)
  return [
    { half: voters, name: outgoing.length === 0 ? 'voters' : 'new voters' },
    { half: outgoing, name: 'old voters' },
  ].flatMap(({ half, name }): Finding[] => {
    if (half.length === 0) return []
    const able = half.filter((id) => reports.get(id)?.mayVote === true)
    const needed = majority(half.length)
    if (able.length >= needed) return []
    const missing = half.filter((id) => !able.includes(id)).join(', ')
    const there = able.length === 0 ? 'none can vote' : `${able.length} can vote (${able.join(', ')})`
    return [
      {
        code: 'NoQuorum',
        node: null,
        message: `${needed} of the ${half.length} ${name} are needed to decide, ${there}; missing: ${missing}`,
        hint: `Bring ${needed - able.length} of ${missing} back.`,
        numbers: { voters: half.length, quorum: needed, able: able.length },
      },
    ]
  })
}

function withoutLeader(evidence: Evidence): Finding[] {
  const { leader, reports } = evidence
  if (leader !== null) return []
  const all = [...reports.values()]
  const term = Math.max(0, ...all.map((report) => report.term))
  const terms = all.map((report) => `${report.id} ${report.term}`).join(', ')
  return [
    {
      code: 'NoLeader',
      node: null,
      message: `nobody leads; terms: ${terms}`,
      hint: 'An election takes a fraction of a second where a quorum lives; look again, or see the other findings.',
      numbers: { term },
    },
    ...all.filter(({ role }) => role === 'candidate' || role === 'preCandidate').map(campaigning),
    ...cannotWin(evidence),
  ]
}

function campaigning({ id, role, term }: SelfReport): Finding {
  const what = role === 'candidate' ? `asks for votes in term ${term}` : `asks whether it could win term ${term + 1}`
  return {
    code: 'Campaigning',
    node: id,
    message: `${id} ${what}`,
    hint: 'It wins with the votes of a quorum whose logs are not newer than its own.',
    numbers: { term },
  }
}

interface LogEnd {
  readonly id: string
  readonly index: number
  readonly term: number
  readonly mayVote: boolean
}

/** A voter gives no vote to a log that ends before its own: by term first, then by index (Raft paper, 5.4.1). */
function cannotWin({ view, reports, lastTerms }: Evidence): Finding[] {
  if (view === null) return []
  const { voters } = quorumOf(view)
  const quorum = majority(voters.length)
  const ends = voters.flatMap((id): LogEnd[] => {
    const report = reports.get(id)
    const term = lastTerms.get(id)
    return report === undefined || term === undefined
      ? []
      : [{ id, index: report.lastIndex, term, mayVote: report.mayVote }]
  })
  return ends.flatMap((own): Finding[] => {
    const newer = ends.filter((other) => isNewer(other, own))
    const votes = ends.filter((one) => one.mayVote && !newer.includes(one)).length
    const [best] = newer.sort((a, b) => (isNewer(a, b) ? -1 : 1))
    if (best === undefined || votes >= quorum) return []
    return [
      {
        code: 'CannotWin',
        node: own.id,
        message: `${own.id} cannot win: its log ends at ${own.index} in term ${own.term}, ${best.id}'s at ${best.index} in term ${best.term}`,
        hint: `${best.id}, or another with as much, has to lead.`,
        numbers: {
          lastIndex: own.index,
          lastTerm: own.term,
          newestIndex: best.index,
          newestTerm: best.term,
          votes,
          quorum,
        },
      },
    ]
  })
}

function isNewer(a: LogEnd, b: LogEnd): boolean {
  return a.term > b.term || (a.term === b.term && a.index > b.index)
}

function leadersApart({ leader, reports }: Evidence): Finding[] {
  if (leader === null) return []
  return [...reports.values()].flatMap((report): Finding[] => {
    const numbers = { term: report.term, leaderTerm: leader.term }
    if (report.id === leader.id) return []
    if (report.role === 'leader') {
      return [
        {
          code: 'SecondLeader',
          node: report.id,
          message: `${report.id} still believes that it leads, in term ${report.term}; ${leader.id} leads in term ${leader.term}`,
          hint: 'It decides nothing and steps down as soon as it hears of the new term; if it stays so, it is cut off.',
          numbers,
        },
      ]
    }
    if (report.leader === leader.id) return []
    const whom = report.leader === null ? 'nobody' : report.leader
    return [
      {
        code: 'OtherLeader',
        node: report.id,
        message: `${report.id} follows ${whom} in term ${report.term}, not ${leader.id}, which leads in term ${leader.term}`,
        hint: 'Can it reach the leader? Its own log and that of the leader name the links that fail.',
        numbers,
      },
    ]
  })
}
