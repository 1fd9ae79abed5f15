/**
 * The records of the journal: what a frame holds, in write order. Numbers 1 to 8 are taken; those of
 * protocols to come have their place here and no writer yet. A reader that meets a number it cannot
 * interpret stops: skipping one could mean to lose a vote.
 *
 * Layout: u8 kind, three zero bytes, u32 length, content. docs/data-directory.md has the contents.
 */
import { ByteReader, ByteWriter, readU32, readU64, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { HardState } from '../consensus/core.js'
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
} as const

export type RecordKind = keyof typeof RECORD_KINDS
/** Kinds that have a number and no writer in this version. */
export type ReservedKind = 'certificate' | 'slot' | 'block' | 'abort'

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
]

/** The content of a segment's seal; 1 is that of a clean stop. */
const SEGMENT_SEAL_BYTE = 0

/** `segment`: the last record of a full segment; the next segment exists. `stop`: the last record of a clean stop. */
export type SealReason = 'segment' | 'stop'

export type JournalRecord =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'truncate'; readonly from: LogIndex }
  | { readonly kind: 'hardState'; readonly hardState: HardState }
  | { readonly kind: 'seal'; readonly reason: SealReason }

/** The name of a record number; null where this version does not know it. */
export function recordKindName(kind: number): RecordKind | null {
  return KIND_NAMES[kind] ?? null
}

export function isReserved(kind: RecordKind): kind is ReservedKind {
  return kind === 'certificate' || kind === 'slot' || kind === 'block' || kind === 'abort'
}

/** Bytes of a record with its header. */
export function recordBytes(record: JournalRecord): number {
  return RECORD_HEADER_BYTES + contentBytes(record)
}

function contentBytes(record: JournalRecord): number {
  if (record.kind === 'entry') return ENTRY_HEADER_BYTES + record.entry.body.length
  return encodeContent(record).length
}

/** Writes a record header. */
export function writeRecordHeader(out: Uint8Array, at: number, kind: RecordKind, length: number): void {
  out[at] = RECORD_KINDS[kind]
  out[at + 1] = 0
  out[at + 2] = 0
  out[at + 3] = 0
  writeU32(out, at + 4, length)
}

/** The content of every record but an entry, which is written without a copy. */
export function encodeContent(record: Exclude<JournalRecord, { kind: 'entry' }>): Uint8Array {
  const out = new ByteWriter(64)
  switch (record.kind) {
    case 'truncate':
      return out.u64(record.from).finish()
    case 'hardState': {
      const { epoch, term, votedFor } = record.hardState
      out
        .u32(epoch)
        .u64(term)
        .u8(votedFor === null ? 0 : 1)
      if (votedFor !== null) out.text(votedFor)
      return out.finish()
    }
    case 'seal':
      return out.u8(record.reason === 'segment' ? SEGMENT_SEAL_BYTE : 1).finish()
  }
}

/** Throws `ProtocolViolation` where the content is not exactly a hard state. */
export function decodeHardState(content: Uint8Array): HardState {
  const reader = new ByteReader(content)
  const epoch = reader.u32() as Epoch
  const term = reader.u64() as Term
  const votedFor = reader.flag() ? (reader.text() as NodeId) : null
  reader.end()
  return { epoch, term, votedFor }
}

/** Throws `ProtocolViolation` where the content is not exactly a truncation. */
export function decodeTruncate(content: Uint8Array): LogIndex {
  if (content.length !== 8) throw new KnhkError('ProtocolViolation', 'a truncation has eight bytes')
  return readU64(content, 0) as LogIndex
}

/** Throws `ProtocolViolation` where the content is not exactly a seal. */
export function decodeSeal(content: Uint8Array): SealReason {
  if (content.length !== 1 || (content[0] as number) > 1)
    throw new KnhkError('ProtocolViolation', 'a seal has one byte, 0 or 1')
  return content[0] === SEGMENT_SEAL_BYTE ? 'segment' : 'stop'
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
