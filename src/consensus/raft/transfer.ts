/**
 * Leadership transfer (thesis, 3.10): no new proposals, wait until the target has the whole log, tell
 * it to campaign at once. Bounded by one election timeout, after which this node goes on leading.
 */
import type { OrderRefusalCode } from '../core.js'
import type { NodeId } from '../types.js'
import { startElection } from './election.js'
import type { Leadership } from './leadership.js'
import { hasCaughtUp, rankOf } from './preference.js'
import type { Progress } from './progress.js'
import type { RaftState } from './state.js'

/** Starts a transfer to a voter that is heard. No other is under way. */
export function startTransfer(raft: RaftState, leading: Leadership, peer: Progress): void {
  const deadlineMs = raft.now.monotonicMs + raft.options.settings.electionTimeoutMaxMs
  leading.transfer = { target: peer.id, deadlineMs, timeoutNowSent: false }
  continueTransfer(raft, leading, peer)
}

/**
 * Who leads best instead: the voter among `eligible` that is heard and holds most of the log; where the
 * cluster prefers some, the most preferred of those that have caught up.
 */
export function bestTarget(
  raft: RaftState,
  leading: Leadership,
  eligible: (id: NodeId) => boolean = () => true,
): Progress | null {
  let best: Progress | null = null
  for (const peer of leading.peers) {
    if (!raft.quorum.voters.includes(peer.id) || !eligible(peer.id) || !leading.isActive(peer, raft)) continue
    if (best === null || isBetter(raft, peer, best)) best = peer
  }
  return best
}

function isBetter(raft: RaftState, one: Progress, other: Progress): boolean {
  const preferred = preferenceFor(raft, one) - preferenceFor(raft, other)
  return preferred === 0 ? one.matchIndex > other.matchIndex : preferred > 0
}

/** Whoever has not caught up comes after all that have. */
function preferenceFor(raft: RaftState, peer: Progress): number {
  const rank = rankOf(raft, peer.id)
  if (rank === null) return 0
  return hasCaughtUp(raft, peer) ? rank : -1
}

/** Tells the target to campaign once it holds the whole log. */
export function continueTransfer(raft: RaftState, leading: Leadership, peer: Progress): void {
  const { transfer } = leading
  if (transfer === null || transfer.target !== peer.id || transfer.timeoutNowSent) return
  if (peer.matchIndex !== raft.log.lastIndex) return
  transfer.timeoutNowSent = true
  leading.leaseEnded = true
  raft.send(peer.id, { type: 'timeoutNow', epoch: raft.epoch, term: raft.term })
}

/** The leader's word to campaign now, past PreVote and past the living leader. */
export function handleTimeoutNow(raft: RaftState, from: NodeId): void {
  if (raft.leader !== from || raft.leading !== null || !raft.mayCampaign) return
  startElection(raft, true)
}

/** An operator's order: null when the transfer has begun, or why it has not. */
export function orderTransfer(
  raft: RaftState,
  leading: Leadership,
  target: NodeId | null,
): { readonly code: OrderRefusalCode; readonly reason: string } | null {
  if (target === raft.self) return null
  if (leading.transfer !== null) return { code: 'ChangeInProgress', reason: 'another transfer is under way' }
  const peer = target === null ? bestTarget(raft, leading) : (leading.peer(target) ?? null)
  if (peer === null) return { code: 'NotFound', reason: `there is no voter ${target ?? 'to hand over to'}` }
  if (!raft.quorum.voters.includes(peer.id)) return { code: 'InvalidArgument', reason: `${peer.id} is no voter` }
  startTransfer(raft, leading, peer)
  return null
}
