/**
 * HotStuff's messages as bytes, strict and canonical: whatever is accepted encodes to the same bytes
 * again. The same form lies in `block` records on disk. The first byte names the type, 0x50 to 0x5f.
 */
import { ByteReader, ByteWriter, bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { HASH_BYTES } from '../../entry.js'
import { readOffer, writeOffer } from '../../snapshot-codec.js'
import type { Epoch, LogIndex } from '../../types.js'
import { readCertificate, writeCertificate } from '../certificate.js'
import { readEntry, readSteps, writeEntry, writeSteps } from '../entry-codec.js'
import { readSigned, SIGNATURE_BYTES, type SignedStatement, writeSigned } from '../statement.js'
import { readHeader, writeHeader } from './block.js'
import { readTc, type Tc, writeTc } from './certificates.js'
import type { BlockParts, HotStuffMessage, SignedHeader } from './messages.js'

export type { HotStuffMessage } from './messages.js'

const CODES: Readonly<Record<HotStuffMessage['type'], number>> = {
  hsProposal: 0x50,
  hsVote: 0x51,
  hsTimeout: 0x52,
  hsAdvance: 0x53,
  hsFetchBlocks: 0x54,
  hsBlocks: 0x55,
  hsStatus: 0x56,
  hsFetchEntries: 0x57,
  hsEntries: 0x58,
  hsSnapshot: 0x59,
  hsCheckpoint: 0x5a,
  hsEvidence: 0x5b,
  hsEpochEnd: 0x5c,
  hsRejoin: 0x5d,
  hsStanding: 0x5e,
}
const NAMES = new Map(Object.entries(CODES).map(([name, code]) => [code, name as HotStuffMessage['type']]))
/** Blocks or entries in one answer. */
const ITEMS_MAX = 4096

export function encodeHotStuff(message: HotStuffMessage): Uint8Array {
  const out = new ByteWriter(512)
  out.u8(CODES[message.type])
  write(out, message)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one message in its only form. */
export function decodeHotStuff(bytes: Uint8Array): HotStuffMessage {
  const reader = new ByteReader(bytes)
  const type = NAMES.get(reader.u8())
  if (type === undefined) throw new KnhkError('ProtocolViolation', 'a HotStuff message of an unknown type')
  const message = read(reader, type)
  reader.end()
  if (!bytesEqual(encodeHotStuff(message), bytes))
    throw new KnhkError('ProtocolViolation', 'a HotStuff message is not in its canonical form')
  return message
}

function write(out: ByteWriter, message: HotStuffMessage): void {
  switch (message.type) {
    case 'hsProposal':
      return writeBlock(out, message)
    case 'hsVote':
      return writeSigned(out, message.vote)
    case 'hsTimeout':
      writeSigned(out, message.timeout)
      writeCertificate(out, message.highQc)
      writeOptional(out, message.tc, writeTc)
      writeOptional(out, message.lastVote, writeSigned)
      return writeOptional(out, message.lastBlock, writeSignedHeader)
    case 'hsAdvance':
      writeCertificate(out, message.qc)
      return writeOptional(out, message.tc, writeTc)
    case 'hsFetchBlocks':
      out.u32(message.epoch).raw(message.hash).u64(message.height)
      return
    case 'hsBlocks':
      out.u32(message.epoch).raw(message.hash).u64(message.committedIndex).u16(message.blocks.length)
      for (const block of message.blocks) writeBlock(out, block)
      return
    case 'hsStatus':
      out.u32(message.epoch).u64(message.round).u64(message.committedIndex).u8(Number(message.asks))
      return
    case 'hsFetchEntries':
      out.u32(message.epoch).u64(message.from)
      return
    case 'hsEntries':
      out.u32(message.epoch).u16(message.entries.length)
      for (const entry of message.entries) writeEntry(out, entry)
      return
    case 'hsSnapshot':
      writeOffer(out, message.snapshot)
      writeCertificate(out, message.checkpoint)
      out.bytes(message.proof)
      return writeSteps(out, message.steps)
    case 'hsCheckpoint':
      return writeSigned(out, message.checkpoint)
    case 'hsEpochEnd':
      return writeCertificate(out, message.checkpoint)
    case 'hsEvidence':
      out.u32(message.epoch).bytes(message.evidence)
      return
    case 'hsRejoin':
      out.u32(message.epoch).u64(message.nonce)
      return
    case 'hsStanding':
      out.u64(message.nonce).u64(message.committedIndex)
      writeCertificate(out, message.qc)
      return writeOptional(out, message.tc, writeTc)
  }
}

function read(reader: ByteReader, type: HotStuffMessage['type']): HotStuffMessage {
  switch (type) {
    case 'hsProposal':
      return { type, ...readBlock(reader) }
    case 'hsVote':
      return { type, vote: readSigned(reader) }
    case 'hsTimeout':
      return {
        type,
        timeout: readSigned(reader),
        highQc: readCertificate(reader),
        tc: readOptional(reader, readTc),
        lastVote: readOptional(reader, readSigned),
        lastBlock: readOptional(reader, readSignedHeader),
      }
    case 'hsAdvance':
      return { type, qc: readCertificate(reader), tc: readOptional(reader, readTc) }
    case 'hsFetchBlocks':
      return { type, epoch: reader.u32() as Epoch, hash: reader.raw(HASH_BYTES), height: reader.u64() }
    case 'hsBlocks': {
      const epoch = reader.u32() as Epoch
      const hash = reader.raw(HASH_BYTES)
      const committedIndex = reader.u64() as LogIndex
      return { type, epoch, hash, committedIndex, blocks: readItems(reader, readBlock) }
    }
    case 'hsStatus': {
      const epoch = reader.u32() as Epoch
      const round = reader.u64()
      return { type, epoch, round, committedIndex: reader.u64() as LogIndex, asks: reader.flag() }
    }
    case 'hsFetchEntries':
      return { type, epoch: reader.u32() as Epoch, from: reader.u64() as LogIndex }
    case 'hsEntries':
      return { type, epoch: reader.u32() as Epoch, entries: readItems(reader, readEntry) }
    case 'hsSnapshot': {
      const snapshot = readOffer(reader)
      const checkpoint = readCertificate(reader)
      return { type, snapshot, checkpoint, proof: reader.bytes(), steps: readSteps(reader) }
    }
    case 'hsCheckpoint':
      return { type, checkpoint: readSigned(reader) }
    case 'hsEpochEnd':
      return { type, checkpoint: readCertificate(reader) }
    case 'hsEvidence':
      return { type, epoch: reader.u32() as Epoch, evidence: reader.bytes() }
    case 'hsRejoin':
      return { type, epoch: reader.u32() as Epoch, nonce: reader.u64() }
    case 'hsStanding': {
      const nonce = reader.u64()
      const committedIndex = reader.u64() as LogIndex
      return { type, nonce, committedIndex, qc: readCertificate(reader), tc: readOptional(reader, readTc) }
    }
  }
}

function writeSignedHeader(out: ByteWriter, { header, signature }: SignedHeader): void {
  writeHeader(out, header)
  out.raw(signature)
}

function readSignedHeader(reader: ByteReader): SignedHeader {
  return { header: readHeader(reader), signature: reader.raw(SIGNATURE_BYTES) }
}

function writeBlock(out: ByteWriter, { header, body, justify, tc, signature }: BlockParts): void {
  writeHeader(out, header)
  out.bytes(body)
  writeCertificate(out, justify)
  writeOptional(out, tc, writeTc)
  out.raw(signature)
}

function readBlock(reader: ByteReader): BlockParts {
  const header = readHeader(reader)
  const body = reader.bytes()
  const justify = readCertificate(reader)
  const tc: Tc | null = readOptional(reader, readTc)
  return { header, body, justify, tc, signature: reader.raw(SIGNATURE_BYTES) }
}

function readItems<T>(reader: ByteReader, readOne: (reader: ByteReader) => T): T[] {
  const count = reader.u16()
  if (count > ITEMS_MAX) throw new KnhkError('ProtocolViolation', 'an answer with too many items')
  return Array.from({ length: count }, () => readOne(reader))
}

function writeOptional<T>(out: ByteWriter, value: T | null, writeOne: (out: ByteWriter, value: T) => void): void {
  out.u8(value === null ? 0 : 1)
  if (value !== null) writeOne(out, value)
}

function readOptional<T>(reader: ByteReader, readOne: (reader: ByteReader) => T): T | null {
  return reader.flag() ? readOne(reader) : null
}

/** The form of a signed statement, for what is stored of it. */
export function writeOptionalSigned(out: ByteWriter, signed: SignedStatement | null): void {
  writeOptional(out, signed, writeSigned)
}

export function readOptionalSigned(reader: ByteReader): SignedStatement | null {
  return readOptional(reader, readSigned)
}

export function writeOptionalTc(out: ByteWriter, tc: Tc | null): void {
  writeOptional(out, tc, writeTc)
}

export function readOptionalTc(reader: ByteReader): Tc | null {
  return readOptional(reader, readTc)
}

export function isHotStuff(message: { readonly type: string }): message is HotStuffMessage {
  return message.type in CODES
}

/** True for the first byte of a HotStuff message of this version. */
export function isHotStuffCode(code: number | undefined): boolean {
  return code !== undefined && NAMES.has(code)
}
