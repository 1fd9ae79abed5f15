/**
 * What ingress asks before a message reaches the core: whether a verification is worth it, and which
 * signatures the message claims. Votes are verified up to the quorum only, but one that contradicts a
 * remembered statement always is. What is unsound by rules that need no signature has no checks at all.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import type { NodeId } from '../../types.js'
import { type Certificate, certificateChecks, certificateProblem } from '../certificate.js'
import { checkpointStatement } from '../checkpoints.js'
import type { SignatureCheck } from '../checks.js'
import { NO_CHECKS } from '../checks.js'
import type { ProofRules } from '../entry-proof.js'
import type { EpochContext } from '../epoch.js'
import { hasMembers, walkSteps } from '../epoch-chain.js'
import { type SignedStatement, sameStatement } from '../statement.js'
import { signedProposal } from './accusations.js'
import { bodyMatches } from './block.js'
import {
  extraRound,
  isCanonical,
  justifies,
  type Qc,
  qcChecks,
  qcProblem,
  qcRound,
  sameQc,
  sameTc,
  signedCheck,
  type Tc,
  tcChecks,
  tcProblem,
} from './certificates.js'
import type {
  BlockParts,
  HotStuffMessage,
  HsBlocks,
  HsEntries,
  HsSnapshot,
  HsTimeout,
  SignedHeader,
} from './messages.js'
import { all, type Checks, evidenceMessageChecks, payloadChecks } from './payload-checks.js'
import { decodeProof, placeChecks, verifyHotStuffEntryCertificate } from './proof.js'
import type { HotStuffState } from './state.js'
import { provenRound } from './timeouts.js'
import { beginningOf, isWantedSnapshot } from './transfer.js'

export function interestIn(hs: HotStuffState, from: NodeId, message: HotStuffMessage): 'verify' | 'keep' | 'drop' {
  switch (message.type) {
    case 'hsStatus':
    case 'hsRejoin':
    case 'hsFetchEntries':
      // A node that joins, or is an epoch behind, may ask too.
      return 'keep'
    case 'hsFetchBlocks':
      return message.epoch === hs.epoch ? 'keep' : 'drop'
    case 'hsEntries': {
      const isOfNext = hs.ending !== null && message.epoch === hs.epoch + 1
      const isNext = message.entries.some(({ index }) => index === hs.log.last.index + 1)
      return isNext && (message.epoch === hs.epoch || isOfNext) ? 'verify' : 'drop'
    }
    case 'hsSnapshot':
      return isWantedSnapshot(hs, from, message.snapshot) ? 'verify' : 'drop'
    case 'hsEpochEnd':
      return message.checkpoint.statement.epoch === hs.epoch && hs.replicas.has(from) ? 'verify' : 'drop'
    case 'hsBlocks': {
      const { wanted } = hs.sync
      return message.epoch === hs.epoch && wanted !== null && bytesEqual(message.hash, wanted.next) ? 'verify' : 'drop'
    }
    default:
      return hs.replicas.has(from) && isWanted(hs, message) ? 'verify' : 'drop'
  }
}

type Signed = Exclude<
  HotStuffMessage,
  {
    type:
      | 'hsStatus'
      | 'hsRejoin'
      | 'hsFetchEntries'
      | 'hsFetchBlocks'
      | 'hsEntries'
      | 'hsSnapshot'
      | 'hsEpochEnd'
      | 'hsBlocks'
  }
>

function isWanted(hs: HotStuffState, message: Signed): boolean {
  const { root } = hs.tree
  switch (message.type) {
    case 'hsProposal':
      return message.header.epoch === hs.epoch && message.header.round > root.header.round
    case 'hsVote': {
      const { vote } = message
      const needed = vote.view > qcRound(hs.highQc) && (hs.votes.get(vote.signer)?.view ?? 0) < vote.view
      return vote.epoch === hs.epoch && (needed || contradicts(hs, vote))
    }
    case 'hsTimeout':
      return message.timeout.epoch === hs.epoch
    case 'hsAdvance': {
      const { qc, tc } = message
      return qc.statement.epoch === hs.epoch && (qcRound(qc) > qcRound(hs.highQc) || (tc?.round ?? 0) >= hs.round)
    }
    case 'hsStanding':
      return hs.rejoin?.nonce === message.nonce && message.qc.statement.epoch === hs.epoch
    case 'hsCheckpoint':
      return message.checkpoint.epoch === hs.epoch && message.checkpoint.sequence > hs.checkpoints.stableIndex
    case 'hsEvidence':
      return message.epoch === hs.epoch
  }
}

function contradicts(hs: HotStuffState, statement: SignedStatement): boolean {
  const before = hs.book.before(statement.signer, statement)
  return before !== undefined && !bytesEqual(before.digest, statement.digest)
}

/** The signatures that a message claims; null where it is unsound whatever they are. */
export function checksOf(hs: HotStuffState, from: NodeId, message: HotStuffMessage): Checks {
  try {
    return claimed(hs, from, message)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

function claimed(hs: HotStuffState, from: NodeId, message: HotStuffMessage): Checks {
  switch (message.type) {
    case 'hsProposal':
      return message.header.proposer === from ? proposalChecks(hs, message) : null
    case 'hsVote':
      return message.vote.signer === from && message.vote.type === 'vote' ? own(hs, message.vote) : null
    case 'hsTimeout':
      return timeoutChecks(hs, from, message)
    case 'hsAdvance':
    case 'hsStanding':
      return all([qc(hs, message.qc), tc(hs, message.tc)])
    case 'hsBlocks':
      return blocksChecks(hs, message)
    case 'hsEntries':
      return message.epoch === hs.epoch ? entriesChecks(hs, message) : boundaryChecks(hs, message)
    case 'hsSnapshot':
      return snapshotChecks(hs, message)
    case 'hsCheckpoint': {
      const { checkpoint } = message
      const isSound = checkpoint.signer === from && checkpoint.type === 'checkpoint' && checkpoint.view === 0
      return isSound && checkpoint.mode === 'hotstuff' ? list(signedCheck(hs.context, hs.replicas, checkpoint)) : null
    }
    case 'hsEpochEnd':
      return checkpointChecks(hs, message.checkpoint)
    case 'hsEvidence':
      return evidenceMessageChecks(hs, message)
    default:
      return NO_CHECKS
  }
}

function list(check: SignatureCheck | null): Checks {
  return check === null ? null : [check]
}

function own(hs: HotStuffState, signed: SignedStatement): Checks {
  return isCanonical(signed) ? list(signedCheck(hs.context, hs.replicas, signed)) : null
}

/** A certificate that is held here, byte for byte, was verified when it came. */
function qc(hs: HotStuffState, certificate: Qc): Checks {
  if (qcProblem(hs.replicas, hs.genesisQc, certificate) !== null) return null
  if (sameQc(certificate, hs.highQc)) return NO_CHECKS
  return withoutOwn(hs, certificate, qcChecks(hs.context, hs.replicas, certificate))
}

/** The vote in it that this node signed itself needs no check. */
function withoutOwn(hs: HotStuffState, { statement }: Qc, checks: readonly SignatureCheck[]): Checks {
  const vote = hs.safety.data.lastVote
  const key = hs.replicas.publicKeyOf(hs.self)
  if (vote === null || key === null || !sameStatement(vote, statement)) return checks
  return checks.filter(
    ({ publicKey, signature }) => !bytesEqual(publicKey, key) || !bytesEqual(signature, vote.signature),
  )
}

function tc(hs: HotStuffState, certificate: Tc | null): Checks {
  if (certificate === null) return NO_CHECKS
  if (tcProblem(hs.replicas, hs.epoch, certificate) !== null) return null
  return sameTc(hs.tc, certificate) ? NO_CHECKS : tcChecks(hs.context, hs.replicas, certificate)
}

/** What every block has to satisfy, whoever sends it. */
function isSoundBlock(hs: HotStuffState, { header, body, justify, tc: led }: BlockParts): boolean {
  const { limits } = hs.options
  if (header.epoch !== hs.epoch || header.round <= header.parentRound || body.length > limits.bodyBytesMax) return false
  if (!justifies(justify, header) || !hs.replicas.has(header.proposer)) return false
  if (header.parentRound !== header.round - 1 && led?.round !== header.round - 1) return false
  return bodyMatches(hs.modules.sha256, header, body)
}

function proposalChecks(hs: HotStuffState, message: Extract<HotStuffMessage, { type: 'hsProposal' }>): Checks {
  if (!isSoundBlock(hs, message)) return null
  const { header } = message
  const isDirect = header.parentRound === header.round - 1
  if (isDirect && message.tc !== null) return null
  const statement = signedProposal(hs, message)
  return all([own(hs, statement), qc(hs, message.justify), tc(hs, message.tc), payloadChecks(hs, message)])
}

function timeoutChecks(hs: HotStuffState, from: NodeId, message: HsTimeout): Checks {
  const { timeout, highQc, tc: led, lastVote, lastBlock } = message
  if (timeout.signer !== from || timeout.type !== 'timeout' || !provenRound(message)) return null
  if (qcRound(highQc) !== extraRound(timeout) || qcRound(highQc) >= timeout.view) return null
  if (lastVote !== null && (lastVote.signer !== from || lastVote.type !== 'vote')) return null
  const vote = lastVote === null ? NO_CHECKS : own(hs, lastVote)
  return all([own(hs, timeout), qc(hs, highQc), tc(hs, led), vote, votedBlock(hs, lastVote, lastBlock)])
}

/** The block of a last vote is exactly the one that was voted for. */
function votedBlock(hs: HotStuffState, vote: SignedStatement | null, block: SignedHeader | null): Checks {
  if (block === null) return NO_CHECKS
  const proposal = signedProposal(hs, block)
  const isVoted = vote !== null && bytesEqual(vote.digest, proposal.digest) && proposal.epoch === hs.epoch
  return isVoted ? own(hs, proposal) : null
}

function blocksChecks(hs: HotStuffState, { blocks }: HsBlocks): Checks {
  return all(
    blocks.map((block) => {
      const sound = isSoundBlock(hs, { ...block, tc: block.tc ?? skipped(block) })
      return sound ? qc(hs, block.justify) : null
    }),
  )
}

/** A certified ancestor needs no TC any more: that a quorum voted for it says enough. */
function skipped({ header }: BlockParts): Tc {
  return { epoch: header.epoch, round: header.round - 1, entries: [] }
}

function entriesChecks(hs: HotStuffState, { entries, epoch }: HsEntries): Checks {
  const { context, replicas, rule, modules } = hs
  const proofContext = { sha256: modules.sha256, context, replicas, commitRule: rule.length }
  return all(
    entries.map((entry) => {
      if (entry.epoch !== epoch) return null
      if (!bodyMatches(modules.sha256, { ...headerOf(entry.certificate), batchDigest: entry.batchDigest }, entry.body))
        return null
      return verifyHotStuffEntryCertificate(proofContext, entry)
    }),
  )
}

/** Of the entries of the next epoch only the certificate of its beginning can be verified, in INIT. */
function boundaryChecks(hs: HotStuffState, { entries }: HsEntries): Checks {
  const certificate = beginningOf(entries)
  return certificate === null ? null : checkpointChecks(hs, certificate)
}

function checkpointChecks(hs: HotStuffState, certificate: Certificate): Checks {
  const { type, mode, view, epoch } = certificate.statement
  const isSound = type === 'checkpoint' && mode === 'hotstuff' && view === 0 && epoch === hs.epoch
  if (!isSound || certificateProblem(hs.replicas, certificate) !== null) return null
  return certificateChecks(hs.context, hs.replicas, certificate)
}

function headerOf(certificate: Uint8Array | null): BlockParts['header'] {
  if (certificate === null) throw new KnhkError('ProtocolViolation', 'an entry without a commit proof')
  return decodeProof(certificate).headers[0] as BlockParts['header']
}

/** Members that are known lead by their steps to those who certified the snapshot. */
function snapshotChecks(hs: HotStuffState, { checkpoint, snapshot, proof, steps }: HsSnapshot): Checks {
  const { base } = snapshot
  const { options, modules, rule } = hs
  const { clusterId, clusterConfigHash } = options
  const ports = { sha256: modules.sha256, clusterId, clusterConfigHash }
  const rules: ProofRules = { protocol: 'hotstuff', settings: { commitRule: rule.length } }
  const chain = walkSteps(ports, rules, hs.epochContext, steps)
  if (typeof chain === 'string') return null
  const last = chain.contexts.at(-1) as EpochContext
  // Taken at the end of an epoch: that one certified it, and the next begins behind it.
  const context = last.origin.index === base.index ? chain.contexts.at(-2) : last
  if (context === undefined || last.origin.index > base.index) return null
  if (!hasMembers(base, last.record, options.membership)) return null
  const { sign, replicas, epoch } = context
  const { statement } = checkpoint
  const expected = checkpointStatement({ mode: 'hotstuff', epoch, index: base.index }, statement.digest, base.chain)
  if (!sameStatement(statement, expected) || certificateProblem(replicas, checkpoint) !== null) return null
  const proofContext = { sha256: modules.sha256, context: sign, replicas, commitRule: rule.length }
  const place = { index: base.index, epoch, timestampMs: base.timestampMs }
  return all([chain.checks, certificateChecks(sign, replicas, checkpoint), placeChecks(proofContext, place, proof)])
}
