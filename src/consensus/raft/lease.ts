/**
 * Leases (thesis, 6.4.1), where the cluster's settings turn them on: a leader that a quorum has heard
 * may answer reads by itself until the first of them could vote for another. Followers refuse votes
 * for one minimum election timeout after they heard a leader; the leader counts from when it SENT what
 * they answered, minus the declared bound on how far clocks drift apart in that time.
 *
 * A restarted node does not remember whom it heard, so it votes for nobody for one maximum election
 * timeout plus the drift. TimeoutNow lets its target past the refusal, so it ends the lease of the term.
 */
import { committedIndex } from '../quorum.js'
import type { Millis } from '../types.js'
import { hasCommittedInTerm } from './commit.js'
import type { Leadership } from './leadership.js'
import type { RaftState } from './state.js'

/** Rounds remembered while nobody answers. */
const ROUNDS_MAX = 64

/** Gives this round of heartbeats a position of its own, so that its answers tell when it was sent. */
export function noteLeaseRound(raft: RaftState, leading: Leadership): void {
  if (raft.options.settings.leaseDriftMs === null) return
  leading.readPosition++
  leading.leaseRounds.push({ position: leading.readPosition, sentMs: raft.now.monotonicMs })
  if (leading.leaseRounds.length > ROUNDS_MAX) leading.leaseRounds.shift()
}

export function leaseHolds(raft: RaftState, leading: Leadership, nowMs: Millis): boolean {
  const { leaseDriftMs, electionTimeoutMinMs } = raft.options.settings
  if (leaseDriftMs === null || leading.leaseEnded || leading.transfer !== null) return false
  if (!hasCommittedInTerm(raft, leading)) return false
  const confirmed = committedIndex(raft.quorum, leading.readPositionOf)
  const { leaseRounds } = leading
  while (leaseRounds[1] !== undefined && leaseRounds[1].position <= confirmed) leaseRounds.shift()
  const round = leaseRounds[0]
  if (round === undefined || round.position > confirmed) return false
  return nowMs < round.sentMs + electionTimeoutMinMs - leaseDriftMs
}

/** Until when a node that starts at `nowMs` keeps its vote to itself. */
export function voteEmbargo(raft: RaftState, nowMs: Millis): Millis {
  const { leaseDriftMs, electionTimeoutMaxMs } = raft.options.settings
  return leaseDriftMs === null ? nowMs : nowMs + electionTimeoutMaxMs + leaseDriftMs
}
