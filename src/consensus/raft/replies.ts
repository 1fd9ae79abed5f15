/**
 * What a leader does with the answers of its peers. Only answers of its own term reach this file; each
 * one, whatever it says, is a sign of contact and confirms the read position that it echoes.
 */
import { continueChange } from './changes.js'
import { advanceCommit } from './commit.js'
import { compareDigests } from './divergence.js'
import { sendHeartbeat } from './heartbeat.js'
import type { Leadership } from './leadership.js'
import type { AppendEntriesReply, HeartbeatReply, InstallSnapshotReply } from './messages.js'
import type { Progress } from './progress.js'
import { continueReads, releaseHeldReads } from './reads.js'
import { replicate, replicateToAll, scheduleCommitPush, sendEmpty } from './replication.js'
import { offerSnapshot } from './snapshots.js'
import type { RaftState } from './state.js'
import { continueTransfer } from './transfer.js'

export function handleAppendReply(
  raft: RaftState,
  leading: Leadership,
  peer: Progress,
  message: AppendEntriesReply,
): void {
  noteContact(raft, leading, peer, message)
  if (message.success) {
    // A peer never acknowledges more than it was sent; whoever does is not believed.
    if (message.matchIndex > raft.log.lastIndex) return
    if (peer.acknowledged(message.matchIndex)) afterProgress(raft, leading)
    continueTransfer(raft, leading, peer)
  } else {
    const hint = { epoch: message.hintEpoch, term: message.hintTerm }
    const meetIndex = raft.log.skipConflict(message.hintIndex, hint)
    if (!peer.refused(message.prevIndex, meetIndex)) return
    // It no longer holds what it acknowledged: it hears so before it is given the entries again.
    if (peer.matchIndex < peer.acknowledgedIndex) sendHeartbeat(raft, leading, peer)
  }
  replicate(raft, leading, peer)
  if (peer.flow === 'probe' && !peer.probeSent) sendEmpty(raft, leading, peer)
  scheduleCommitPush(raft, leading)
}

export function handleHeartbeatReply(
  raft: RaftState,
  leading: Leadership,
  peer: Progress,
  message: HeartbeatReply,
): void {
  noteContact(raft, leading, peer, message)
  compareDigests(raft, leading, peer, message)
  if (raft.leading !== leading) return
  peer.heartbeatAnswered()
  if (peer.flow === 'snapshot') {
    offerSnapshot(raft, peer)
    return
  }
  // One append per heartbeat, even into a full window: where messages were lost it is refused, and the
  // flow starts over from what the peer really has.
  if (peer.flow === 'probe') {
    replicate(raft, leading, peer)
    if (!peer.probeSent) sendEmpty(raft, leading, peer)
  } else if (peer.matchIndex < raft.log.lastIndex) {
    const { nextIndex } = peer
    replicate(raft, leading, peer)
    if (peer.nextIndex === nextIndex) sendEmpty(raft, leading, peer)
  }
}

/** The peer's log begins at, or holds, the snapshot that it was offered. */
export function handleInstallSnapshotReply(
  raft: RaftState,
  leading: Leadership,
  peer: Progress,
  { matchIndex, wallMs }: InstallSnapshotReply,
): void {
  peer.lastContactMs = raft.now.monotonicMs
  raft.clocks.learn(peer.id, wallMs, raft.now)
  if (matchIndex > raft.log.lastIndex || peer.flow !== 'snapshot') return
  peer.installed(matchIndex)
  afterProgress(raft, leading)
  if (raft.leading !== leading) return
  replicate(raft, leading, peer)
  if (!peer.probeSent) sendEmpty(raft, leading, peer)
}

/** What may follow from more of the log being durable somewhere: commits, reads, more to send. */
export function afterProgress(raft: RaftState, leading: Leadership): void {
  if (!advanceCommit(raft, leading)) return
  releaseHeldReads(raft, leading)
  continueChange(raft, leading)
  if (raft.leading !== leading) return
  replicateToAll(raft, leading)
  scheduleCommitPush(raft, leading)
}

function noteContact(
  raft: RaftState,
  leading: Leadership,
  peer: Progress,
  message: AppendEntriesReply | HeartbeatReply,
): void {
  peer.lastContactMs = raft.now.monotonicMs
  raft.clocks.learn(peer.id, message.wallMs, raft.now)
  if (message.readPosition <= peer.readPosition || message.readPosition > leading.readPosition) return
  peer.readPosition = message.readPosition
  continueReads(raft, leading)
}
