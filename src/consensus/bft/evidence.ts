/**
 * Transferable evidence: what proves to anybody who has the cluster file that a replica lied. The first
 * kind is equivocation, two statements by one signer for one slot; other kinds name the statement that
 * is invalid by deterministic rules. Evidence names the key that signed, never the connection that
 * delivered, and it is the same bytes whoever found it: the smaller statement stands first.
 */
import { ByteReader, ByteWriter, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { Sha256 } from '../entry.js'
import type { Epoch, NodeId } from '../types.js'
import type { SignatureCheck } from './checks.js'
import type { Replicas } from './replicas.js'
import {
  conflicts,
  encodeStatement,
  readSigned,
  type SignContext,
  type SignedStatement,
  signBytes,
  writeSigned,
} from './statement.js'

export type EvidenceKind = 'equivocation'
const KINDS: readonly EvidenceKind[] = ['equivocation']
const VERSION = 1

export interface Evidence {
  readonly kind: EvidenceKind
  readonly culprit: NodeId
  readonly epoch: Epoch
  /** Under which configuration both were signed, 32 bytes. */
  readonly configHash: Uint8Array
  readonly first: SignedStatement
  readonly second: SignedStatement
}

/** Makes evidence of two conflicting statements of one signer. Null where they prove nothing. */
export function equivocation(context: SignContext, a: SignedStatement, b: SignedStatement): Evidence | null {
  if (a.signer !== b.signer || !conflicts(a, b)) return null
  const isOrdered = toHex(encodeStatement(a)) < toHex(encodeStatement(b))
  const [first, second] = isOrdered ? [a, b] : [b, a]
  return { kind: 'equivocation', culprit: a.signer, epoch: a.epoch, configHash: context.configHash, first, second }
}

/** What is wrong with it apart from its signatures; null when nothing is. */
export function evidenceProblem(replicas: Replicas, evidence: Evidence): string | null {
  const { first, second, culprit, epoch } = evidence
  if (first.signer !== culprit || second.signer !== culprit) return 'both statements must be of the accused'
  if (!replicas.has(culprit)) return `${culprit} is no replica of this configuration`
  if (first.epoch !== epoch || second.epoch !== epoch) return 'the statements are of another epoch'
  if (!conflicts(first, second)) return 'the statements do not contradict each other'
  if (toHex(encodeStatement(first)) >= toHex(encodeStatement(second))) return 'the statements are not in order'
  return null
}

/** Both signatures must hold; then the culprit is proven to have signed both. */
export function evidenceChecks(clusterId: Uint8Array, replicas: Replicas, evidence: Evidence): SignatureCheck[] {
  const publicKey = replicas.publicKeyOf(evidence.culprit)
  if (publicKey === null) throw new KnhkError('ProtocolViolation', 'evidence against a stranger')
  const context = { clusterId, configHash: evidence.configHash }
  return [evidence.first, evidence.second].map((statement) => ({
    publicKey,
    bytes: signBytes(context, statement),
    signature: statement.signature,
  }))
}

export function encodeEvidence(evidence: Evidence): Uint8Array {
  const out = new ByteWriter(512)
  out.u8(VERSION).u8(KINDS.indexOf(evidence.kind)).raw(evidence.configHash)
  writeSigned(out, evidence.first)
  writeSigned(out, evidence.second)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one piece of evidence. */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  const kind = KINDS[reader.u8()]
  if (version !== VERSION || kind === undefined)
    throw new KnhkError('ProtocolViolation', 'evidence of an unknown version or kind')
  const configHash = reader.raw(32)
  const first = readSigned(reader)
  const second = readSigned(reader)
  reader.end()
  return { kind, culprit: first.signer, epoch: first.epoch, configHash, first, second }
}

/** Names a piece of evidence: the hash of what was said, whatever signature bytes carry it. */
export function evidenceId(sha256: Sha256, { first, second, culprit, configHash }: Evidence): Uint8Array {
  const out = new ByteWriter(512)
  out.text('knhk/evidence/1').text(culprit).raw(configHash).raw(encodeStatement(first)).raw(encodeStatement(second))
  return sha256(out.finish())
}
