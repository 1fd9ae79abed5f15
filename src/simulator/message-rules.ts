/**
 * What a node may say at all: no acknowledgement and no vote leaves before what it promises is on the
 * disk of its sender. Looked at as messages leave, against what the disk holds for certain.
 */
import type { ProtocolMessage } from '../consensus/core.js'
import type { NodeId } from '../consensus/types.js'
import type { SimulatedNode } from './node.js'
import { InvariantViolation } from './violation.js'

/** Throws `InvariantViolation`. */
export function checkMessage(sender: SimulatedNode, to: NodeId, message: ProtocolMessage): void {
  switch (message.type) {
    case 'appendEntriesReply':
      if (message.success) expectDurable(sender, message.matchIndex, message.term)
      return
    case 'installSnapshotReply':
      return expectDurable(sender, message.matchIndex, message.term)
    case 'requestVoteReply':
      if (message.granted) expectVote(sender, to, message.term)
      return
    default:
  }
}

/** A reply may be held until later writes are durable too: what a newer term did to them says nothing about it. */
function expectDurable(sender: SimulatedNode, index: number, term: number): void {
  const { last, hardState } = sender.durable
  if (index <= last || (hardState?.term ?? 0) > term) return
  throw new InvariantViolation(
    'acknowledgedIsDurable',
    `${sender.id} acknowledges index ${index}, and has ${last} on its disk`,
  )
}

function expectVote(sender: SimulatedNode, to: NodeId, term: number): void {
  const { hardState } = sender.durable
  const known = hardState?.term ?? 0
  if (known < term || (known === term && hardState?.votedFor !== to)) {
    const detail = `has a vote for ${hardState?.votedFor ?? 'nobody'} in term ${known} on its disk`
    throw new InvariantViolation('voteIsDurable', `${sender.id} votes for ${to} in term ${term}, and ${detail}`)
  }
  if (sender.isDamaged && sender.running?.core.status().mayVote === false)
    throw new InvariantViolation('damagedDoesNotVote', `${sender.id} votes although it may have lost what it promised`)
}
