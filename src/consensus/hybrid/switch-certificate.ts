/**
 * Why an epoch ended where it did. The hand-over names a quorum of abort histories and the protocol that
 * follows; the switch certificate adds that a quorum of the ending epoch's members decided it, by PBFT in
 * a signing context of its own. It proves itself to whoever knows the members and the origin of the epoch
 * that ended: the result is SELECT of what stands inside, recomputed by everybody.
 */
import { ByteReader, ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { computeBatchDigest } from '../batch-digest.js'
import {
  type Certificate,
  certificateChecks,
  certificateProblem,
  readCertificate,
  writeCertificate,
} from '../bft/certificate.js'
import type { SignatureCheck } from '../bft/checks.js'
import { decodeEvidence, type Evidence, encodeEvidence, evidenceChecks, evidenceProblem } from '../bft/evidence.js'
import { decodeInit, type InitRecord } from '../bft/init.js'
import { epochConfigHash, nextMembersProblem } from '../bft/replicas.js'
import { NO_EXTRA, type SignContext } from '../bft/statement.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry, GENESIS_CHAIN, valueDigest, verifyChain } from '../entry.js'
import { decodeMembership, encodeMembership, type Membership } from '../membership.js'
import type { Epoch, LogIndex, Millis, Mode, NodeId } from '../types.js'
import { type AbortHistory, historyChecks, historyProblem, readHistory, viewOf, writeHistory } from './abort-history.js'
import { orderCheck } from './change-order.js'
import { optional, type Position, type RaftEpoch, readList, readOptional } from './positions.js'
import { select } from './select.js'

export interface HandOverContent {
  /** The protocol of the next epoch. */
  readonly protocol: Mode
  /** The change of members that the epoch ends with, whole: the result is its place. Null where the members stay. */
  readonly change: Entry | null
  /** Of exactly a quorum, in the order of the configuration. */
  readonly histories: readonly AbortHistory[]
  /** What is known against members of the epoch that ends: with INIT it becomes replicated state. */
  readonly evidence: readonly Evidence[]
}

export interface SwitchCertificate {
  /** The epoch that ended. */
  readonly epoch: Epoch
  /** The decided value: the body of an INIT record that rests on the hand-over, and its time. */
  readonly body: Uint8Array
  readonly timestampMs: Millis
  /** COMMITs of a quorum for that value at sequence 0. */
  readonly certificate: Certificate
}

/** What an epoch that ends is judged by. */
export interface EndingEpoch {
  readonly raft: RaftEpoch
  readonly membership: Membership
  /** Index of the entry that brought it; 0 for that of genesis. */
  readonly configuredAt: LogIndex
  /** Hash of the cluster's configuration, 32 bytes. */
  readonly clusterConfigHash: Uint8Array
}

const PROTOCOLS: readonly Mode[] = ['raft', 'pbft', 'hotstuff']
const HISTORIES_MAX = 64
/** One piece for each culprit is enough. */
export const EVIDENCE_MAX = 64
const VERSION = 1

/**
 * Stands in for the cluster's configuration hash in the instance that decides a hand-over, so that nothing
 * signed there can be taken for something signed in the epoch that follows, and the other way round.
 */
export function handOverConfigHash({ raft, clusterConfigHash }: EndingEpoch): Uint8Array {
  const out = new ByteWriter(96).text('knhk/hand-over/1').raw(clusterConfigHash).u32(raft.epoch)
  return raft.sha256(out.finish())
}

/** Where the instance that decides it stands in the numbering of epochs. */
export function nextEpoch({ raft }: EndingEpoch): Epoch {
  return (raft.epoch + 1) as Epoch
}

/** The instance has a log of its own, with one entry. */
export const HAND_OVER_ORIGIN = { index: 0 as LogIndex, chain: GENESIS_CHAIN, timestampMs: 0 }

export function encodeHandOver({ protocol, change, histories, evidence }: HandOverContent): Uint8Array {
  const out = new ByteWriter(4096).u8(VERSION).u8(PROTOCOLS.indexOf(protocol))
  optional(out, change, (inner, { header, body }) => inner.raw(header).bytes(body))
  out.u32(histories.length)
  for (const history of histories) writeHistory(out, history)
  out.u32(evidence.length)
  for (const piece of evidence) out.bytes(encodeEvidence(piece))
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one hand-over. */
export function decodeHandOver(bytes: Uint8Array): HandOverContent {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a hand-over of an unknown version')
  const protocol = PROTOCOLS[reader.u8()]
  if (protocol === undefined) throw new KnhkError('ProtocolViolation', 'a hand-over to an unknown protocol')
  const change = readOptional(reader, (inner) => decodeEntry(inner.raw(ENTRY_HEADER_BYTES), inner.bytes()))
  const histories = readList(reader, HISTORIES_MAX, readHistory)
  const evidence = readList(reader, EVIDENCE_MAX, (inner) => decodeEvidence(inner.bytes()))
  reader.end()
  return { protocol, change, histories, evidence }
}

export interface HandOverResult {
  readonly protocol: Mode
  readonly result: Position
  /** Of the next epoch. */
  readonly membership: Membership
  /** The entry at the result, where that changes the members. */
  readonly change: Entry | null
  /** Members whose histories show the whole result. */
  readonly holders: readonly NodeId[]
  /** What it says against members. */
  readonly evidence: readonly Evidence[]
}

/** The result of a sound hand-over; a string says what is wrong with it. */
export function resultOf(
  ending: EndingEpoch,
  { protocol, change, histories, evidence }: HandOverContent,
): HandOverResult | string {
  const { raft } = ending
  const { replicas } = raft
  if (histories.length !== replicas.quorum) return `it takes ${replicas.quorum} histories`
  let last = -1
  for (const history of histories) {
    const problem = historyProblem(raft, history)
    if (problem !== null) return `a history of ${history.vote.signer}: ${problem}`
    const at = replicas.indexOf(history.vote.signer)
    if (at <= last) return 'histories stand in the order of the configuration'
    last = at
  }
  for (const piece of evidence) {
    const problem = evidenceProblem(raft.sha256, replicas, piece)
    if (problem !== null || piece.epoch !== raft.epoch || !bytesEqual(piece.configHash, raft.sign.configHash))
      return 'it accuses without proof'
  }
  const found = select(histories.map((history) => viewOf(raft, history)))
  if (found.kind === 'exclude') return `${found.leader} said two things and is to be left out`
  const problem = changeProblem(ending, change, found.result)
  if (problem !== null) return problem
  // Whoever is proven to lie could lead again.
  if (protocol === 'raft' && evidence.length > 0) return 'evidence forbids Raft'
  const membership = change === null ? ending.membership : decodeMembership(change.body)
  return { protocol, result: found.result, holders: found.holders, evidence, membership, change }
}

function changeProblem({ raft, membership }: EndingEpoch, change: Entry | null, result: Position): string | null {
  if (change === null) return null
  const { kind, index, chain, epoch, body, batchDigest } = change
  if (kind !== 'membership' || epoch !== raft.epoch) return 'no change of members ends the epoch'
  if (index !== result.index || !bytesEqual(chain, result.hash)) return 'the change of members is not its last entry'
  const isWhole =
    verifyChain(raft.sha256, change) && bytesEqual(computeBatchDigest(raft.sha256, kind, body), batchDigest)
  return isWhole ? nextMembersProblem(membership, decodeMembership(body)) : 'the change is not what was decided'
}

/** How a proposal of a hand-over is judged; null where it is unsound. */
export function handOverChecks(ending: EndingEpoch, proof: Uint8Array): readonly SignatureCheck[] | null {
  const content = decodeHandOver(proof)
  if (typeof resultOf(ending, content) === 'string') return null
  const { raft } = ending
  const accusations = content.evidence.flatMap((piece) => evidenceChecks(raft.sign.clusterId, raft.replicas, piece))
  const orders = content.change === null ? [] : [orderCheck(raft, ending.configuredAt, content.change.body)]
  return [...content.histories.flatMap((history) => historyChecks(raft, history)), ...accusations, ...orders]
}

/** The context that the certificate is signed under. */
function contextOf(ending: EndingEpoch): SignContext {
  const configHash = epochConfigHash(ending.raft.sha256, handOverConfigHash(ending), ending.membership)
  return { clusterId: ending.raft.sign.clusterId, configHash }
}

/** What the certificate decided, once its checks hold; a string says what is wrong with it. */
export function switchResult(ending: EndingEpoch, switched: SwitchCertificate): HandOverResult | string {
  const { sha256, replicas, epoch } = ending.raft
  const { statement } = switched.certificate
  if (switched.epoch !== epoch) return 'it ends another epoch'
  const batchDigest = computeBatchDigest(sha256, 'mode', switched.body)
  const position = { epoch: nextEpoch(ending), index: 0 as LogIndex, timestampMs: switched.timestampMs }
  const isDecision =
    statement.mode === 'pbft' &&
    statement.type === 'commit' &&
    statement.epoch === nextEpoch(ending) &&
    statement.sequence === 0 &&
    bytesEqual(statement.extra, NO_EXTRA) &&
    bytesEqual(statement.digest, valueDigest(sha256, position, batchDigest))
  if (!isDecision) return 'the commits are for something else'
  const problem = certificateProblem(replicas, switched.certificate)
  if (problem !== null) return problem
  const content = contentOf(ending, decodeInit(switched.body))
  return typeof content === 'string' ? content : resultOf(ending, content)
}

function contentOf(ending: EndingEpoch, record: InitRecord): HandOverContent | string {
  if (record.basis.kind !== 'handOver') return 'it rests on no hand-over'
  if (!bytesEqual(encodeMembership(record.membership), encodeMembership(ending.membership)))
    return 'it names other members'
  return decodeHandOver(record.basis.proof)
}

export function switchChecks(ending: EndingEpoch, { certificate }: SwitchCertificate): SignatureCheck[] {
  return certificateChecks(contextOf(ending), ending.raft.replicas, certificate)
}

export function writeSwitch(out: ByteWriter, { epoch, body, timestampMs, certificate }: SwitchCertificate): void {
  out.u32(epoch).bytes(body).u64(timestampMs)
  writeCertificate(out, certificate)
}

/** Throws `ProtocolViolation`. */
export function readSwitch(reader: ByteReader): SwitchCertificate {
  const epoch = reader.u32() as Epoch
  const body = reader.bytes()
  const timestampMs = reader.u64()
  return { epoch, body, timestampMs, certificate: readCertificate(reader) }
}
