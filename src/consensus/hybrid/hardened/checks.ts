/** Which signatures the messages of a hybrid Raft epoch claim; null where one is unsound without any. */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { computeBatchDigest } from '../../batch-digest.js'
import { type Certificate, certificateProblem } from '../../bft/certificate.js'
import type { SignatureCheck } from '../../bft/checks.js'
import { bodyChecks, type IsVerified } from '../../bft/client-request.js'
import { type SignedStatement, sameStatement, signBytes } from '../../bft/statement.js'
import type { Entry } from '../../entry.js'
import type { LogIndex, NodeId, Term } from '../../types.js'
import { orderCheck } from '../change-order.js'
import type { HybridAppend, HybridMessage } from '../messages.js'
import {
  checksOfCertificate,
  positionStatement,
  quorumProblem,
  type RaftEpoch,
  type TermCertificate,
  termOf,
  termProblem,
} from '../positions.js'
import { appendProblem } from './append-rules.js'
import { checkpointProblem } from './checkpoints.js'
import type { RaftRules } from './rules.js'
import type { HardenedOptions } from './state.js'
import { requestProblem } from './vote-rules.js'

type Checks = readonly SignatureCheck[] | null

interface Checking {
  readonly options: Pick<HardenedOptions, 'self' | 'epoch' | 'record'>
  readonly rules: Pick<RaftRules, 'made'>
}

/** Of the messages that only this epoch's Raft knows; undefined for others. */
export function raftChecks(
  raft: Checking,
  from: NodeId,
  message: HybridMessage,
  isVerified?: IsVerified,
): Checks | undefined {
  try {
    return checksOf(raft, from, message, isVerified)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

function checksOf(raft: Checking, from: NodeId, message: HybridMessage, isVerified?: IsVerified): Checks | undefined {
  const { epoch } = raft.options
  switch (message.type) {
    case 'hybridAppend':
      return checksOfAppend(raft, from, message, isVerified)
    case 'hybridAck': {
      const { ack, held } = message
      if (ack !== null && !isVote(epoch, 'ack', ack, from)) return null
      if (held !== null && !isVote(epoch, 'held', held, from)) return null
      return signed(epoch, [ack, held])
    }
    case 'hybridVoteRequest': {
      if (requestProblem(epoch, message) !== null) return null
      const certificates = [message.commit, message.termCertificate?.certificate ?? null]
      return [...certified(raft, certificates), ...signed(epoch, [message.header])]
    }
    case 'hybridGrant': {
      const { grant, reply } = message
      if (grant === null) return []
      const isGrant = grant.type === 'grant' && grant.mode === 'raft' && grant.view === reply.term
      return isGrant && grant.epoch === epoch.epoch && grant.signer === from ? signed(epoch, [grant]) : null
    }
    case 'hybridTerm':
      return isTermOf(epoch, message.termCertificate, from)
        ? certified(raft, [message.termCertificate.certificate])
        : null
    case 'hybridCommit': {
      const { commit, proof } = message
      if (quorumProblem(epoch, 'ack', commit) !== null) return null
      if (proof !== null && quorumProblem(epoch, 'held', proof) !== null) return null
      return certified(raft, [commit, proof])
    }
    case 'hybridHeld':
      return message.held === null || isVote(epoch, 'held', message.held, from) ? signed(epoch, [message.held]) : null
    case 'hybridCheckpoint': {
      const { own, certificate, commit } = message
      if (checkpointProblem(epoch, from, message) !== null) return null
      if (certificate !== null && certificateProblem(epoch.replicas, certificate) !== null) return null
      return [...signed(epoch, [own]), ...certified(raft, [certificate, commit])]
    }
    default:
      return undefined
  }
}

function checksOfAppend(raft: Checking, from: NodeId, message: HybridAppend, isVerified?: IsVerified): Checks {
  const { epoch, record } = raft.options
  const { append, header, termCertificate: term, commit, proof } = message
  if (appendProblem(epoch, epoch.sign.clusterId, message, from) !== null) return null
  if (term !== null && (!isTermOf(epoch, term, from) || termOf(term) !== append.term)) return null
  if (commit !== null && quorumProblem(epoch, 'ack', commit) !== null) return null
  if (proof !== null && quorumProblem(epoch, 'held', proof) !== null) return null
  const bodies = checksOfBodies(epoch, record.index, append.entries, isVerified)
  if (bodies === null) return null
  return [...signed(epoch, [header]), ...certified(raft, [term?.certificate ?? null, commit, proof]), ...bodies]
}

/** Bodies are what their digests say, and their requests what their clients signed. */
export function checksOfBodies(
  epoch: RaftEpoch,
  configuredAt: LogIndex,
  entries: readonly Entry[],
  isVerified?: IsVerified,
): SignatureCheck[] | null {
  const checks: SignatureCheck[] = []
  for (const { kind, body, batchDigest, epoch: of } of entries) {
    if (!bytesEqual(computeBatchDigest(epoch.sha256, kind, body), batchDigest)) return null
    const requests = kind === 'data' ? bodyChecks(epoch.sha256, epoch.sign.clusterId, body, isVerified) : []
    if (requests === null) return null
    checks.push(...requests)
    if (kind === 'membership' && of === epoch.epoch) checks.push(orderCheck(epoch, configuredAt, body))
  }
  return checks
}

function isTermOf(epoch: RaftEpoch, term: TermCertificate, leader: NodeId): boolean {
  return term.candidate === leader && termProblem(epoch, term) === null
}

function isVote(epoch: RaftEpoch, type: 'ack' | 'held', vote: SignedStatement, from: NodeId): boolean {
  const position = { term: vote.view as Term, index: vote.sequence as LogIndex, hash: vote.digest }
  return vote.signer === from && sameStatement(vote, positionStatement(type, epoch.epoch, position))
}

/** Each vote in them but what this node said itself. */
function certified({ options, rules }: Checking, certificates: readonly (Certificate | null)[]): SignatureCheck[] {
  const { self, epoch } = options
  const own = epoch.replicas.indexOf(self)
  return certificates.flatMap((certificate) => {
    if (certificate === null) return []
    const { statement, signers } = certificate
    return checksOfCertificate(epoch, certificate).filter(
      ({ signature }, at) => signers[at] !== own || !rules.made(statement, signature),
    )
  })
}

function signed(epoch: RaftEpoch, statements: readonly (SignedStatement | null)[]): SignatureCheck[] {
  const checks: SignatureCheck[] = []
  for (const statement of statements) {
    if (statement === null) continue
    const publicKey = epoch.replicas.publicKeyOf(statement.signer)
    if (publicKey === null) throw new KnhkError('ProtocolViolation', 'a statement of a stranger')
    checks.push({ publicKey, bytes: signBytes(epoch.sign, statement), signature: statement.signature })
  }
  return checks
}
