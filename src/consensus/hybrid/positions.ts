/**
 * Places in the log of a hybrid Raft epoch and what proves them: the tip of a candidate, the certificate
 * of a term, the certificate of a commit. Statements: a leader's HEADER, a voter's GRANT, a follower's
 * ACK, and HELD, its word that a commit certificate is on its disk.
 */
import { ByteReader, ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import {
  type Certificate,
  certificateChecks,
  certificateProblem,
  readCertificate,
  writeCertificate,
} from '../bft/certificate.js'
import type { SignatureCheck } from '../bft/checks.js'
import type { Replicas } from '../bft/replicas.js'
import { NO_EXTRA, type SignContext, type Statement } from '../bft/statement.js'
import { HASH_BYTES, type Sha256 } from '../entry.js'
import type { Epoch, LogIndex, NodeId, Term } from '../types.js'

/** Entries of kind `mode` begin with 1 for INIT, 2 for another protocol, and this for a term of Raft. */
const TERM_TAG = 3

/** An entry as it was said in a term; `hash` is chain(index). */
export interface Position {
  /** The term in whose log it stands: that of the leader who said it, not of the entry. 0 before the first. */
  readonly term: Term
  readonly index: LogIndex
  readonly hash: Uint8Array
}

/** q grants of one candidate on one tip: the term's log begins right after that tip. */
export interface TermCertificate {
  readonly candidate: NodeId
  readonly tip: Position
  readonly certificate: Certificate
}

/** What a Raft epoch is judged by: its members, its signatures, where it begins. */
export interface RaftEpoch {
  readonly sha256: Sha256
  readonly epoch: Epoch
  readonly replicas: Replicas
  readonly sign: SignContext
  /** The position before its first entry; term 0. */
  readonly origin: Position
}

export function samePosition(a: Position, b: Position): boolean {
  return a.term === b.term && a.index === b.index && bytesEqual(a.hash, b.hash)
}

/** Order of two positions of one epoch. */
export function comparePlaces(a: Position, b: Position): number {
  return a.term - b.term || a.index - b.index
}

function statementOf(
  type: Statement['type'],
  epoch: Epoch,
  term: number,
  sequence: number,
  digest: Uint8Array,
): Statement {
  return { mode: 'raft', type, epoch, view: term, sequence, digest, extra: NO_EXTRA }
}

/** A leader's word, a follower's acknowledgement, or that a commit certificate is held, of one position. */
export function positionStatement(
  type: 'header' | 'ack' | 'held',
  epoch: Epoch,
  { term, index, hash }: Position,
): Statement {
  return statementOf(type, epoch, term, index, hash)
}

/** One grant per term: the slot is the term alone. */
export function grantStatement(
  sha256: Sha256,
  epoch: Epoch,
  term: number,
  candidate: NodeId,
  tip: Position,
): Statement {
  const out = new ByteWriter(128).text('knhk/grant/1').text(candidate)
  out.u64(tip.term).u64(tip.index).raw(tip.hash)
  return statementOf('grant', epoch, term, 0, sha256(out.finish()))
}

/** The position that a commit certificate is about. */
export function positionOf({ statement }: Certificate): Position {
  return { term: statement.view as Term, index: statement.sequence as LogIndex, hash: statement.digest }
}

export function termOf({ certificate }: TermCertificate): Term {
  return certificate.statement.view as Term
}

/** What is wrong with a certificate of acknowledgements (`ack`) or of held certificates (`held`); null when nothing is. */
export function quorumProblem(epoch: RaftEpoch, type: 'ack' | 'held', certificate: Certificate): string | null {
  const { statement } = certificate
  if (statement.mode !== 'raft' || statement.type !== type || statement.epoch !== epoch.epoch)
    return `it is no certificate of type ${type} of this epoch`
  if (!bytesEqual(statement.extra, NO_EXTRA)) return 'it binds something that its type does not know'
  if (statement.view === 0 || statement.sequence <= epoch.origin.index) return 'it is about nothing in this epoch'
  return certificateProblem(epoch.replicas, certificate)
}

/** What is wrong with a term certificate apart from its signatures; null when nothing is. */
export function termProblem(epoch: RaftEpoch, { candidate, tip, certificate }: TermCertificate): string | null {
  const { statement } = certificate
  if (statement.view === 0 || tip.term >= statement.view) return 'a term follows the term of its tip'
  if (!epoch.replicas.has(candidate)) return 'the candidate is no member'
  if (tip.index < epoch.origin.index) return 'the tip lies before the epoch'
  if ((tip.term === 0) !== samePosition(tip, epoch.origin)) return 'the tip of the first term is the origin'
  const expected = grantStatement(epoch.sha256, epoch.epoch, statement.view, candidate, tip)
  const same =
    statement.mode === 'raft' &&
    statement.type === 'grant' &&
    statement.epoch === epoch.epoch &&
    statement.sequence === 0 &&
    bytesEqual(statement.digest, expected.digest) &&
    bytesEqual(statement.extra, NO_EXTRA)
  return same ? certificateProblem(epoch.replicas, certificate) : 'the grants are for something else'
}

export function checksOfCertificate(epoch: RaftEpoch, certificate: Certificate): SignatureCheck[] {
  return certificateChecks(epoch.sign, epoch.replicas, certificate)
}

export function writePosition(out: ByteWriter, { term, index, hash }: Position): void {
  out.u64(term).u64(index).raw(hash)
}

/** Throws `ProtocolViolation`. */
export function readPosition(reader: ByteReader): Position {
  return { term: reader.u64() as Term, index: reader.u64() as LogIndex, hash: reader.raw(HASH_BYTES) }
}

export function writeTerm(out: ByteWriter, { candidate, tip, certificate }: TermCertificate): void {
  out.text(candidate)
  writePosition(out, tip)
  writeCertificate(out, certificate)
}

/** Throws `ProtocolViolation`. */
export function readTerm(reader: ByteReader): TermCertificate {
  const candidate = reader.text() as NodeId
  return { candidate, tip: readPosition(reader), certificate: readCertificate(reader) }
}

/** What the first entry of a term holds, as its one request. */
export function encodeTerm(term: TermCertificate): Uint8Array {
  const out = new ByteWriter(512).u8(TERM_TAG)
  writeTerm(out, term)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one term certificate. */
export function decodeTerm(bytes: Uint8Array): TermCertificate {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== TERM_TAG) throw new KnhkError('ProtocolViolation', 'no certificate of a term')
  const term = readTerm(reader)
  reader.end()
  return term
}

export function optional<T>(out: ByteWriter, value: T | null, write: (out: ByteWriter, value: T) => void): void {
  out.u8(value === null ? 0 : 1)
  if (value !== null) write(out, value)
}

export function readOptional<T>(reader: ByteReader, read: (reader: ByteReader) => T): T | null {
  return reader.flag() ? read(reader) : null
}

/** A counted list, bounded before anything is allocated. Throws `ProtocolViolation`. */
export function readList<T>(reader: ByteReader, max: number, read: (reader: ByteReader) => T): T[] {
  const count = reader.u32()
  if (count > max) throw new KnhkError('ProtocolViolation', `a list of ${count} where ${max} are the most`)
  return Array.from({ length: count }, () => read(reader))
}
