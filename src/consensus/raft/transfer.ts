/**
 * Leadership transfer (thesis, 3.10): no new proposals, wait until the target has the whole log, tell
 * it to campaign at once. Bounded by one election timeout, after which this node goes on leading.
 */
import type { NodeId } from '../types.js'
import { startElection } from './election.js'
import type { Leadership } from './leadership.js'
import type { Progress } from './progress.js'
import type { RaftState } from './state.js'

/** Starts a transfer. Ignored on a node that does not lead, and for a target that cannot. */
export function startTransfer(raft: RaftState, target: NodeId): void {
  const { leading } = raft
  const peer = leading?.peer(target)
  if (leading === null || peer === undefined || !peer.voter || leading.transfer !== null) return
  const deadlineMs = raft.now.monotonicMs + raft.options.settings.electionTimeoutMaxMs
  leading.transfer = { target, deadlineMs, timeoutNowSent: false }
  continueTransfer(raft, leading, peer)
}

/** Tells the target to campaign once it holds the whole log. */
export function continueTransfer(raft: RaftState, leading: Leadership, peer: Progress): void {
  const { transfer } = leading
  if (transfer === null || transfer.target !== peer.id || transfer.timeoutNowSent) return
  if (peer.matchIndex !== raft.log.lastIndex) return
  transfer.timeoutNowSent = true
  raft.send(peer.id, { type: 'timeoutNow', epoch: raft.epoch, term: raft.term })
}

/** The leader's word to campaign now, past PreVote and past the living leader. */
export function handleTimeoutNow(raft: RaftState, from: NodeId): void {
  if (raft.leader !== from || raft.leading !== null || !raft.mayCampaign) return
  startElection(raft, true)
}
