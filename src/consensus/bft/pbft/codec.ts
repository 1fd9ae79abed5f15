/**
 * PBFT's messages as bytes: one type byte, then a fixed layout, all numbers little-endian. Decoding is
 * strict: what is accepted encodes to the same bytes again. The same bytes stand in the journal as slot
 * records, so a restarted replica sends what it sent before, byte for byte.
 */
import { unreachable } from '../../../base/assert.js'
import { ByteReader, ByteWriter } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import type { EntryKind } from '../../entry.js'
import { readOffer, writeOffer } from '../../snapshot-codec.js'
import type { Epoch, LogIndex, SequenceNumber, ViewNumber } from '../../types.js'
import { type Certificate, readCertificate, writeCertificate } from '../certificate.js'
import { readEntry, readSteps, writeEntry, writeSteps } from '../entry-codec.js'
import { decodeEvidence, encodeEvidence } from '../evidence.js'
import { readSigned, writeSigned } from '../statement.js'
import type { NewView, OrderedSlot, PbftMessage, Value, ViewChange } from './messages.js'

/** First byte of every message; 0x40 to 0x4f are PBFT's. */
export const PBFT_CODES = {
  pbftPrePrepare: 0x40,
  pbftVote: 0x41,
  pbftCertificate: 0x42,
  pbftViewChange: 0x43,
  pbftNewView: 0x44,
  pbftStatus: 0x45,
  pbftFetch: 0x46,
  pbftValue: 0x47,
  pbftDecided: 0x48,
  pbftOffer: 0x49,
  pbftEvidence: 0x4a,
} as const satisfies Record<PbftMessage['type'], number>

const TYPES = new Map<number, PbftMessage['type']>(
  (Object.keys(PBFT_CODES) as PbftMessage['type'][]).map((type) => [PBFT_CODES[type], type]),
)
const KINDS: readonly EntryKind[] = ['data', 'membership', 'mode', 'evidence', 'empty']
/** Counts in a message; more is refused before anything is allocated. */
const ITEMS_MAX = 4096

export function isPbft(message: { readonly type: string }): message is PbftMessage {
  return Object.hasOwn(PBFT_CODES, message.type)
}

export function isPbftCode(code: number | undefined): boolean {
  return code !== undefined && TYPES.has(code)
}

export function encodePbft(message: PbftMessage): Uint8Array {
  const out = new ByteWriter(512).u8(PBFT_CODES[message.type])
  writeMessage(out, message)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one message. Bodies and hashes are views into `bytes`. */
export function decodePbft(bytes: Uint8Array): PbftMessage {
  const reader = new ByteReader(bytes)
  const type = TYPES.get(reader.u8())
  if (type === undefined) throw new KnhkError('ProtocolViolation', 'a PBFT message of an unknown type')
  const message = readMessage(reader, type)
  reader.end()
  return message
}

/** What a view change says, without its signature: the bytes that its digest binds. */
export function writeViewChangeContent(out: ByteWriter, { stable, prepared }: ViewChange): void {
  out.u8(stable === null ? 0 : 1)
  if (stable !== null) writeCertificate(out, stable)
  out.u32(prepared.length)
  for (const certificate of prepared) writeCertificate(out, certificate)
}

/** What a new view orders: the bytes that its digest binds, beside the view changes' own statements. */
export function writeOrder(out: ByteWriter, order: readonly OrderedSlot[]): void {
  out.u32(order.length)
  for (const { sequence, digest } of order) out.u64(sequence).raw(digest)
}

function writeMessage(out: ByteWriter, message: PbftMessage): void {
  switch (message.type) {
    case 'pbftPrePrepare':
      writeSigned(out, message.vote)
      return writeValue(out, message.value)
    case 'pbftVote':
      return writeSigned(out, message.vote)
    case 'pbftCertificate':
      return writeCertificate(out, message.certificate)
    case 'pbftViewChange':
      writeSigned(out, message.vote)
      return writeViewChangeContent(out, message)
    case 'pbftNewView':
      writeSigned(out, message.vote)
      out.u32(message.viewChanges.length)
      for (const viewChange of message.viewChanges) {
        writeSigned(out, viewChange.vote)
        writeViewChangeContent(out, viewChange)
      }
      return writeOrder(out, message.order)
    case 'pbftStatus':
      out.u32(message.epoch).u64(message.view).u8(Number(message.active)).u64(message.lastIndex)
      out
        .u64(message.stableIndex)
        .u8(Number(message.wantsEntries))
        .u8(Number(message.wantsSnapshot))
        .bytes(message.slots)
      return
    case 'pbftFetch':
      out.u32(message.epoch).u64(message.sequence).raw(message.digest)
      return
    case 'pbftValue':
      out.u32(message.epoch).u64(message.sequence)
      return writeValue(out, message.value)
    case 'pbftDecided':
      out.u64(message.lastIndex).u32(message.entries.length)
      for (const entry of message.entries) writeEntry(out, entry)
      return
    case 'pbftOffer':
      writeOffer(out, message.snapshot)
      writeCertificate(out, message.certificate)
      return writeSteps(out, message.steps)
    case 'pbftEvidence':
      out.bytes(encodeEvidence(message.evidence))
      return
    default:
      unreachable(message, 'message type')
  }
}

function readMessage(reader: ByteReader, type: PbftMessage['type']): PbftMessage {
  switch (type) {
    case 'pbftPrePrepare':
      return { type, vote: readSigned(reader), value: readValue(reader) }
    case 'pbftVote':
      return { type, vote: readSigned(reader) }
    case 'pbftCertificate':
      return { type, certificate: readCertificate(reader) }
    case 'pbftViewChange':
      return readViewChange(reader)
    case 'pbftNewView':
      return readNewView(reader)
    case 'pbftStatus': {
      const place = { epoch: reader.u32() as Epoch, view: reader.u64() as ViewNumber, active: reader.flag() }
      const indexes = { lastIndex: reader.u64() as LogIndex, stableIndex: reader.u64() as LogIndex }
      const wants = { wantsEntries: reader.flag(), wantsSnapshot: reader.flag() }
      return { type, ...place, ...indexes, ...wants, slots: reader.bytes() }
    }
    case 'pbftFetch':
      return { type, epoch: reader.u32() as Epoch, sequence: reader.u64() as SequenceNumber, digest: reader.raw(32) }
    case 'pbftValue':
      return { type, epoch: reader.u32() as Epoch, sequence: reader.u64() as SequenceNumber, value: readValue(reader) }
    case 'pbftDecided': {
      const lastIndex = reader.u64() as LogIndex
      return { type, lastIndex, entries: readMany(reader, readEntry) }
    }
    case 'pbftOffer':
      return { type, snapshot: readOffer(reader), certificate: readCertificate(reader), steps: readSteps(reader) }
    case 'pbftEvidence':
      return { type, evidence: decodeEvidence(reader.bytes()) }
    default:
      return unreachable(type, 'message type')
  }
}

function readViewChange(reader: ByteReader): ViewChange {
  const vote = readSigned(reader)
  const stable = reader.flag() ? readCertificate(reader) : null
  return { type: 'pbftViewChange', vote, stable, prepared: readMany<Certificate>(reader, readCertificate) }
}

function readNewView(reader: ByteReader): NewView {
  const vote = readSigned(reader)
  const viewChanges = readMany(reader, readViewChange)
  const order = readMany<OrderedSlot>(reader, (inner) => ({
    sequence: inner.u64() as SequenceNumber,
    digest: inner.raw(32),
  }))
  return { type: 'pbftNewView', vote, viewChanges, order }
}

function writeValue(out: ByteWriter, { timestampMs, kind, batchDigest, body }: Value): void {
  out.u64(timestampMs).u8(KINDS.indexOf(kind)).raw(batchDigest).bytes(body)
}

function readValue(reader: ByteReader): Value {
  const timestampMs = reader.u64()
  const kind = KINDS[reader.u8()]
  if (kind === undefined) throw new KnhkError('ProtocolViolation', 'a value of an unknown kind')
  return { timestampMs, kind, batchDigest: reader.raw(32), body: reader.bytes() }
}

/** A counted list. */
function readMany<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.u32()
  if (count > ITEMS_MAX) throw new KnhkError('ProtocolViolation', `a message holds at most ${ITEMS_MAX} items`)
  return Array.from({ length: count }, () => read(reader))
}
