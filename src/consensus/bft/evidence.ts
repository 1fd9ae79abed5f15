/**
 * Transferable evidence: what proves to anybody who has the cluster file that a replica lied. Equivocation
 * is two statements by one signer for one slot. A fork is two words of one leader of a hybrid's Raft epoch
 * about its log in one term, at different places and not on one chain: the headers in between show it.
 * A message that is wrong by itself stands there as a whole, and is judged by the protocol that it belongs to.
 * Evidence names the key that signed, never the connection that delivered, and it says the same whoever
 * found it: the smaller statement stands first.
 */
import { ByteReader, ByteWriter, bytesEqual, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { HASH_BYTES, type Sha256 } from '../entry.js'
import { type BareHeader, chainOf, readHeaders, writeHeaders } from '../hybrid/headers.js'
import type { Epoch, LogIndex, NodeId } from '../types.js'
import type { SignatureCheck } from './checks.js'
import type { Replicas } from './replicas.js'
import {
  conflicts,
  encodeStatement,
  NO_EXTRA,
  readSigned,
  type SignContext,
  type SignedStatement,
  signBytes,
  writeSigned,
} from './statement.js'

export type EvidenceKind = 'equivocation' | 'fork' | 'newView'
const KINDS: readonly EvidenceKind[] = ['equivocation', 'fork', 'newView']
const VERSION = 1

export interface Evidence {
  readonly kind: EvidenceKind
  readonly culprit: NodeId
  readonly epoch: Epoch
  /** Under which configuration both were signed, 32 bytes. */
  readonly configHash: Uint8Array
  readonly first: SignedStatement
  readonly second: SignedStatement
  /** Of a fork: how the chain under `second` passes by the place of `first`. Null for equivocation. */
  readonly passage: Passage | null
  /** The message that is wrong by itself, whose statement is the first and the second; null for other kinds. */
  readonly message: Uint8Array | null
}

/** What is wrong with evidence that is one message, apart from its signature; null when it proves a lie. Throws `ProtocolViolation`. */
export type JudgeMessage = (evidence: Evidence) => string | null

export interface Passage {
  /** chain(index of `first`) on the way to `second`, 32 bytes. */
  readonly hash: Uint8Array
  /** Of the entries from there on, up to `second`. */
  readonly headers: readonly BareHeader[]
}

/** A leader's word about the end of its log, and the chain that leads there from `start`. */
export interface Branch {
  readonly header: SignedStatement
  readonly start: { readonly index: number; readonly hash: Uint8Array }
  /** chain(start.index + 1) … up to the header's place. */
  readonly hashes: readonly Uint8Array[]
  readonly headers: readonly BareHeader[]
}

/** Makes evidence of two conflicting statements of one signer. Null where they prove nothing. */
export function equivocation(context: SignContext, a: SignedStatement, b: SignedStatement): Evidence | null {
  if (a.signer !== b.signer || !conflicts(a, b)) return null
  const isOrdered = toHex(encodeStatement(a)) < toHex(encodeStatement(b))
  const [first, second] = isOrdered ? [a, b] : [b, a]
  const { configHash } = context
  return {
    kind: 'equivocation',
    culprit: a.signer,
    epoch: a.epoch,
    configHash,
    first,
    second,
    passage: null,
    message: null,
  }
}

/** Makes evidence of two sound branches that one leader signed in one term. Null where one continues the other. */
export function fork(context: SignContext, a: Branch, b: Branch): Evidence | null {
  const { signer, epoch, view } = a.header
  if (b.header.signer !== signer || b.header.epoch !== epoch || b.header.view !== view) return null
  const [low, high] = a.header.sequence <= b.header.sequence ? [a, b] : [b, a]
  const at = low.header.sequence
  if (at === high.header.sequence) return equivocation(context, a.header, b.header)
  const hash = at === high.start.index ? high.start.hash : high.hashes[at - high.start.index - 1]
  if (hash === undefined || bytesEqual(hash, low.header.digest)) return null
  const passage = { hash, headers: high.headers.slice(at - high.start.index) }
  const { configHash } = context
  const accused = { culprit: signer, epoch, configHash, first: low.header, second: high.header }
  return { kind: 'fork', ...accused, passage, message: null }
}

/** What is wrong with it apart from its signatures; null when nothing is. Throws `ProtocolViolation`. */
export function evidenceProblem(
  sha256: Sha256,
  replicas: Replicas,
  evidence: Evidence,
  judge: JudgeMessage = () => 'no such message is judged here',
): string | null {
  const { kind, first, second, culprit, epoch, passage } = evidence
  if (first.signer !== culprit || second.signer !== culprit) return 'both statements must be of the accused'
  if (!replicas.has(culprit)) return `${culprit} is no replica of this configuration`
  if (first.epoch !== epoch || second.epoch !== epoch) return 'the statements are of another epoch'
  if (kind === 'newView') return judge(evidence)
  if (passage !== null) return forkProblem(sha256, evidence, passage)
  if (!conflicts(first, second)) return 'the statements do not contradict each other'
  if (toHex(encodeStatement(first)) >= toHex(encodeStatement(second))) return 'the statements are not in order'
  return null
}

function forkProblem(sha256: Sha256, { first, second, epoch }: Evidence, { hash, headers }: Passage): string | null {
  const areWords = [first, second].every(
    ({ mode, type, extra }) => mode === 'raft' && type === 'header' && bytesEqual(extra, NO_EXTRA),
  )
  if (!areWords || first.view !== second.view) return 'the statements are not of one leader in one term'
  if (second.sequence - first.sequence !== headers.length || headers.length === 0)
    return 'the headers do not lead from one statement to the other'
  if (bytesEqual(hash, first.digest)) return 'the statements are about one chain'
  const start = { index: first.sequence as LogIndex, hash }
  const end = chainOf(sha256, epoch, start, headers).at(-1) as Uint8Array
  return bytesEqual(end, second.digest) ? null : 'the headers do not lead to the second statement'
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
  if (evidence.passage !== null) {
    out.raw(evidence.passage.hash)
    writeHeaders(out, evidence.passage.headers)
  }
  if (evidence.message !== null) out.bytes(evidence.message)
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
  const passage = kind === 'fork' ? { hash: reader.raw(HASH_BYTES), headers: readHeaders(reader) } : null
  const message = kind === 'newView' ? reader.bytes().slice() : null
  reader.end()
  return { kind, culprit: first.signer, epoch: first.epoch, configHash, first, second, passage, message }
}

/** Names a piece of evidence: the hash of what was said, whatever signature bytes carry it. */
export function evidenceId(sha256: Sha256, { first, second, culprit, configHash }: Evidence): Uint8Array {
  const out = new ByteWriter(512)
  out.text('knhk/evidence/1').text(culprit).raw(configHash).raw(encodeStatement(first)).raw(encodeStatement(second))
  return sha256(out.finish())
}
