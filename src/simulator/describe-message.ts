/** What messages say, in short, for the trace. */
import type { ProtocolMessage } from '../consensus/core.js'
import type { HybridMessage } from '../consensus/hybrid/messages.js'
import type { TraceFields } from './trace.js'

export function describeMessage(message: ProtocolMessage): TraceFields {
  const fields = { message: message.type, ...('term' in message ? { term: message.term } : {}) }
  switch (message.type) {
    case 'appendEntries':
      return { ...fields, prev: message.prevIndex, entries: message.entries.length, commit: message.commitIndex }
    case 'appendEntriesReply':
      return { ...fields, success: message.success, match: message.matchIndex }
    case 'preVoteReply':
    case 'requestVoteReply':
      return { ...fields, granted: message.granted }
    case 'heartbeat':
      return { ...fields, commit: message.commitIndex }
    case 'pbftPrePrepare':
    case 'pbftViewChange':
    case 'pbftNewView':
      return { ...fields, view: message.vote.view, sequence: message.vote.sequence }
    case 'pbftVote':
    case 'hsVote': {
      const { type, view, sequence } = message.vote
      return { ...fields, what: type, view, sequence }
    }
    case 'hsProposal': {
      const { round, index, kind: what } = message.header
      return { ...fields, round, index, what }
    }
    case 'hsTimeout':
      return { ...fields, round: message.timeout.view }
    case 'pbftStatus':
      return { ...fields, view: message.view, last: message.lastIndex }
    case 'hsStatus':
      return { ...fields, round: message.round, last: message.committedIndex }
    case 'hybridAppend':
    case 'hybridAck':
    case 'hybridVoteRequest':
    case 'hybridGrant':
    case 'hybridVote':
    case 'hybridHandOver':
      return { ...fields, ...describeHybrid(message) }
    default:
      return fields
  }
}

function describeHybrid(message: HybridMessage): TraceFields {
  switch (message.type) {
    case 'hybridAppend': {
      const { term, prevIndex: prev, entries } = message.append
      return { term, prev, entries: entries.length }
    }
    case 'hybridAck':
      return { term: message.reply.term, success: message.reply.success, match: message.reply.matchIndex }
    case 'hybridVoteRequest':
      return { term: message.request.term, tip: message.tip.index }
    case 'hybridGrant':
      return { term: message.reply.term, granted: message.reply.granted }
    case 'hybridVote':
      return { what: message.vote.type, term: message.vote.view }
    case 'hybridHandOver':
      return { what: message.message.type }
    default:
      return {}
  }
}
