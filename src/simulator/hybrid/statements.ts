/**
 * The signed statements that a member of a hybrid holds against each other when a message brings them:
 * what is said of the epoch that it is in, by the types of messages that it looks at there. Suspicions and
 * PANICs are not among them: of each member the newest counts.
 */
import type { SignedStatement } from '../../consensus/bft/statement.js'
import type { ProtocolMessage } from '../../consensus/core.js'

/** `isLeaving`: it has aborted the epoch, and only looks at what others left it with. */
export function comparedIn(message: ProtocolMessage, epoch: number, isLeaving: boolean): readonly SignedStatement[] {
  return said(message, isLeaving).filter(
    (statement) => statement !== null && statement.epoch === epoch,
  ) as SignedStatement[]
}

function said(message: ProtocolMessage, isLeaving: boolean): readonly (SignedStatement | null)[] {
  if (message.type === 'hybridHistory') return [message.history.vote, message.history.header]
  if (isLeaving) return []
  switch (message.type) {
    case 'hybridAppend':
      return [message.header]
    case 'hybridAck':
      return [message.ack]
    case 'hybridGrant':
      return [message.grant]
    case 'hybridVoteRequest':
      return [message.header]
    default:
      return []
  }
}
