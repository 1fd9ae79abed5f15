/**
 * A receipt: what anybody needs, besides the cluster file, to check without a network that an operation
 * stands in the log and what it came to. It separates the two claims: the entry with its request and
 * what decided it (inclusion), and the results of the entry (result). Members sign what they hold of
 * both. It speaks of the whole request: which of its operations somebody means is nothing to prove. Strict: one receipt has one encoding. docs/receipts.md says what each claim proves.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { readSigned, type SignedStatement, writeSigned } from '../../consensus/bft/statement.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry, HASH_BYTES } from '../../consensus/entry.js'
import { type BatchPlace, type MerklePath, readMerklePath, writeMerklePath } from '../../consensus/merkle-path.js'

import { type EpochPath, readPath, writePath } from './epochs.js'

/** What a member hands out of one entry: everything but signatures under it. */
export interface ReceiptBody {
  /** Without its body; the certificate that decided it, null in plain Raft. */
  readonly entry: Entry
  /** Whole, as the client encoded it. */
  readonly request: Uint8Array
  /** Where the request stands in the entry. */
  readonly place: BatchPlace
  readonly path: MerklePath
  /** From the members of the cluster file to those that signed. */
  readonly steps: EpochPath
  /** Null where no results of the entry are kept: it holds no operations of clients, is too old, or they were too large. */
  readonly result: ResultClaim | null
}

export interface ResultClaim {
  /** Encoded results of every request of the entry, in order: they give the root together. */
  readonly requests: readonly Uint8Array[]
  /** resultChain of the entry before, 32 bytes; only in plain Raft, where the leader signs the whole chain. */
  readonly chainBefore: Uint8Array | null
}

export interface Receipt extends ReceiptBody {
  /** One statement, by each of these signers; ascending by name. */
  readonly statements: readonly SignedStatement[]
}

const VERSION = 1
export const RECEIPT_BYTES_MAX = 8 * 1024 * 1024
const STATEMENTS_MAX = 64
const NO_BODY = new Uint8Array(0)

export function encodeReceiptBody(body: ReceiptBody): Uint8Array {
  const out = new ByteWriter(4096)
  writeBody(out, body)
  return out.finish()
}

export function encodeReceipt(receipt: Receipt): Uint8Array {
  const out = new ByteWriter(4096)
  writeBody(out, receipt)
  out.u8(receipt.statements.length)
  for (const statement of receipt.statements) writeSigned(out, statement)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one body. */
export function decodeReceiptBody(bytes: Uint8Array): ReceiptBody {
  const reader = new ByteReader(bytes)
  const body = readBody(reader)
  reader.end()
  return body
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one receipt. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  if (bytes.length > RECEIPT_BYTES_MAX) throw new KnhkError('ProtocolViolation', 'a receipt is too large')
  const reader = new ByteReader(bytes)
  const body = readBody(reader)
  const count = reader.u8()
  if (count === 0 || count > STATEMENTS_MAX) throw new KnhkError('ProtocolViolation', 'a receipt needs signatures')
  const statements = Array.from({ length: count }, () => readSigned(reader))
  reader.end()
  return { ...body, statements }
}

function writeBody(out: ByteWriter, { entry, request, place, path, steps, result }: ReceiptBody): void {
  out
    .u8(VERSION)
    .raw(entry.header)
    .bytes(entry.certificate ?? NO_BODY)
  out.bytes(request).u32(place.ordinal).u32(place.count)
  writeMerklePath(out, path)
  writePath(out, steps)
  out.u8(result === null ? 0 : 1)
  if (result === null) return
  for (const results of result.requests) out.bytes(results)
  out.u8(result.chainBefore === null ? 0 : 1)
  if (result.chainBefore !== null) out.raw(result.chainBefore)
}

function readBody(reader: ByteReader): ReceiptBody {
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a receipt of an unknown version')
  const header = reader.raw(ENTRY_HEADER_BYTES)
  const certificate = reader.bytes()
  const entry = decodeEntry(header, NO_BODY, certificate.length === 0 ? null : certificate)
  const request = reader.bytes()
  const place = { ordinal: reader.u32(), count: reader.u32() }
  if (place.ordinal >= place.count) throw new KnhkError('ProtocolViolation', 'a request outside of its entry')
  const path = readMerklePath(reader, place)
  const steps = readPath(reader)
  const result = reader.flag() ? readResult(reader, place) : null
  return { entry, request, place, path, steps, result }
}

function readResult(reader: ByteReader, { count }: BatchPlace): ResultClaim {
  const requests: Uint8Array[] = []
  // Grows with what is there: a count alone reserves nothing.
  for (let left = count; left > 0; left--) requests.push(reader.bytes())
  return { requests, chainBefore: reader.flag() ? reader.raw(HASH_BYTES) : null }
}
