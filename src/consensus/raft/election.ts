/**
 * Elections (Raft paper, 5.2 and 5.4.1; PreVote, thesis 9.6). PreVote, CheckQuorum and the refusal of
 * votes while a leader lives work together; each alone has known deadlocks.
 *
 * A PreVote asks whether a vote would be given and changes nothing anywhere: no term, no vote, no
 * timer. Only a refusal that shows a higher term moves the candidate's own term.
 */
import { computeBatchDigest } from '../batch-digest.js'
import { voteResult } from '../quorum.js'
import type { LogIndex, NodeId, Term } from '../types.js'
import { compareTerms, type TermPosition } from './log.js'
import type { PreVote, PreVoteReply, RequestVote, RequestVoteReply } from './messages.js'
import { appendOwn } from './proposals.js'
import { becomeFollower, becomeLeader, leaderLives, refuseForwardedReads } from './roles.js'
import type { RaftState } from './state.js'

/** The election timer ran out: ask first whether an election could be won. */
export function startPreVote(raft: RaftState): void {
  refuseForwardedReads(raft, 'NoLeader')
  raft.leader = null
  const round = raft.nextRunId()
  raft.campaign = { kind: 'pre', round, votes: new Map([[raft.self, true]]) }
  raft.restartElectionTimer()
  const { epoch, log } = raft
  const term = (raft.term + 1) as Term
  broadcast(raft, {
    type: 'preVote',
    epoch,
    term,
    round,
    lastIndex: log.lastIndex,
    lastEpoch: log.last.epoch,
    lastTerm: log.last.term,
  })
  countVotes(raft)
}

/** Campaigns in a new term. The own vote counts when it is durable, see `countOwnVote`. */
export function startElection(raft: RaftState, transfer: boolean): void {
  refuseForwardedReads(raft, 'NoLeader')
  raft.leader = null
  raft.term = (raft.term + 1) as Term
  raft.votedFor = raft.self
  raft.persistHardState()
  raft.campaign = { kind: 'real', round: 0, votes: new Map() }
  raft.restartElectionTimer()
  const { epoch, term, log } = raft
  broadcast(raft, {
    type: 'requestVote',
    epoch,
    term,
    lastIndex: log.lastIndex,
    lastEpoch: log.last.epoch,
    lastTerm: log.last.term,
    transfer,
  })
}

/** Called when a write became durable: it may have held this candidate's vote for itself. */
export function countOwnVote(raft: RaftState): void {
  const { campaign } = raft
  if (campaign?.kind !== 'real' || raft.writes.hardStateWrite !== undefined || campaign.votes.has(raft.self)) return
  campaign.votes.set(raft.self, true)
  countVotes(raft)
}

export function handlePreVote(raft: RaftState, from: NodeId, message: PreVote): void {
  if (leaderLives(raft)) {
    const record = raft.memberships.current
    if (record.index > 0) raft.send(from, { type: 'membershipHint', epoch: raft.epoch, term: raft.term, record })
    return
  }
  const granted = message.term >= raft.term && mayVoteFor(raft, from, message, message.term > raft.term)
  raft.send(from, {
    type: 'preVoteReply',
    epoch: raft.epoch,
    // A grant speaks for the term that was asked about, a refusal for the own one.
    term: granted ? message.term : raft.term,
    round: message.round,
    granted,
    wallMs: Math.floor(raft.now.wallMs),
  })
}

export function handlePreVoteReply(raft: RaftState, from: NodeId, message: PreVoteReply): void {
  const { campaign } = raft
  if (campaign?.kind !== 'pre' || campaign.round !== message.round) return
  if (message.granted && message.term !== raft.term + 1) return
  raft.clocks.learn(from, message.wallMs, raft.now)
  countVote(raft, from, message.granted)
}

/** The message is of this node's term: a higher one has been entered before. */
export function handleRequestVote(raft: RaftState, from: NodeId, message: RequestVote): void {
  const granted = mayVoteFor(raft, from, message, false)
  if (granted) {
    if (raft.votedFor === null) {
      raft.votedFor = from
      raft.persistHardState()
    }
    raft.campaign = null
    raft.restartElectionTimer()
  }
  answerVote(raft, from, granted)
}

export function answerVote(raft: RaftState, to: NodeId, granted: boolean): void {
  const wallMs = Math.floor(raft.now.wallMs)
  raft.send(to, { type: 'requestVoteReply', epoch: raft.epoch, term: raft.term, granted, wallMs })
}

export function handleRequestVoteReply(raft: RaftState, from: NodeId, message: RequestVoteReply): void {
  if (raft.campaign?.kind !== 'real') return
  raft.clocks.learn(from, message.wallMs, raft.now)
  countVote(raft, from, message.granted)
}

/**
 * The vote rule: not yet voted otherwise, and the candidate's log is at least as complete. A learner
 * votes too: it may have been promoted without knowing it yet. A damaged node never does.
 */
function mayVoteFor(raft: RaftState, candidate: NodeId, message: PreVote | RequestVote, futureTerm: boolean): boolean {
  if (!raft.mayVote || raft.now.monotonicMs < raft.voteEmbargoMs) return false
  const free = raft.votedFor === candidate || (raft.votedFor === null && raft.leader === null) || futureTerm
  if (!free) return false
  const { log } = raft
  const order = compareTerms({ epoch: message.lastEpoch, term: message.lastTerm }, log.last)
  const isComplete = order > 0 || (order === 0 && message.lastIndex >= log.lastIndex)
  if (!isComplete) standIn(raft, message)
  return isComplete
}

/**
 * See `RaftState.standsIn`. A candidate whose log ends before what made this node a learner goes by what was before:
 * somebody holds more, and can be elected.
 */
function standIn(raft: RaftState, { lastIndex, lastEpoch, lastTerm }: PreVote | RequestVote): void {
  const { memberships, log } = raft
  if (raft.standsIn || raft.isVoter || !memberships.isMember(raft.self)) return
  const known = Math.max(memberships.current.index, log.base.index) as LogIndex
  const order = compareTerms({ epoch: lastEpoch, term: lastTerm }, log.termAt(known) as TermPosition)
  if (order < 0 || lastIndex <= known) return
  raft.standsIn = true
  raft.restartElectionTimer()
}

/** The first answer of a member counts; duplicates and changes of mind do not. */
function countVote(raft: RaftState, from: NodeId, granted: boolean): void {
  const { campaign } = raft
  if (campaign === null || campaign.votes.has(from)) return
  campaign.votes.set(from, granted)
  countVotes(raft)
}

function countVotes(raft: RaftState): void {
  const { campaign } = raft
  if (campaign === null) return
  const result = voteResult(raft.quorum, campaign.votes)
  if (result === 'lost') {
    const { electionDeadlineMs } = raft
    becomeFollower(raft, raft.term, null)
    // Losing is no reason to wait longer.
    raft.electionDeadlineMs = electionDeadlineMs
    return
  }
  if (result === 'pending') return
  if (campaign.kind === 'pre') {
    startElection(raft, false)
    return
  }
  // Other votes arrive only after the own one left for the disk, yet its completion may still be on the way.
  if (!campaign.votes.has(raft.self)) return
  const leading = becomeLeader(raft)
  const first = raft.options.hardening?.firstEntry()
  if (first === undefined) appendOwn(raft, leading, 'empty', new Uint8Array(0), raft.emptyDigest)
  else appendOwn(raft, leading, first.kind, first.body, computeBatchDigest(raft.modules.sha256, first.kind, first.body))
}

function broadcast(raft: RaftState, message: PreVote | RequestVote): void {
  const { voters, outgoing } = raft.quorum
  for (const id of new Set([...voters, ...outgoing])) if (id !== raft.self) raft.send(id, message)
}
