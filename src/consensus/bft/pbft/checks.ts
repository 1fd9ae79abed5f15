/**
 * Which signatures a message claims, and whether it is sound by rules that need none: null where it is
 * not, and then its sender is at fault, whatever names stand inside.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { computeBatchDigest } from '../../batch-digest.js'
import type { Entry } from '../../entry.js'
import type { NodeId } from '../../types.js'
import { type Certificate, certificateChecks, certificateProblem } from '../certificate.js'
import { changeCheck } from '../change-authority.js'
import { NO_CHECKS, type SignatureCheck } from '../checks.js'
import { bodyChecks } from '../client-request.js'
import type { ProofRules } from '../entry-proof.js'
import type { EpochContext } from '../epoch.js'
import { hasMembers, walkSteps } from '../epoch-chain.js'
import { decodeEvidence, type Evidence, evidenceChecks, evidenceProblem } from '../evidence.js'
import { decodeInit } from '../init.js'
import { isModeChange } from '../mode-change.js'
import { conflicts, type SignedStatement, signBytes } from '../statement.js'
import { onlyRequestIn } from './body.js'
import { verifyPbftEntryCertificate } from './decision-proof.js'
import { isTestimony } from './interest.js'
import type {
  CertificateMessage,
  Decided,
  NewView,
  Offer,
  PbftMessage,
  PrePrepare,
  Value,
  ViewChange,
} from './messages.js'
import { newViewProblem, viewChangeProblem } from './new-view.js'
import { changePlace, isNextInit } from './reconfigure.js'
import type { PbftState } from './state.js'
import { checkpointProblem, statementProblem } from './statement-rules.js'
import { digestOf } from './value.js'
import { newViewJudge } from './wrong-new-view.js'

type Checks = readonly SignatureCheck[] | null

/** The rules of proofs of this protocol. */
const PROOF_RULES: ProofRules = { protocol: 'pbft', settings: { commitRule: null } }

export function checksOf(state: PbftState, from: NodeId, message: PbftMessage): Checks {
  try {
    return checksOfMessage(state, from, message)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

function checksOfMessage(state: PbftState, from: NodeId, message: PbftMessage): Checks {
  switch (message.type) {
    case 'pbftPrePrepare':
      return checksOfProposal(state, message)
    case 'pbftVote':
      return message.vote.signer === from || isTestimony(state, from, message.vote)
        ? checksOfVote(state, message, message.vote)
        : null
    case 'pbftCertificate':
      return checksOfCertificate(state, message)
    case 'pbftViewChange':
      return message.vote.signer === from ? checksOfViewChange(state, message) : null
    case 'pbftNewView':
      return checksOfNewView(state, message)
    case 'pbftDecided':
      return checksOfDecided(state, message)
    case 'pbftOffer':
      return checksOfOffer(state, message)
    case 'pbftEvidence':
      return checksOfEvidence(state, message.evidence)
    case 'pbftStatus':
    case 'pbftFetch':
    case 'pbftValue':
      return NO_CHECKS
  }
}

function signatureOf(state: PbftState, vote: SignedStatement): SignatureCheck {
  const publicKey = state.context.replicas.publicKeyOf(vote.signer)
  if (publicKey === null) throw new KnhkError('ProtocolViolation', 'a statement of a stranger')
  return { publicKey, bytes: signBytes(state.context.sign, vote), signature: vote.signature }
}

/** The vote itself, and the unverified statement that it contradicts: both or nothing. */
function withContradicted(state: PbftState, message: PbftMessage, vote: SignedStatement): SignatureCheck[] {
  const own = signatureOf(state, vote)
  const before = state.unverified.before(vote.signer, vote)
  if (before === undefined || !conflicts(before, vote)) return [own]
  state.verifiedAlong.set(message, before)
  return [own, signatureOf(state, before)]
}

function checksOfVote(state: PbftState, message: PbftMessage, vote: SignedStatement): Checks {
  const { context } = state
  if (vote.type === 'checkpoint') {
    const isSound = vote.mode === 'pbft' && vote.epoch === context.epoch && vote.view === 0
    return isSound ? withContradicted(state, message, vote) : null
  }
  if (vote.type !== 'prepare' && vote.type !== 'commit') return null
  if (statementProblem(context, vote, vote.type) !== null) return null
  return withContradicted(state, message, vote)
}

function checksOfProposal(state: PbftState, message: PrePrepare): Checks {
  const { vote, value } = message
  const { context, modules } = state
  if (statementProblem(context, vote, 'prepare') !== null || vote.signer !== context.primary(vote.view)) return null
  if (!bytesEqual(computeBatchDigest(modules.sha256, value.kind, value.body), value.batchDigest)) return null
  if (!bytesEqual(digestOf(modules.sha256, context, vote.sequence as never, value), vote.digest)) return null
  const inner = checksOfBody(state, value)
  return inner === null ? null : [...withContradicted(state, message, vote), ...inner]
}

/** What stands in a body was signed by others than the primary. */
function checksOfBody(state: PbftState, value: Value): Checks {
  const { kind, body } = value
  switch (kind) {
    case 'data':
      return bodyChecks(state.modules.sha256, state.options.clusterId, body)
    case 'evidence': {
      const bytes = onlyRequestIn(body)
      return bytes === null ? null : checksOfEvidence(state, decodeEvidence(bytes))
    }
    case 'mode':
      return isModeChange(value) ? (state.options.modeRules?.checks(body) ?? null) : checksOfInit(state, body)
    case 'membership':
      return [changeCheck(state.modules.sha256, changePlace(state), body)]
    case 'empty':
      return null
  }
}

function checksOfInit(state: PbftState, body: Uint8Array): Checks {
  const record = decodeInit(body)
  const { basis } = record
  if (basis.kind === 'genesis') return NO_CHECKS
  if (basis.kind === 'handOver') return state.options.handOver?.validate(record, basis.proof) ?? null
  const { previous } = state
  if (previous === null || checkpointProblem(previous.context, basis.certificate) !== null) return null
  return certificateChecks(previous.context.sign, previous.context.replicas, basis.certificate)
}

function checksOfEvidence(state: PbftState, evidence: Evidence): Checks {
  const { context, options, modules } = state
  if (!bytesEqual(evidence.configHash, context.sign.configHash)) return null
  if (evidenceProblem(modules.sha256, context.replicas, evidence, newViewJudge(modules.sha256, context)) !== null)
    return null
  return evidenceChecks(options.clusterId, context.replicas, evidence)
}

function signaturesOf(state: PbftState, certificate: Certificate): readonly SignatureCheck[] {
  if (state.verified.has(certificate)) return NO_CHECKS
  return certificateChecks(state.context.sign, state.context.replicas, certificate)
}

function checksOfCertificate(state: PbftState, { certificate }: CertificateMessage): Checks {
  const { context } = state
  const { type } = certificate.statement
  if (type === 'checkpoint') {
    return checkpointProblem(context, certificate) === null ? signaturesOf(state, certificate) : null
  }
  if (type !== 'commit' || statementProblem(context, certificate.statement, type) !== null) return null
  return certificateProblem(context.replicas, certificate) === null ? signaturesOf(state, certificate) : null
}

function checksOfViewChange(state: PbftState, message: ViewChange): Checks {
  const { modules, context, options } = state
  if (viewChangeProblem(modules.sha256, context, options.settings.windowSlots, message) !== null) return null
  return [...withContradicted(state, message, message.vote), ...checksInside(state, message)]
}

function checksInside(state: PbftState, { stable, prepared }: ViewChange): SignatureCheck[] {
  const certificates = stable === null ? prepared : [stable, ...prepared]
  return certificates.flatMap((certificate) => signaturesOf(state, certificate))
}

function checksOfNewView(state: PbftState, message: NewView): Checks {
  const { modules, context, options } = state
  if (newViewProblem(modules.sha256, context, options.settings.windowSlots, message) !== null) return null
  const checks = withContradicted(state, message, message.vote)
  for (const viewChange of message.viewChanges) {
    // Held and verified already: the digest binds the same content, the signature is the same bytes.
    const held = state.viewChanges.get(viewChange.vote.signer)
    const isHeld =
      held !== undefined &&
      bytesEqual(held.vote.digest, viewChange.vote.digest) &&
      bytesEqual(held.vote.signature, viewChange.vote.signature)
    if (!isHeld) checks.push(signatureOf(state, viewChange.vote), ...checksInside(state, viewChange))
  }
  return checks
}

function checksOfDecided(state: PbftState, { entries }: Decided): Checks {
  const { context, modules, log } = state
  if (!isOneRun(entries)) return null
  const checks: SignatureCheck[] = []
  for (const entry of entries) {
    if (entry.index <= log.lastIndex) continue
    if (entry.certificate === null) return null
    if (!bytesEqual(computeBatchDigest(modules.sha256, entry.kind, entry.body), entry.batchDigest)) return null
    if (entry.epoch !== context.epoch) return checksOfNextInit(state, entry)
    const verdict = verifyPbftEntryCertificate(modules.sha256, context, entry, entry.certificate)
    if (verdict.problem !== null) return null
    checks.push(...verdict.checks)
  }
  return checks
}

/** Nobody honest gives entries with gaps, or of two epochs at once: what is skipped here vouches for nothing. */
function isOneRun(entries: readonly Entry[]): boolean {
  const first = entries[0]
  return (
    first !== undefined && entries.every(({ index, epoch }, at) => index === first.index + at && epoch === first.epoch)
  )
}

/** INIT of the next epoch carries the checkpoint that ended this one: that is all that counts of it here. */
function checksOfNextInit(state: PbftState, init: Entry): Checks {
  if (!isNextInit(state, init)) return null
  const { basis } = decodeInit(init.body)
  if (basis.kind !== 'checkpoint' || basis.certificate.statement.sequence !== state.ending?.index) return null
  return checkpointProblem(state.context, basis.certificate) === null ? signaturesOf(state, basis.certificate) : null
}

function checksOfOffer(state: PbftState, { snapshot, certificate, steps }: Offer): Checks {
  const { statement } = certificate
  const { base } = snapshot
  const chain = walkSteps(state.ports, PROOF_RULES, state.context, steps)
  if (typeof chain === 'string') return null
  const last = chain.contexts.at(-1) as EpochContext
  // A checkpoint that ended an epoch was signed by the replicas of that epoch.
  const context = last.origin.index === base.index ? (chain.contexts.at(-2) ?? state.previous?.context) : last
  const isOfIt = statement.sequence === base.index && bytesEqual(statement.extra, base.chain)
  if (context === undefined || !isOfIt || checkpointProblem(context, certificate) !== null) return null
  // The donor wrote the file: who the members are is told by the steps alone.
  if (!hasMembers(base, last.record, state.options.membership)) return null
  return [...chain.checks, ...certificateChecks(context.sign, context.replicas, certificate)]
}
