/**
 * A node whose log was damaged, or lost what it had acknowledged, must not vote: its vote could elect a
 * leader that lacks what its acknowledgement helped to commit. It is whole again once its log agrees
 * with the leader's up to where that ended at first contact: whatever this node can have acknowledged,
 * to this leader or an earlier one, and was committed, lies at or below (docs/consensus/divergence.md). A
 * vote of the present term that may be lost too is taken for given to that leader.
 */
import type { LogIndex, NodeId } from '../types.js'
import { refuseAt } from './appends.js'
import type { Heartbeat } from './messages.js'
import type { RaftState } from './state.js'

/** The leader says that this node has acknowledged what its log does not hold. */
export function noteLostTail(raft: RaftState): void {
  if (!raft.mayVote) return
  raft.mayVote = false
  raft.repairTarget = null
  raft.agreedIndex = 0 as LogIndex
  raft.emit({ type: 'damaged', lastIndex: raft.log.lastIndex })
}

/**
 * Takes the leader's end as what has to be reached, and makes the leader look at this log anew where it
 * still believes in what was lost: a refusal at what it counts as acknowledged.
 */
export function followRepair(raft: RaftState, from: NodeId, message: Heartbeat): void {
  if (raft.mayVote) return
  raft.repairTarget ??= message.lastIndex
  if (raft.agreedIndex === 0 && message.lastIndex > 0) refuseAt(raft, from, message.lastIndex, message.readPosition)
}

/** At the end of a step: is this node whole again? */
export function finishRepair(raft: RaftState): void {
  const { repairTarget } = raft
  if (raft.mayVote || repairTarget === null) return
  if (raft.agreedIndex < repairTarget || raft.writes.durableIndex < repairTarget) return
  // The vote of this term may be among what was lost: it is given to the leader, so that no other gets it.
  if (raft.votedFor === null) {
    raft.votedFor = raft.leader
    raft.persistHardState()
  }
  if (raft.writes.hardStateWrite !== undefined) return
  raft.mayVote = true
  raft.repairTarget = null
  raft.emit({ type: 'repaired' })
}
