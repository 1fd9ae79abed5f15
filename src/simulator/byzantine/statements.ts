/** The signed statements that a message makes by itself, whoever signed them; those inside certificates left out. */
import { hashHeader } from '../../consensus/bft/hotstuff/block.js'
import { proposalStatement } from '../../consensus/bft/hotstuff/certificates.js'
import { isHotStuff } from '../../consensus/bft/hotstuff/index.js'
import type { HotStuffMessage, SignedHeader } from '../../consensus/bft/hotstuff/messages.js'
import { isPbft, type PbftMessage } from '../../consensus/bft/pbft/index.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import type { ProtocolMessage } from '../../consensus/core.js'
import type { Sha256 } from '../../consensus/entry.js'

export function statementsIn(sha256: Sha256, message: ProtocolMessage): readonly SignedStatement[] {
  if (isPbft(message)) return ofPbft(message)
  return isHotStuff(message) ? ofHotStuff(sha256, message) : []
}

function ofPbft(message: PbftMessage): readonly SignedStatement[] {
  switch (message.type) {
    case 'pbftPrePrepare':
    case 'pbftVote':
    case 'pbftViewChange':
    case 'pbftNewView':
      return [message.vote]
    default:
      return []
  }
}

function ofHotStuff(sha256: Sha256, message: HotStuffMessage): readonly SignedStatement[] {
  switch (message.type) {
    case 'hsProposal':
      return [proposed(sha256, message)]
    case 'hsVote':
      return [message.vote]
    case 'hsTimeout': {
      const { timeout, lastVote, lastBlock } = message
      const block = lastBlock === null ? [] : [proposed(sha256, lastBlock)]
      return [timeout, ...(lastVote === null ? [] : [lastVote]), ...block]
    }
    case 'hsCheckpoint':
      return [message.checkpoint]
    default:
      return []
  }
}

function proposed(sha256: Sha256, { header, signature }: SignedHeader): SignedStatement {
  return { ...proposalStatement(hashHeader(sha256, header)), signer: header.proposer, signature }
}
