/**
 * What a replica signs: one statement, in one fixed layout, for every Byzantine protocol of knhk. A
 * verifier rebuilds the bytes from the fields; it never takes bytes to verify from the sender. The
 * layout binds domain, cluster, configuration, epoch, mode and type, so that no signature can be
 * replayed as another type, in another epoch, or in another cluster.
 *
 * A replica stands for one digest per slot (epoch, type, view, sequence); a second one is a proof of
 * misbehaviour that anybody can check (`evidence.ts`).
 */
import { assert } from '../../base/assert.js'
import { type ByteReader, type ByteWriter, bytesEqual, readU64, writeU32, writeU64 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { HASH_BYTES } from '../entry.js'
import type { Epoch, Mode, NodeId } from '../types.js'

/** Numbers are signed: they are never used again for another meaning. */
const TYPE_CODES = {
  prePrepare: 1,
  prepare: 2,
  commit: 3,
  checkpoint: 4,
  viewChange: 5,
  newView: 6,
  proposal: 16,
  vote: 17,
  timeout: 18,
  header: 32,
  grant: 33,
  ack: 34,
  suspect: 35,
  panic: 36,
  abort: 37,
  clear: 38,
  held: 39,
  entry: 48,
  result: 49,
} as const

export type StatementType = keyof typeof TYPE_CODES

const TYPE_NAMES = new Map<number, StatementType>(
  (Object.keys(TYPE_CODES) as StatementType[]).map((name) => [TYPE_CODES[name], name]),
)
const MODE_CODES: Readonly<Record<Mode, number>> = { raft: 1, pbft: 2, hotstuff: 3 }
const MODE_NAMES: readonly (Mode | undefined)[] = [undefined, 'raft', 'pbft', 'hotstuff']

/** Where something is signed: equal on all members of one epoch. */
export interface SignContext {
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the configuration in force in this epoch, 32 bytes. */
  readonly configHash: Uint8Array
}

export interface Statement {
  readonly mode: Mode
  readonly type: StatementType
  readonly epoch: Epoch
  /** PBFT's view, HotStuff's round, Raft's term. */
  readonly view: number
  /** PBFT's sequence number, HotStuff's height, Raft's index; what the type's definition says. */
  readonly sequence: number
  /** What is stood for, 32 bytes. */
  readonly digest: Uint8Array
  /** What else the type binds, 32 bytes; zeros where its definition names nothing. */
  readonly extra: Uint8Array
}

export interface SignedStatement extends Statement {
  readonly signer: NodeId
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

export const SIGNATURE_BYTES = 64
export const NO_EXTRA: Uint8Array = new Uint8Array(HASH_BYTES)
export const STATEMENT_BYTES = 1 + 1 + 4 + 8 + 8 + HASH_BYTES + HASH_BYTES
/** "knhk/statement/1", one byte per character. */
const DOMAIN = Uint8Array.from('knhk/statement/1', (character) => character.charCodeAt(0))
export const SIGN_BYTES = DOMAIN.length + 16 + HASH_BYTES + STATEMENT_BYTES

/** The bytes that are signed: domain, cluster id, configuration hash, then the statement. */
export function signBytes(context: SignContext, statement: Statement): Uint8Array {
  const out = new Uint8Array(SIGN_BYTES)
  out.set(DOMAIN, 0)
  out.set(context.clusterId, 16)
  out.set(context.configHash, 32)
  putStatement(out, 64, statement)
  return out
}

/** Encodes the fixed layout: mode, type, epoch, view, sequence, digest, extra. */
export function encodeStatement(statement: Statement): Uint8Array {
  const out = new Uint8Array(STATEMENT_BYTES)
  putStatement(out, 0, statement)
  return out
}

function putStatement(out: Uint8Array, at: number, { mode, type, epoch, view, sequence, digest, extra }: Statement) {
  assert(digest.length === HASH_BYTES && extra.length === HASH_BYTES, 'a statement binds two hashes')
  out[at] = MODE_CODES[mode]
  out[at + 1] = TYPE_CODES[type]
  writeU32(out, at + 2, epoch)
  writeU64(out, at + 6, view)
  writeU64(out, at + 14, sequence)
  out.set(digest, at + 22)
  out.set(extra, at + 54)
}

/** Decodes strictly. Throws `ProtocolViolation`. */
export function decodeStatement(reader: ByteReader): Statement {
  const mode = MODE_NAMES[reader.u8()]
  const type = TYPE_NAMES.get(reader.u8())
  if (mode === undefined || type === undefined)
    throw new KnhkError('ProtocolViolation', 'a statement of an unknown mode or type')
  const epoch = reader.u32() as Epoch
  const view = readU64(reader.raw(8), 0)
  const sequence = readU64(reader.raw(8), 0)
  return { mode, type, epoch, view, sequence, digest: reader.raw(HASH_BYTES), extra: reader.raw(HASH_BYTES) }
}

export function writeSigned(out: ByteWriter, signed: SignedStatement): void {
  out.raw(encodeStatement(signed)).text(signed.signer).raw(signed.signature)
}

/** Throws `ProtocolViolation`. */
export function readSigned(reader: ByteReader): SignedStatement {
  const statement = decodeStatement(reader)
  const signer = reader.text() as NodeId
  return { ...statement, signer, signature: reader.raw(SIGNATURE_BYTES) }
}

/** Names the slot in which a signer may stand for one digest only. */
export function slotKey({ epoch, type, view, sequence }: Statement): string {
  return `${epoch}/${TYPE_CODES[type]}/${view}/${sequence}`
}

/** True when both say the same of the same slot. */
export function sameStatement(a: Statement, b: Statement): boolean {
  return (
    a.mode === b.mode &&
    a.type === b.type &&
    a.epoch === b.epoch &&
    a.view === b.view &&
    a.sequence === b.sequence &&
    bytesEqual(a.digest, b.digest) &&
    bytesEqual(a.extra, b.extra)
  )
}

/** True when both are about one slot and differ: nobody honest signs both. */
export function conflicts(a: Statement, b: Statement): boolean {
  return a.mode === b.mode && slotKey(a) === slotKey(b) && !sameStatement(a, b)
}
