/** What messages say, in short, for the trace. */
import type { ProtocolMessage } from '../consensus/core.js'
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
    default:
      return fields
  }
}
