/**
 * Linearizable reads (ReadIndex, thesis 6.4). Each read gets a strictly increasing position; heartbeats
 * and appends carry the highest one, replies echo it, and the position that a quorum has echoed,
 * computed by the same function as the commit index, releases every read up to it, each with the
 * commit index of its own arrival. No id is matched anywhere, so a retried read cannot be taken for an
 * older one.
 *
 * One round is open at a time; reads that arrive meanwhile share the next. Before the first commit of
 * its term a leader holds reads back: its commit index may lie behind the cluster's.
 */
import { committedIndex } from '../quorum.js'
import type { LogIndex, NodeId, ReadId } from '../types.js'
import { hasCommittedInTerm } from './commit.js'
import { broadcastHeartbeat } from './heartbeat.js'
import type { Leadership, PendingRead } from './leadership.js'
import { leaseHolds } from './lease.js'
import type { ReadIndexReply, ReadIndexRequest } from './messages.js'
import type { RaftState } from './state.js'

/** A read of this node's own clients. */
export function handleRead(raft: RaftState, readId: ReadId, lease: boolean): void {
  const { leading, leader } = raft
  if (leading !== null) {
    if (lease && leaseHolds(raft, leading, raft.now.monotonicMs)) {
      raft.emit({ type: 'readReady', readId, index: raft.commitIndex })
      return
    }
    if (!admitRead(raft, leading, readId, null)) {
      raft.emit({ type: 'readRefused', readId, code: 'ResourceExhausted', leader })
    }
    return
  }
  if (leader === null) {
    raft.emit({ type: 'readRefused', readId, code: 'NoLeader', leader: null })
    return
  }
  if (raft.forwardedReads.size >= raft.options.limits.pendingReadsMax) dropOldestForwarded(raft)
  const wireId = raft.nextRunId() as ReadId
  raft.forwardedReads.set(wireId, readId)
  raft.send(leader, { type: 'readIndexRequest', epoch: raft.epoch, term: raft.term, readId: wireId })
}

/** Answers can get lost, so the oldest forwarded read makes room: it is the one that nobody waits for. */
function dropOldestForwarded(raft: RaftState): void {
  for (const [wireId, readId] of raft.forwardedReads) {
    raft.forwardedReads.delete(wireId)
    raft.emit({ type: 'readRefused', readId, code: 'ResourceExhausted', leader: raft.leader })
    return
  }
}

/** A read that a follower sent on. */
export function handleReadIndexRequest(raft: RaftState, from: NodeId, message: ReadIndexRequest): void {
  const { leading } = raft
  if (leading !== null && admitRead(raft, leading, message.readId, from)) return
  reply(raft, from, message.readId, 0 as LogIndex)
}

/** The leader's answer to a read of ours. Answers to reads that were given up are ignored. */
export function handleReadIndexReply(raft: RaftState, message: ReadIndexReply): void {
  const readId = raft.forwardedReads.get(message.readId)
  if (readId === undefined) return
  raft.forwardedReads.delete(message.readId)
  if (message.index > 0) raft.emit({ type: 'readReady', readId, index: message.index })
  else raft.emit({ type: 'readRefused', readId, code: 'NotLeader', leader: raft.leader })
}

/** Gives positions to the reads that waited for the first commit of the term. */
export function releaseHeldReads(raft: RaftState, leading: Leadership): void {
  if (leading.heldReads.length === 0 || !hasCommittedInTerm(raft, leading)) return
  for (const { readId, from } of leading.heldReads.splice(0)) enqueue(raft, leading, readId, from)
  startRound(raft, leading)
}

/** Releases what a quorum has confirmed and starts the next round if reads wait for one. */
export function continueReads(raft: RaftState, leading: Leadership): void {
  if (leading.pendingReads.length === 0) return
  const confirmed = committedIndex(raft.quorum, leading.readPositionOf)
  let released = 0
  for (const read of leading.pendingReads) {
    if (read.position > confirmed) break
    release(raft, read)
    released++
  }
  if (released > 0) leading.pendingReads.splice(0, released)
  if (confirmed >= leading.readRound) startRound(raft, leading)
}

/** False when too many reads wait. */
function admitRead(raft: RaftState, leading: Leadership, readId: ReadId, from: NodeId | null): boolean {
  const waiting = leading.heldReads.length + leading.pendingReads.length
  if (waiting >= raft.options.limits.pendingReadsMax) return false
  if (!hasCommittedInTerm(raft, leading)) {
    leading.heldReads.push({ readId, from })
    return true
  }
  const roundOpen = leading.pendingReads.length > 0
  enqueue(raft, leading, readId, from)
  if (!roundOpen) startRound(raft, leading)
  return true
}

function enqueue(raft: RaftState, leading: Leadership, readId: ReadId, from: NodeId | null): void {
  leading.readPosition++
  leading.pendingReads.push({ readId, from, position: leading.readPosition, index: raft.commitIndex })
}

/** Asks every peer to confirm all positions given so far. Alone, a voter confirms by itself. */
function startRound(raft: RaftState, leading: Leadership): void {
  if (leading.pendingReads.length === 0) return
  leading.readRound = leading.readPosition
  if (committedIndex(raft.quorum, leading.readPositionOf) >= leading.readPosition) {
    for (const read of leading.pendingReads.splice(0)) release(raft, read)
    return
  }
  broadcastHeartbeat(raft, leading)
}

function release(raft: RaftState, read: PendingRead): void {
  if (read.from === null) raft.emit({ type: 'readReady', readId: read.readId, index: read.index })
  else reply(raft, read.from, read.readId, read.index)
}

function reply(raft: RaftState, to: NodeId, readId: ReadId, index: LogIndex): void {
  raft.send(to, { type: 'readIndexReply', epoch: raft.epoch, term: raft.term, readId, index })
}
