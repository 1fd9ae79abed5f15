/**
 * Time: one `tick` at or after the deadline does everything that is due. A tick that comes early does
 * nothing, one that comes late does each thing once, so drifting timers and bursts after a pause are
 * harmless.
 */
import type { Millis } from '../types.js'
import { promoteLearner } from './changes.js'
import { startPreVote } from './election.js'
import { handToBetter } from './hand-back.js'
import { broadcastHeartbeat, quorumHeard } from './heartbeat.js'
import type { Leadership } from './leadership.js'
import { pushCommit } from './replication.js'
import { becomeFollower } from './roles.js'
import type { RaftState } from './state.js'
import { bestTarget, startTransfer } from './transfer.js'

/** When the next `tick` is wanted; undefined when nothing can become due. */
export function nextDeadline(raft: RaftState): Millis | undefined {
  const { leading } = raft
  if (leading === null) return raft.mayCampaign ? raft.electionDeadlineMs : undefined
  if (leading.peers.length === 0) return undefined
  const due = Math.min(leading.heartbeatDeadlineMs, leading.lookDeadlineMs, leading.commitPushMs)
  return leading.transfer === null ? due : Math.min(due, leading.transfer.deadlineMs)
}

export function tick(raft: RaftState): void {
  const nowMs = raft.now.monotonicMs
  const { leading } = raft
  if (leading !== null) tickLeader(raft, leading, nowMs)
  else if (raft.mayCampaign && nowMs >= raft.electionDeadlineMs) startPreVote(raft)
}

function tickLeader(raft: RaftState, leading: Leadership, nowMs: Millis): void {
  if (leading.transfer !== null && nowMs >= leading.transfer.deadlineMs) leading.transfer = null
  if (nowMs >= leading.commitPushMs) pushCommit(raft, leading)
  if (nowMs >= leading.lookDeadlineMs && !lookAround(raft, leading, nowMs)) return
  if (nowMs >= leading.heartbeatDeadlineMs) broadcastHeartbeat(raft, leading)
}

/**
 * What a leader looks at now and then, whether or not reads make heartbeats meanwhile: does a quorum hear
 * it, does its disk work, who has left, who has caught up, who would lead better. False when it stepped down.
 */
function lookAround(raft: RaftState, leading: Leadership, nowMs: Millis): boolean {
  leading.lookDeadlineMs = nowMs + raft.options.settings.heartbeatIntervalMs
  if (!quorumHeard(raft, leading)) {
    becomeFollower(raft, raft.term, null)
    return false
  }
  leading.dismiss(nowMs)
  if (isDiskStalled(raft, nowMs)) handOver(raft, leading)
  promoteLearner(raft, leading)
  handToBetter(raft, leading, nowMs)
  return true
}

/** A leader that cannot write goes on to be heard, and nothing it is asked for would ever be done. */
function isDiskStalled(raft: RaftState, nowMs: Millis): boolean {
  const since = raft.writes.waitingSinceMs
  return since !== undefined && nowMs - since >= raft.options.limits.stalledWriteMs
}

function handOver(raft: RaftState, leading: Leadership): void {
  const heir = bestTarget(raft, leading)
  if (heir !== null && leading.transfer === null) startTransfer(raft, leading, heir)
}

/**
 * The process stood still: whatever was heard before may be outdated. Timers start over, nobody is
 * trusted to lead any more, and a leader that needs others steps down rather than believe in acks of
 * before the pause.
 */
export function handlePause(raft: RaftState): void {
  raft.leaderContactMs = Number.NEGATIVE_INFINITY
  raft.restartElectionTimer()
  const { leading } = raft
  if (leading === null) return
  leading.leaseRounds.length = 0
  for (const peer of leading.peers) peer.lastContactMs = Number.NEGATIVE_INFINITY
  if (!quorumHeard(raft, leading)) becomeFollower(raft, raft.term, null)
}
