/**
 * The hybrid's messages as bytes: one type byte, then a fixed layout. Decoding is strict: what is accepted
 * encodes to the same bytes again. Headers and bodies of entries are never re-encoded.
 */
import { unreachable } from '../../base/assert.js'
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { readCertificate, writeCertificate } from '../bft/certificate.js'
import { decodeEvidence, encodeEvidence } from '../bft/evidence.js'
import { decodePbft, encodePbft } from '../bft/pbft/codec.js'
import { readSigned, writeSigned } from '../bft/statement.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry } from '../entry.js'
import type { AppendEntries, AppendEntriesReply, RequestVote, RequestVoteReply } from '../raft/messages.js'
import { readOffer, writeOffer } from '../snapshot-codec.js'
import type { Epoch, LogIndex, Term } from '../types.js'
import { readHistory, writeHistory } from './abort-history.js'
import { readLinks, writeLinks } from './epoch-links.js'
import { readHeaders, writeHeaders } from './headers.js'
import type { HybridMessage } from './messages.js'
import { optional, readList, readOptional, readPosition, readTerm, writePosition, writeTerm } from './positions.js'
import { readSwitch, writeSwitch } from './switch-certificate.js'

/** First byte of every message; 0x60 to 0x6e are the hybrid's. */
export const HYBRID_CODES = {
  hybridAppend: 0x60,
  hybridAck: 0x61,
  hybridVoteRequest: 0x62,
  hybridGrant: 0x63,
  hybridTerm: 0x64,
  hybridCommit: 0x65,
  hybridHeld: 0x66,
  hybridVote: 0x67,
  hybridEvidence: 0x68,
  hybridHistory: 0x69,
  hybridHandOver: 0x6a,
  hybridSwitch: 0x6b,
  hybridFetch: 0x6c,
  hybridEntries: 0x6d,
  hybridCheckpoint: 0x6e,
} as const satisfies Record<HybridMessage['type'], number>

const TYPES = new Map<number, HybridMessage['type']>(
  (Object.keys(HYBRID_CODES) as HybridMessage['type'][]).map((type) => [HYBRID_CODES[type], type]),
)
/** Entries in one message. */
export const ENTRIES_MAX = 1024
const COPIED_BYTES_MAX = 16_384

export function isHybrid(message: { readonly type: string }): message is HybridMessage {
  return Object.hasOwn(HYBRID_CODES, message.type)
}

export function isHybridCode(code: number | undefined): boolean {
  return code !== undefined && TYPES.has(code)
}

export function encodeHybrid(message: HybridMessage): Uint8Array {
  const out = new ByteWriter(512).u8(HYBRID_CODES[message.type])
  writeMessage(out, message)
  return out.finish()
}

/** Throws `ProtocolViolation` unless `bytes` are exactly one message. Bodies and hashes are views into `bytes`. */
export function decodeHybrid(bytes: Uint8Array): HybridMessage {
  const reader = new ByteReader(bytes)
  const type = TYPES.get(reader.u8())
  if (type === undefined) throw new KnhkError('ProtocolViolation', 'a message of the hybrid of an unknown type')
  const message = readMessage(reader, type)
  reader.end()
  return message
}

function writeMessage(out: ByteWriter, message: HybridMessage): void {
  switch (message.type) {
    case 'hybridAppend':
      writeAppend(out, message.append)
      writeSigned(out, message.header)
      optional(out, message.termCertificate, writeTerm)
      optional(out, message.commit, writeCertificate)
      optional(out, message.proof, writeCertificate)
      out.u8(Number(message.collects))
      return writeHeaders(out, message.bridge)
    case 'hybridAck':
      writeReply(out, message.reply)
      optional(out, message.ack, writeSigned)
      return optional(out, message.held, writeSigned)
    case 'hybridVoteRequest':
      writeRequest(out, message.request)
      writePosition(out, message.tip)
      optional(out, message.termCertificate, writeTerm)
      optional(out, message.header, writeSigned)
      optional(out, message.commit, writeCertificate)
      return writeHeaders(out, message.headers)
    case 'hybridGrant': {
      const { epoch, term, granted, wallMs } = message.reply
      out.u32(epoch).u64(term).u8(Number(granted)).u64(wallMs)
      return optional(out, message.grant, writeSigned)
    }
    case 'hybridTerm':
      out.u32(message.epoch)
      return writeTerm(out, message.termCertificate)
    case 'hybridCommit':
      out.u32(message.epoch)
      writeCertificate(out, message.commit)
      optional(out, message.proof, writeCertificate)
      out.u8(Number(message.collects))
      return
    case 'hybridHeld':
      out.u32(message.epoch).u8(Number(message.waits))
      return optional(out, message.held, writeSigned)
    case 'hybridVote':
      return writeSigned(out, message.vote)
    case 'hybridEvidence':
      out.bytes(encodeEvidence(message.evidence))
      return
    case 'hybridHistory':
      return writeHistory(out, message.history)
    case 'hybridHandOver':
      out.u32(message.epoch).bytes(encodePbft(message.message))
      return
    case 'hybridSwitch':
      return writeSwitch(out, message.certificate)
    case 'hybridFetch':
      out.u32(message.epoch).u64(message.from).u64(message.upTo)
      return
    case 'hybridEntries':
      out.u32(message.epoch)
      return writeEntries(out, message.entries)
    case 'hybridCheckpoint':
      out.u32(message.epoch).u64(message.leads)
      optional(out, message.own, writeSigned)
      optional(out, message.certificate, writeCertificate)
      optional(out, message.snapshot, writeOffer)
      optional(out, message.proof, (inner, bytes) => inner.bytes(bytes))
      optional(out, message.commit, writeCertificate)
      return writeLinks(out, message.links)
    default:
      unreachable(message, 'message type')
  }
}

function readMessage(reader: ByteReader, type: HybridMessage['type']): HybridMessage {
  switch (type) {
    case 'hybridAppend': {
      const append = readAppend(reader)
      const header = readSigned(reader)
      const termCertificate = readOptional(reader, readTerm)
      const commit = readOptional(reader, readCertificate)
      const proof = readOptional(reader, readCertificate)
      const collects = reader.flag()
      return { type, append, header, termCertificate, commit, proof, collects, bridge: readHeaders(reader) }
    }
    case 'hybridAck': {
      const reply = readReply(reader)
      return { type, reply, ack: readOptional(reader, readSigned), held: readOptional(reader, readSigned) }
    }
    case 'hybridVoteRequest': {
      const request = readRequest(reader)
      const tip = readPosition(reader)
      const termCertificate = readOptional(reader, readTerm)
      const header = readOptional(reader, readSigned)
      const commit = readOptional(reader, readCertificate)
      return { type, request, tip, termCertificate, header, commit, headers: readHeaders(reader) }
    }
    case 'hybridGrant':
      return { type, reply: readVoteReply(reader), grant: readOptional(reader, readSigned) }
    case 'hybridTerm':
      return { type, epoch: reader.u32() as Epoch, termCertificate: readTerm(reader) }
    case 'hybridCommit': {
      const epoch = reader.u32() as Epoch
      const commit = readCertificate(reader)
      return { type, epoch, commit, proof: readOptional(reader, readCertificate), collects: reader.flag() }
    }
    case 'hybridHeld':
      return { type, epoch: reader.u32() as Epoch, waits: reader.flag(), held: readOptional(reader, readSigned) }
    case 'hybridVote':
      return { type, vote: readSigned(reader) }
    case 'hybridEvidence':
      return { type, evidence: decodeEvidence(reader.bytes()) }
    case 'hybridHistory':
      return { type, history: readHistory(reader) }
    case 'hybridHandOver':
      return { type, epoch: reader.u32() as Epoch, message: decodePbft(reader.bytes()) }
    case 'hybridSwitch':
      return { type, certificate: readSwitch(reader) }
    case 'hybridFetch':
      return { type, epoch: reader.u32() as Epoch, from: reader.u64() as LogIndex, upTo: reader.u64() as LogIndex }
    case 'hybridEntries':
      return { type, epoch: reader.u32() as Epoch, entries: readEntries(reader) }
    case 'hybridCheckpoint':
      return {
        type,
        epoch: reader.u32() as Epoch,
        leads: reader.u64() as Term,
        own: readOptional(reader, readSigned),
        certificate: readOptional(reader, readCertificate),
        snapshot: readOptional(reader, readOffer),
        proof: readOptional(reader, (inner) => inner.bytes()),
        commit: readOptional(reader, readCertificate),
        links: readLinks(reader),
      }
    default:
      return unreachable(type, 'message type')
  }
}

export function writeEntries(out: ByteWriter, entries: readonly Entry[]): void {
  out.u32(entries.length)
  for (const { header, body, certificate } of entries) {
    out.raw(header).bytes(body)
    optional(out, certificate, (inner, bytes) => inner.bytes(bytes))
  }
}

/** A small body would keep what it came in in memory; a large one is most of it. */
function kept(body: Uint8Array): Uint8Array {
  return body.length < COPIED_BYTES_MAX ? body.slice() : body
}

/** Throws `ProtocolViolation`. */
export function readEntries(reader: ByteReader): Entry[] {
  return readList(reader, ENTRIES_MAX, (inner) => {
    const header = inner.raw(ENTRY_HEADER_BYTES).slice()
    const body = kept(inner.bytes())
    return decodeEntry(
      header,
      body,
      readOptional(inner, (certificate) => certificate.bytes().slice()),
    )
  })
}

function writeAppend(out: ByteWriter, append: AppendEntries): void {
  out.u32(append.epoch).u64(append.term).u64(append.prevIndex).u32(append.prevEpoch).u64(append.prevTerm)
  out.u64(append.commitIndex).u64(append.readPosition)
  writeEntries(out, append.entries)
}

function readAppend(reader: ByteReader): AppendEntries {
  return {
    type: 'appendEntries',
    epoch: reader.u32() as Epoch,
    term: reader.u64() as Term,
    prevIndex: reader.u64() as LogIndex,
    prevEpoch: reader.u32() as Epoch,
    prevTerm: reader.u64() as Term,
    commitIndex: reader.u64() as LogIndex,
    readPosition: reader.u64(),
    entries: readEntries(reader),
  }
}

function writeReply(out: ByteWriter, reply: AppendEntriesReply): void {
  out.u32(reply.epoch).u64(reply.term).u8(Number(reply.success)).u64(reply.prevIndex).u64(reply.matchIndex)
  out.u64(reply.hintIndex).u32(reply.hintEpoch).u64(reply.hintTerm).u64(reply.readPosition).u64(reply.wallMs)
}

function readReply(reader: ByteReader): AppendEntriesReply {
  return {
    type: 'appendEntriesReply',
    epoch: reader.u32() as Epoch,
    term: reader.u64() as Term,
    success: reader.flag(),
    prevIndex: reader.u64() as LogIndex,
    matchIndex: reader.u64() as LogIndex,
    hintIndex: reader.u64() as LogIndex,
    hintEpoch: reader.u32() as Epoch,
    hintTerm: reader.u64() as Term,
    readPosition: reader.u64(),
    wallMs: reader.u64(),
  }
}

function writeRequest(out: ByteWriter, request: RequestVote): void {
  out.u32(request.epoch).u64(request.term).u64(request.lastIndex).u32(request.lastEpoch).u64(request.lastTerm)
  out.u8(Number(request.transfer))
}

function readRequest(reader: ByteReader): RequestVote {
  return {
    type: 'requestVote',
    epoch: reader.u32() as Epoch,
    term: reader.u64() as Term,
    lastIndex: reader.u64() as LogIndex,
    lastEpoch: reader.u32() as Epoch,
    lastTerm: reader.u64() as Term,
    transfer: reader.flag(),
  }
}

function readVoteReply(reader: ByteReader): RequestVoteReply {
  const epoch = reader.u32() as Epoch
  const term = reader.u64() as Term
  return { type: 'requestVoteReply', epoch, term, granted: reader.flag(), wallMs: reader.u64() }
}
