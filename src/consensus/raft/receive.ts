/**
 * What the term of a message means (Raft paper, 5.1) before its own rule sees it. A higher term is
 * entered, unless the message may not move terms; a lower one is answered where the answer can free a
 * node that is stuck, and otherwise dropped.
 */
import { unreachable } from '../../base/assert.js'
import type { LogIndex, NodeId } from '../types.js'
import { handleAppendEntries, refuse } from './appends.js'
import { handleDiverged } from './divergence.js'
import { answerVote, handlePreVote, handlePreVoteReply, handleRequestVote, handleRequestVoteReply } from './election.js'
import { handleHeartbeat } from './heartbeat.js'
import type { MembershipHint, RaftMessage } from './messages.js'
import { handleReadIndexReply, handleReadIndexRequest } from './reads.js'
import { handleAppendReply, handleHeartbeatReply, handleInstallSnapshotReply } from './replies.js'
import { becomeFollower, leaderLives } from './roles.js'
import { handleInstallSnapshot } from './snapshots.js'
import type { RaftState } from './state.js'
import { handleTimeoutNow } from './transfer.js'

/** For the links only: who decides is what the own log says. */
function handleMembershipHint(raft: RaftState, { record }: MembershipHint): void {
  if (record.index > raft.memberships.current.index) raft.emit({ type: 'membershipHinted', record })
}

export function receive(raft: RaftState, from: NodeId, message: RaftMessage): void {
  if (message.epoch !== raft.epoch) return
  // PreVote and its grant name a term that nobody has entered yet; a refusal from behind is one all the same.
  if (message.type === 'preVote') {
    handlePreVote(raft, from, message)
    return
  }
  if (message.type === 'preVoteReply' && (message.granted || message.term <= raft.term)) {
    handlePreVoteReply(raft, from, message)
    return
  }
  if (message.term < raft.term) {
    receiveOlder(raft, from, message)
    return
  }
  // A vote request from a node that merely cannot hear the leader moves nothing (thesis, 4.2.3).
  if (message.type === 'requestVote' && !message.transfer && leaderLives(raft)) return
  if (message.term > raft.term) becomeFollower(raft, message.term, null)
  receiveCurrent(raft, from, message)
}

/** Answers from the past are dropped; leaders and candidates of the past learn the present term. */
function receiveOlder(raft: RaftState, from: NodeId, message: RaftMessage): void {
  switch (message.type) {
    case 'appendEntries':
      refuse(raft, from, message, null)
      return
    case 'heartbeat': {
      const wallMs = Math.floor(raft.now.wallMs)
      raft.send(from, {
        type: 'heartbeatReply',
        epoch: raft.epoch,
        term: raft.term,
        readPosition: 0,
        wallMs,
        digestIndex: 0 as LogIndex,
        stateDigest: null,
      })
      return
    }
    case 'installSnapshot': {
      const [matchIndex, wallMs] = [0 as LogIndex, Math.floor(raft.now.wallMs)]
      raft.send(from, { type: 'installSnapshotReply', epoch: raft.epoch, term: raft.term, matchIndex, wallMs })
      return
    }
    case 'requestVote':
      answerVote(raft, from, false)
      return
    case 'readIndexRequest': {
      const index = 0 as LogIndex
      raft.send(from, { type: 'readIndexReply', epoch: raft.epoch, term: raft.term, readId: message.readId, index })
      return
    }
    default:
  }
}

function receiveCurrent(raft: RaftState, from: NodeId, message: RaftMessage): void {
  const { leading } = raft
  const peer = leading?.peer(from)
  switch (message.type) {
    case 'requestVote':
      return handleRequestVote(raft, from, message)
    case 'requestVoteReply':
      return handleRequestVoteReply(raft, from, message)
    case 'preVote':
      return handlePreVote(raft, from, message)
    case 'preVoteReply':
      return handlePreVoteReply(raft, from, message)
    case 'appendEntries':
      return handleAppendEntries(raft, from, message)
    case 'appendEntriesReply':
      if (leading !== null && peer !== undefined) handleAppendReply(raft, leading, peer, message)
      return
    case 'heartbeat':
      return handleHeartbeat(raft, from, message)
    case 'heartbeatReply':
      if (leading !== null && peer !== undefined) handleHeartbeatReply(raft, leading, peer, message)
      return
    case 'readIndexRequest':
      return handleReadIndexRequest(raft, from, message)
    case 'readIndexReply':
      return handleReadIndexReply(raft, message)
    case 'timeoutNow':
      return handleTimeoutNow(raft, from)
    case 'membershipHint':
      return handleMembershipHint(raft, message)
    case 'diverged':
      return handleDiverged(raft, message)
    case 'installSnapshot':
      return handleInstallSnapshot(raft, from, message)
    case 'installSnapshotReply':
      if (leading !== null && peer !== undefined) handleInstallSnapshotReply(raft, leading, peer, message)
      return
    default:
      unreachable(message, 'message')
  }
}
