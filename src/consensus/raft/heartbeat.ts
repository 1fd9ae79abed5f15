/**
 * Heartbeats: the leader's sign of life, the carrier of read positions, and the moment at which it
 * looks whether a quorum still answers (CheckQuorum, thesis 6.2). Followers answer at once: a heartbeat
 * acknowledges no entry, so no write holds its reply back.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual } from '../../base/bytes.js'
import { hasQuorum } from '../quorum.js'
import type { LogIndex, NodeId } from '../types.js'
import type { Leadership } from './leadership.js'
import { noteLeaseRound } from './lease.js'
import type { Heartbeat } from './messages.js'
import type { Progress } from './progress.js'
import { followRepair, noteLostTail } from './repair.js'
import { followLeader } from './roles.js'
import type { RaftState } from './state.js'

export function broadcastHeartbeat(raft: RaftState, leading: Leadership): void {
  noteLeaseRound(raft, leading)
  for (const peer of leading.peers) sendHeartbeat(raft, leading, peer)
  leading.heartbeatDeadlineMs = raft.now.monotonicMs + raft.options.settings.heartbeatIntervalMs
}

export function sendHeartbeat(raft: RaftState, leading: Leadership, peer: Progress): void {
  const commitIndex = Math.min(peer.matchIndex, raft.commitIndex) as LogIndex
  if (commitIndex > peer.sentCommit) peer.sentCommit = commitIndex
  raft.send(peer.id, {
    type: 'heartbeat',
    epoch: raft.epoch,
    term: raft.term,
    commitIndex,
    acknowledgedIndex: peer.acknowledgedIndex,
    lastIndex: raft.log.lastIndex,
    readPosition: leading.readPosition,
    commitChain: raft.log.chainAt(commitIndex) ?? null,
  })
}

/** True while a quorum of the voters, this node included, was heard within the election timeout. */
export function quorumHeard(raft: RaftState, leading: Leadership): boolean {
  return hasQuorum(raft.quorum, leading.heardFrom)
}

/**
 * The commit index never exceeds what this node has acknowledged to this leader, perhaps in an earlier
 * run. A damaged node may have lost what it acknowledged, or hold entries again whose removal it lost:
 * it believes only what an append of this run has shown.
 */
function takeCommit(raft: RaftState, { commitIndex, acknowledgedIndex, commitChain }: Heartbeat): void {
  if (Math.max(commitIndex, acknowledgedIndex) > raft.log.lastIndex) noteLostTail(raft)
  if (!raft.mayVote && commitIndex > raft.agreedIndex) {
    raft.commitTo(raft.agreedIndex)
    return
  }
  raft.commitTo(commitIndex)
  const own = commitChain === null ? undefined : raft.log.chainAt(commitIndex)
  assert(
    own === undefined || commitChain === null || bytesEqual(own, commitChain),
    'what is committed here is what the leader committed: the logs have diverged',
  )
}

export function handleHeartbeat(raft: RaftState, from: NodeId, message: Heartbeat): void {
  followLeader(raft, from)
  takeCommit(raft, message)
  followRepair(raft, from, message)
  raft.send(from, {
    type: 'heartbeatReply',
    epoch: raft.epoch,
    term: raft.term,
    readPosition: message.readPosition,
    wallMs: Math.floor(raft.now.wallMs),
    digestIndex: raft.digests.newest?.index ?? (0 as LogIndex),
    stateDigest: raft.digests.newest?.digest ?? null,
  })
}
