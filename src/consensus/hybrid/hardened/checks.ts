/** Which signatures the messages of a hybrid Raft epoch claim; null where one is unsound without any. */
import { bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { computeBatchDigest } from '../../batch-digest.js'
import { type Certificate, certificateProblem } from '../../bft/certificate.js'
import type { SignatureCheck } from '../../bft/checks.js'
import { bodyChecks } from '../../bft/client-request.js'
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
import type { HardenedOptions } from './state.js'
import { requestProblem } from './vote-rules.js'

type Checks = readonly SignatureCheck[] | null

/** Of the messages that only this epoch's Raft knows; undefined for others. */
export function raftChecks(
  options: Pick<HardenedOptions, 'epoch' | 'record'>,
  from: NodeId,
  message: HybridMessage,
): Checks | undefined {
  try {
    return checksOf(options, from, message)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

function checksOf(
  options: Pick<HardenedOptions, 'epoch' | 'record'>,
  from: NodeId,
  message: HybridMessage,
): Checks | undefined {
  const { epoch } = options
  switch (message.type) {
    case 'hybridAppend':
      return checksOfAppend(options, from, message)
    case 'hybridAck': {
      const { ack, held } = message
      if (ack !== null && !isVote(epoch, 'ack', ack, from)) return null
      if (held !== null && !isVote(epoch, 'held', held, from)) return null
      return signed(epoch, [ack, held])
    }
    case 'hybridVoteRequest': {
      if (requestProblem(epoch, message) !== null) return null
      const certificates = [message.commit, message.termCertificate?.certificate ?? null]
      return [...certified(epoch, certificates), ...signed(epoch, [message.header])]
    }
    case 'hybridGrant': {
      const { grant, reply } = message
      if (grant === null) return []
      const isGrant = grant.type === 'grant' && grant.mode === 'raft' && grant.view === reply.term
      return isGrant && grant.epoch === epoch.epoch && grant.signer === from ? signed(epoch, [grant]) : null
    }
    case 'hybridTerm':
      return isTermOf(epoch, message.termCertificate, from)
        ? certified(epoch, [message.termCertificate.certificate])
        : null
    case 'hybridCommit': {
      const { commit, proof } = message
      if (quorumProblem(epoch, 'ack', commit) !== null) return null
      if (proof !== null && quorumProblem(epoch, 'held', proof) !== null) return null
      return certified(epoch, [commit, proof])
    }
    case 'hybridHeld':
      return isVote(epoch, 'held', message.held, from) ? signed(epoch, [message.held]) : null
    case 'hybridCheckpoint': {
      const { own, certificate, commit } = message
      if (checkpointProblem(epoch, from, message) !== null) return null
      if (certificate !== null && certificateProblem(epoch.replicas, certificate) !== null) return null
      return [...signed(epoch, [own]), ...certified(epoch, [certificate, commit])]
    }
    default:
      return undefined
  }
}

function checksOfAppend(
  { epoch, record }: Pick<HardenedOptions, 'epoch' | 'record'>,
  from: NodeId,
  message: HybridAppend,
): Checks {
  const { append, header, termCertificate: term, commit, proof } = message
  if (appendProblem(epoch, epoch.sign.clusterId, message, from) !== null) return null
  if (term !== null && (!isTermOf(epoch, term, from) || termOf(term) !== append.term)) return null
  if (commit !== null && quorumProblem(epoch, 'ack', commit) !== null) return null
  if (proof !== null && quorumProblem(epoch, 'held', proof) !== null) return null
  const bodies = checksOfBodies(epoch, record.index, append.entries)
  if (bodies === null) return null
  return [...signed(epoch, [header]), ...certified(epoch, [term?.certificate ?? null, commit, proof]), ...bodies]
}

/** Bodies are what their digests say, and their requests what their clients signed. */
export function checksOfBodies(
  epoch: RaftEpoch,
  configuredAt: LogIndex,
  entries: readonly Entry[],
): SignatureCheck[] | null {
  const checks: SignatureCheck[] = []
  for (const { kind, body, batchDigest, epoch: of } of entries) {
    if (!bytesEqual(computeBatchDigest(epoch.sha256, kind, body), batchDigest)) return null
    const requests = kind === 'data' ? bodyChecks(epoch.sha256, epoch.sign.clusterId, body) : []
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

function certified(epoch: RaftEpoch, certificates: readonly (Certificate | null)[]): SignatureCheck[] {
  return certificates.flatMap((certificate) => (certificate === null ? [] : checksOfCertificate(epoch, certificate)))
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
