/**
 * The records of the journal: what a frame holds, in write order. A reader that meets a number it cannot
 * interpret stops: skipping one could mean to lose a vote.
 *
 * Layout: u8 kind, three zero bytes, u32 length, content. docs/data-directory.md has the contents.
 */
import { unreachable } from '../base/assert.js'
import { ByteReader, ByteWriter, readU32, readU64, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { AbortRecord, HardState, PendingRecord } from '../consensus/core.js'
import { ENTRY_HEADER_BYTES, type Entry } from '../consensus/entry.js'
import type { Epoch, LogIndex, NodeId, Term } from '../consensus/types.js'

export const RECORD_HEADER_BYTES = 8

export const RECORD_KINDS = {
  entry: 1,
  truncate: 2,
  hardState: 3,
  certificate: 4,
  seal: 5,
  slot: 6,
  block: 7,
  abort: 8,
  safety: 9,
  live: 10,
} as const

export type RecordKind = keyof typeof RECORD_KINDS

const KIND_NAMES: readonly (RecordKind | undefined)[] = [
  undefined,
  'entry',
  'truncate',
  'hardState',
  'certificate',
  'seal',
  'slot',
  'block',
  'abort',
  'safety',
  'live',
]

const INDEX_BYTES = 8
const EPOCH_BYTES = 4
const COUNT_BYTES = 4
/** The content of a segment's seal; 1 is that of a clean stop. */
const SEGMENT_SEAL_BYTE = 0

/** `segment`: the last record of a full segment; the next segment exists. `stop`: the last record of a clean stop. */
export type SealReason = 'segment' | 'stop'

/** What proves that an entry was decided; directly behind its entry, in the same frame. */
export interface CertificateRecord {
  readonly kind: 'certificate'
  readonly index: LogIndex
  readonly certificate: Uint8Array
}

/** Records that are no entry and no part of one. */
export type PlainRecord =
  | { readonly kind: 'truncate'; readonly from: LogIndex }
  | { readonly kind: 'hardState'; readonly hardState: HardState }
  | { readonly kind: 'seal'; readonly reason: SealReason }
  | { readonly kind: 'safety'; readonly safety: Uint8Array }
  | { readonly kind: 'live'; readonly count: number }
  | PendingRecord
  | AbortRecord

export type JournalRecord = { readonly kind: 'entry'; readonly entry: Entry } | CertificateRecord | PlainRecord

/** The name of a record number; null where this version does not know it. */
export function recordKindName(kind: number): RecordKind | null {
  return KIND_NAMES[kind] ?? null
}

/** Bytes of a record with its header. */
export function recordBytes(record: JournalRecord): number {
  return RECORD_HEADER_BYTES + contentBytes(record)
}

function contentBytes(record: JournalRecord): number {
  if (record.kind === 'entry') return ENTRY_HEADER_BYTES + record.entry.body.length
  return contentParts(record).reduce((sum, part) => sum + part.length, 0)
}

/** Writes a record header. */
export function writeRecordHeader(out: Uint8Array, at: number, kind: RecordKind, length: number): void {
  out[at] = RECORD_KINDS[kind]
  out[at + 1] = 0
  out[at + 2] = 0
  out[at + 3] = 0
  writeU32(out, at + 4, length)
}

/** The content of a record, in order; what may be long is passed on, not copied. */
export function contentParts(record: JournalRecord): readonly Uint8Array[] {
  switch (record.kind) {
    case 'entry':
      return [record.entry.header, record.entry.body]
    case 'certificate':
      return [new ByteWriter(INDEX_BYTES).u64(record.index).finish(), record.certificate]
    case 'slot':
    case 'block':
      return [new ByteWriter(INDEX_BYTES).u64(record.index).finish(), record.payload]
    case 'abort':
      return [new ByteWriter(EPOCH_BYTES).u32(record.epoch).finish(), record.payload]
    case 'safety':
      return [record.safety]
    case 'live':
      return [new ByteWriter(COUNT_BYTES).u32(record.count).finish()]
    case 'truncate':
      return [new ByteWriter(INDEX_BYTES).u64(record.from).finish()]
    case 'hardState':
      return [encodeHardState(record.hardState)]
    case 'seal':
      return [new Uint8Array([record.reason === 'segment' ? SEGMENT_SEAL_BYTE : 1])]
    default:
      return unreachable(record, 'record')
  }
}

function encodeHardState({ epoch, term, votedFor }: HardState): Uint8Array {
  const out = new ByteWriter(64)
  out
    .u32(epoch)
    .u64(term)
    .u8(votedFor === null ? 0 : 1)
  if (votedFor !== null) out.text(votedFor)
  return out.finish()
}

/** Byte fields are views of `content`. Throws `ProtocolViolation` where it is not exactly such a record. */
export function decodeContent(kind: PlainRecord['kind'], content: Uint8Array): PlainRecord {
  const reader = new ByteReader(content)
  switch (kind) {
    case 'slot':
    case 'block':
      return { kind, index: reader.u64() as LogIndex, payload: reader.raw(reader.remaining) }
    case 'abort':
      return { kind, epoch: reader.u32() as Epoch, payload: reader.raw(reader.remaining) }
    case 'safety':
      return { kind, safety: content }
    case 'live': {
      const count = reader.u32()
      reader.end()
      return { kind, count }
    }
    case 'truncate': {
      const from = reader.u64() as LogIndex
      reader.end()
      return { kind, from }
    }
    case 'hardState': {
      const [epoch, term] = [reader.u32() as Epoch, reader.u64() as Term]
      const votedFor = reader.flag() ? (reader.text() as NodeId) : null
      reader.end()
      return { kind, hardState: { epoch, term, votedFor } }
    }
    case 'seal': {
      const isStop = reader.flag()
      reader.end()
      return { kind, reason: isStop ? 'stop' : 'segment' }
    }
    default:
      return unreachable(kind, 'record kind')
  }
}

/** The certificate is a view of `content`. Throws `ProtocolViolation`. */
export function decodeCertificateRecord(content: Uint8Array): CertificateRecord {
  const reader = new ByteReader(content)
  return { kind: 'certificate', index: reader.u64() as LogIndex, certificate: reader.raw(reader.remaining) }
}

/**
 * The certificate behind an entry's content: `bytes` holds it from `start` to `end`, record header
 * included. Null for none; throws `ProtocolViolation` where something else lies there.
 */
export function certificateBehind(bytes: Uint8Array, start: number, end: number, index: number): Uint8Array | null {
  if (start === end) return null
  const contentAt = start + RECORD_HEADER_BYTES
  const isOne = end >= contentAt + INDEX_BYTES && bytes[start] === RECORD_KINDS.certificate
  if (!isOne || readU32(bytes, start + 4) !== end - contentAt || readU64(bytes, contentAt) !== index)
    throw new KnhkError('ProtocolViolation', 'what lies behind an entry is not its certificate')
  return bytes.subarray(contentAt + INDEX_BYTES, end)
}

/**
 * Walks the records of a payload: `visit(kind, start, end)` gets the number of the kind and where the
 * content lies. False where the payload is not exactly `count` records and at most seven zero bytes.
 */
export function forEachRecord(
  bytes: Uint8Array,
  payloadStart: number,
  payloadEnd: number,
  count: number,
  visit: (kind: number, start: number, end: number) => void,
): boolean {
  let at = payloadStart
  for (let ordinal = 0; ordinal < count; ordinal++) {
    if (payloadEnd - at < RECORD_HEADER_BYTES) return false
    if (bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) return false
    const start = at + RECORD_HEADER_BYTES
    const length = readU32(bytes, at + 4)
    if (length > payloadEnd - start) return false
    visit(bytes[at] as number, start, start + length)
    at = start + length
  }
  if (payloadEnd - at > 7) return false
  for (; at < payloadEnd; at++) if (bytes[at] !== 0) return false
  return true
}

/** A segment's seal is a frame of its own. */
export function isSegmentSeal(bytes: Uint8Array, payloadStart: number, payloadEnd: number, count: number): boolean {
  if (count !== 1 || bytes[payloadStart] !== RECORD_KINDS.seal) return false
  const start = payloadStart + RECORD_HEADER_BYTES
  return payloadEnd > start && bytes[start - 4] === 1 && bytes[start] === SEGMENT_SEAL_BYTE
}
