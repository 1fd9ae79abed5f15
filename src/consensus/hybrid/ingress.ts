/** Which epoch a message belongs to, and which signatures the messages between epochs claim. */
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SignatureCheck } from '../bft/checks.js'
import { evidenceChecks, evidenceProblem } from '../bft/evidence.js'
import { isHotStuff } from '../bft/hotstuff/codec.js'
import { isPbft } from '../bft/pbft/index.js'
import { signBytes } from '../bft/statement.js'
import type { ProtocolMessage } from '../core.js'
import type { Epoch } from '../types.js'
import { historyChecks, historyProblem } from './abort-history.js'
import { entriesProblem } from './fetched-labels.js'
import { checksOfBodies } from './hardened/checks.js'
import type { HybridCheckpoint, HybridMessage } from './messages.js'
import type { HybridState } from './state.js'
import { type EndingEpoch, switchChecks, switchResult } from './switch-certificate.js'

/** Null where a message belongs to none. */
export function epochOf(message: ProtocolMessage): Epoch | null {
  switch (message.type) {
    case 'hybridAppend':
      return message.append.epoch
    case 'hybridAck':
    case 'hybridGrant':
      return message.reply.epoch
    case 'hybridVoteRequest':
      return message.request.epoch
    case 'hybridVote':
      return message.vote.epoch
    case 'hybridEvidence':
      return message.evidence.epoch
    case 'hybridHistory':
      return message.history.epoch
    case 'hybridSwitch':
      return message.certificate.epoch
    case 'forwardRequests':
      return null
    default:
      return 'epoch' in message ? message.epoch : null
  }
}

/** Something that was said in an epoch that this node has not come to. */
export function isLater({ phase, start }: HybridState, message: ProtocolMessage): boolean {
  const isInside = phase.kind === 'byzantine' && (isPbft(message) || isHotStuff(message))
  return !isInside && (epochOf(message) ?? start.epoch) > start.epoch
}

/** A snapshot that leads into a later epoch, or to the end of the one that this node is leaving; inside an epoch its protocol takes its own. */
export function isJump(
  { phase }: HybridState,
  { snapshot, links }: Pick<HybridCheckpoint, 'snapshot' | 'links'>,
): boolean {
  return snapshot !== null && (links.length > 0 || phase.kind === 'leaving')
}

/** Null where a message is unsound by rules that need no signature. */
export function checksOfHybrid(ending: EndingEpoch, message: HybridMessage): readonly SignatureCheck[] | null {
  return soundly(() => checksOf(ending, message))
}

export function soundly(checks: () => readonly SignatureCheck[] | null): readonly SignatureCheck[] | null {
  try {
    return checks()
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

function checksOf(ending: EndingEpoch, message: HybridMessage): readonly SignatureCheck[] | null {
  const { raft } = ending
  const { clusterId } = raft.sign
  switch (message.type) {
    case 'hybridVote': {
      const { vote } = message
      const publicKey = raft.replicas.publicKeyOf(vote.signer)
      const isVote =
        vote.mode === 'raft' && (vote.type === 'panic' || vote.type === 'suspect' || vote.type === 'header')
      if (publicKey === null || !isVote) return null
      return [{ publicKey, bytes: signBytes(raft.sign, vote), signature: vote.signature }]
    }
    case 'hybridEvidence': {
      const { evidence } = message
      const isOfThis = evidence.epoch === raft.epoch && bytesEqual(evidence.configHash, raft.sign.configHash)
      if (!isOfThis || evidenceProblem(raft.sha256, raft.replicas, evidence) !== null) return null
      return evidenceChecks(clusterId, raft.replicas, evidence)
    }
    case 'hybridHistory':
      return historyProblem(raft, message.history) === null ? historyChecks(raft, message.history) : null
    case 'hybridSwitch':
      return typeof switchResult(ending, message.certificate) === 'string'
        ? null
        : switchChecks(ending, message.certificate)
    case 'hybridEntries':
      return entriesProblem(raft, message.entries) === null
        ? checksOfBodies(raft, ending.configuredAt, message.entries)
        : null
    default:
      return null
  }
}
