/**
 * What a liar says without being asked, or before it is true: its vote to whoever campaigns, and
 * acknowledgements of entries that it has not stored. And what it makes of Raft's own messages, which
 * nobody signs.
 */
import type { ProtocolMessage } from '../../consensus/core.js'
import type { HybridMessage } from '../../consensus/hybrid/messages.js'
import { grantStatement, positionStatement } from '../../consensus/hybrid/positions.js'
import type { LogIndex, NodeId, Term } from '../../consensus/types.js'
import type { LiarKey } from '../byzantine/liar-key.js'
import type { Lie } from '../byzantine/lies.js'

/** Its answers to what it heard from `from`; none for the truth. */
export function outOfTurn(key: LiarKey, lie: Lie | null, from: NodeId, message: ProtocolMessage): HybridMessage[] {
  if (lie === 'equivocate' && message.type === 'hybridVoteRequest') {
    const { request, tip } = message
    const { epoch, term } = request
    const grant = key.sign(grantStatement(key.sha256, epoch, term, from, tip))
    const reply = { type: 'requestVoteReply', epoch, term, granted: true, wallMs: 0 } as const
    return [{ type: 'hybridGrant', reply, grant }]
  }
  if (lie === 'lieInTransfer' && message.type === 'hybridAppend') {
    const { append, header } = message
    const { epoch, term, prevIndex, readPosition } = append
    const index = (prevIndex + append.entries.length) as LogIndex
    const ack = key.sign(positionStatement('ack', epoch, { term, index, hash: header.digest }))
    const hint = { hintIndex: 0 as LogIndex, hintEpoch: epoch, hintTerm: 0 as Term, readPosition, wallMs: 0 }
    const reply = {
      type: 'appendEntriesReply',
      epoch,
      term,
      success: true,
      prevIndex,
      matchIndex: index,
      ...hint,
    } as const
    return [{ type: 'hybridAck', reply, ack, held: null }]
  }
  return []
}

/** What nobody signs can be anything: commit indexes, terms, votes that were never asked for. */
export function unsigned(lie: Lie, message: ProtocolMessage): ProtocolMessage[] {
  if (lie === 'silence') return []
  if (lie !== 'tamper' && lie !== 'lieInTransfer' && lie !== 'flood') return [message]
  switch (message.type) {
    case 'heartbeat': {
      const far = (message.commitIndex + 1000) as LogIndex
      return [{ ...message, commitIndex: far, acknowledgedIndex: far, lastIndex: far }]
    }
    case 'heartbeatReply':
      return [{ ...message, term: (message.term + 7) as Term }]
    case 'preVote':
      return [{ ...message, lastTerm: (message.lastTerm + 5) as Term, lastIndex: (message.lastIndex + 9) as LogIndex }]
    case 'preVoteReply':
      return [{ ...message, granted: !message.granted }]
    case 'readIndexReply':
      return [{ ...message, index: (message.index + 1000) as LogIndex }]
    default:
      return [message]
  }
}
