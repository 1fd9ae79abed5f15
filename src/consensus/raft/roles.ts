/**
 * Changes of role and term. The term is written down at every change; the vote is cleared by a NEW
 * term only: a step-down within a term keeps it, or the node could vote twice (two leaders in one
 * term, as it happened to CCF).
 */
import { assert } from '../../base/assert.js'
import type { RefusalCode } from '../core.js'
import type { LogIndex, NodeId, Term } from '../types.js'
import { Leadership } from './leadership.js'
import type { RaftState } from './state.js'

/** Enters `term` (the current or a higher one) as follower or learner, with `leader` if it is known. */
export function becomeFollower(raft: RaftState, term: Term, leader: NodeId | null): void {
  assert(term >= raft.term, 'a term never decreases')
  const waitedAsFollower = raft.leading === null && raft.campaign === null
  if (raft.leading !== null) abandonLeadership(raft, raft.leading)
  raft.leading = null
  raft.campaign = null
  if (term > raft.term) {
    raft.term = term
    raft.votedFor = null
    raft.persistHardState()
  }
  if (raft.leader !== leader) refuseForwardedReads(raft, 'LeadershipLost')
  if (raft.leader !== leader) {
    raft.agreedIndex = 0 as LogIndex
    raft.repairTarget = null
  }
  raft.leader = leader
  if (leader !== null) raft.standsIn = false
  // A follower keeps waiting for its leader: only that leader, a vote given, or a campaign restarts the timer.
  if (!waitedAsFollower || leader !== null) raft.restartElectionTimer()
}

/** Notes a sign of life of the leader of the current term. */
export function followLeader(raft: RaftState, from: NodeId): void {
  assert(raft.leading === null, 'a term has one leader')
  assert(raft.leader === null || raft.leader === from, 'a term has one leader')
  if (raft.leader !== from || raft.campaign !== null) becomeFollower(raft, raft.term, from)
  else raft.restartElectionTimer()
  raft.leaderContactMs = raft.now.monotonicMs
}

/** Starts to lead the current term. The caller appends the term's empty entry. */
export function becomeLeader(raft: RaftState): Leadership {
  assert(raft.campaign?.kind === 'real', 'a leader was a candidate')
  assert(raft.votedFor === raft.self, 'a leader voted for itself')
  assert(raft.writes.hardStateWrite === undefined, "a leader's term is durable before it sends entries of it")
  assert(raft.mayCampaign, 'only a voter leads')
  raft.campaign = null
  raft.leader = raft.self
  raft.leading = new Leadership(raft)
  const { log, leading } = raft
  for (let index = log.lastIndex; index > raft.commitIndex; index--) {
    const entry = log.entry(index)
    if (entry === undefined) break
    leading.uncommittedBytes += entry.header.length + entry.body.length
  }
  return leading
}

/**
 * True while a leader is known to live, or may live by a lease that a restarted node has forgotten: then
 * nobody gets a vote, and no vote request moves the term (thesis, 4.2.3 and 6.4.1).
 */
export function leaderLives(raft: RaftState): boolean {
  if (raft.leading !== null || raft.now.monotonicMs < raft.voteEmbargoMs) return true
  if (raft.leader === null) return false
  return raft.now.monotonicMs - raft.leaderContactMs < raft.options.settings.electionTimeoutMinMs
}

/** Gives up on reads that another node was asked for; the driver asks again under a new id. */
export function refuseForwardedReads(raft: RaftState, code: RefusalCode): void {
  if (raft.forwardedReads.size === 0) return
  for (const readId of raft.forwardedReads.values()) raft.emit({ type: 'readRefused', readId, code, leader: null })
  raft.forwardedReads.clear()
}

/** A read must not outlive the leadership that would confirm it. */
function abandonLeadership(raft: RaftState, leading: Leadership): void {
  for (const { readId, from } of [...leading.heldReads, ...leading.pendingReads]) {
    if (from === null) raft.emit({ type: 'readRefused', readId, code: 'LeadershipLost', leader: null })
    else raft.send(from, { type: 'readIndexReply', epoch: raft.epoch, term: raft.term, readId, index: 0 as LogIndex })
  }
}
