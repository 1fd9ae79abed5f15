/**
 * Raft's messages in wire form: one frame each, the frame type says which. Fixed layouts, all numbers
 * little-endian, see docs/wire-protocol.md. Decoding is strict: what is accepted encodes to the same
 * bytes again. Entries are never re-encoded: header and body go out, and come in, as the very bytes
 * that are stored and hashed.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter, readU32, writeU32, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { decodeEntry, ENTRY_HEADER_BYTES, type Entry, HASH_BYTES } from '../consensus/entry.js'
import { decodeMembership, encodeMembership } from '../consensus/membership.js'
import type { AppendEntries, RaftMessage } from '../consensus/raft/messages.js'
import { readOffer, writeOffer } from '../consensus/snapshot-codec.js'
import { type Epoch, epoch, type LogIndex, logIndex, readId, type Term, term } from '../consensus/types.js'

/** Frame types on links between peers. */
export const RAFT_FRAME = {
  preVote: 0x20,
  preVoteReply: 0x21,
  requestVote: 0x22,
  requestVoteReply: 0x23,
  appendEntries: 0x24,
  appendEntriesReply: 0x25,
  heartbeat: 0x26,
  heartbeatReply: 0x27,
  readIndexRequest: 0x28,
  readIndexReply: 0x29,
  timeoutNow: 0x2a,
  installSnapshot: 0x2b,
  installSnapshotReply: 0x2c,
  diverged: 0x2d,
  membershipHint: 0x2e,
} as const satisfies Record<RaftMessage['type'], number>

export interface EncodedMessage {
  readonly type: number
  /** The payload in pieces; entry headers and bodies stand in it as they are, not copied. */
  readonly parts: readonly Uint8Array[]
}

const COMMON_BYTES = 4 + 8
const APPEND_FIXED_BYTES = COMMON_BYTES + 4 + 4 * 8 + 4

export function encodeRaftMessage(message: RaftMessage): EncodedMessage {
  const type = RAFT_FRAME[message.type]
  if (message.type === 'appendEntries') return { type, parts: appendEntriesParts(message) }
  const out = new ByteWriter(COMMON_BYTES + 64)
  out.u32(message.epoch).u64(checked(message.term))
  writeFields(out, message)
  return { type, parts: [out.finish()] }
}

/** Null for a type that this version does not know. Throws `ProtocolViolation`. Entries are views into `payload`. */
export function decodeRaftMessage(type: number, payload: Uint8Array): RaftMessage | null {
  const reader = new ByteReader(payload)
  const name = MESSAGE_NAMES.get(type)
  if (name === undefined) return null
  const common = { epoch: epoch(reader.u32()), term: term(reader.u64()) }
  const message = readFields(reader, name, common)
  reader.end()
  return message
}

const MESSAGE_NAMES: ReadonlyMap<number, RaftMessage['type']> = new Map(
  Object.entries(RAFT_FRAME).map(([name, type]) => [type, name as RaftMessage['type']]),
)

function writeFields(out: ByteWriter, message: Exclude<RaftMessage, AppendEntries>): void {
  switch (message.type) {
    case 'preVote':
      out.u64(checked(message.round)).u64(message.lastIndex).u32(message.lastEpoch).u64(message.lastTerm)
      return
    case 'preVoteReply':
      out.u64(checked(message.round)).u8(Number(message.granted)).u64(checked(message.wallMs))
      return
    case 'requestVote':
      out.u64(message.lastIndex).u32(message.lastEpoch).u64(message.lastTerm).u8(Number(message.transfer))
      return
    case 'requestVoteReply':
      out.u8(Number(message.granted)).u64(checked(message.wallMs))
      return
    case 'appendEntriesReply':
      out.u8(Number(message.success)).u64(message.prevIndex).u64(message.matchIndex)
      out.u64(message.hintIndex).u32(message.hintEpoch).u64(message.hintTerm)
      out.u64(checked(message.readPosition)).u64(checked(message.wallMs))
      return
    case 'heartbeat':
      out
        .u64(message.commitIndex)
        .u64(message.acknowledgedIndex)
        .u64(message.lastIndex)
        .u64(checked(message.readPosition))
        .u8(Number(message.commitChain !== null))
      if (message.commitChain !== null) out.raw(message.commitChain)
      return
    case 'heartbeatReply':
      out.u64(checked(message.readPosition)).u64(checked(message.wallMs)).u64(message.digestIndex)
      out.u8(Number(message.stateDigest !== null))
      if (message.stateDigest !== null) out.raw(message.stateDigest)
      return
    case 'membershipHint':
      out.u64(message.record.index).bytes(encodeMembership(message.record.membership))
      return
    case 'diverged':
      out.u64(message.index).raw(message.stateDigest).u64(message.agreedIndex)
      return
    case 'readIndexRequest':
      out.u64(message.readId)
      return
    case 'readIndexReply':
      out.u64(message.readId).u64(message.index)
      return
    case 'timeoutNow':
      return
    case 'installSnapshot':
      writeOffer(out, message.snapshot)
      return
    case 'installSnapshotReply':
      out.u64(message.matchIndex).u64(checked(message.wallMs))
      return
  }
}

function readFields(
  reader: ByteReader,
  type: RaftMessage['type'],
  common: { readonly epoch: Epoch; readonly term: Term },
): RaftMessage {
  switch (type) {
    case 'preVote':
      return { type, ...common, round: reader.u64(), ...readLast(reader) }
    case 'preVoteReply':
      return { type, ...common, round: reader.u64(), granted: reader.flag(), wallMs: reader.u64() }
    case 'requestVote':
      return { type, ...common, ...readLast(reader), transfer: reader.flag() }
    case 'requestVoteReply':
      return { type, ...common, granted: reader.flag(), wallMs: reader.u64() }
    case 'appendEntries':
      return readAppendEntries(reader, common)
    case 'appendEntriesReply':
      return {
        type,
        ...common,
        success: reader.flag(),
        prevIndex: logIndex(reader.u64()),
        matchIndex: logIndex(reader.u64()),
        hintIndex: logIndex(reader.u64()),
        hintEpoch: epoch(reader.u32()),
        hintTerm: term(reader.u64()),
        readPosition: reader.u64(),
        wallMs: reader.u64(),
      }
    case 'heartbeat': {
      const positions = {
        commitIndex: logIndex(reader.u64()),
        acknowledgedIndex: logIndex(reader.u64()),
        lastIndex: logIndex(reader.u64()),
        readPosition: reader.u64(),
      }
      return { type, ...common, ...positions, commitChain: reader.flag() ? reader.raw(HASH_BYTES) : null }
    }
    case 'heartbeatReply': {
      const clocks = { readPosition: reader.u64(), wallMs: reader.u64() }
      const digestIndex = logIndex(reader.u64())
      return { type, ...common, ...clocks, digestIndex, stateDigest: reader.flag() ? reader.raw(HASH_BYTES) : null }
    }
    case 'membershipHint': {
      const index = logIndex(reader.u64())
      return { type, ...common, record: { index, membership: decodeMembership(reader.bytes()) } }
    }
    case 'diverged':
      return {
        type,
        ...common,
        index: logIndex(reader.u64()),
        stateDigest: reader.raw(HASH_BYTES),
        agreedIndex: logIndex(reader.u64()),
      }
    case 'readIndexRequest':
      return { type, ...common, readId: readId(reader.u64()) }
    case 'readIndexReply':
      return { type, ...common, readId: readId(reader.u64()), index: logIndex(reader.u64()) }
    case 'timeoutNow':
      return { type, ...common }
    case 'installSnapshot':
      return { type, ...common, snapshot: readOffer(reader) }
    case 'installSnapshotReply':
      return { type, ...common, matchIndex: logIndex(reader.u64()), wallMs: reader.u64() }
  }
}

/** The position of a candidate's last entry. */
function readLast(reader: ByteReader): { lastIndex: LogIndex; lastEpoch: Epoch; lastTerm: Term } {
  return { lastIndex: logIndex(reader.u64()), lastEpoch: epoch(reader.u32()), lastTerm: term(reader.u64()) }
}

/** Fixed fields, count and all body lengths in one piece; then header and body of each entry. */
function appendEntriesParts(message: AppendEntries): readonly Uint8Array[] {
  const { entries } = message
  const fixed = new Uint8Array(APPEND_FIXED_BYTES + 4 * entries.length)
  writeU32(fixed, 0, message.epoch)
  writeU64(fixed, 4, checked(message.term))
  writeU64(fixed, 12, message.prevIndex)
  writeU32(fixed, 20, message.prevEpoch)
  writeU64(fixed, 24, message.prevTerm)
  writeU64(fixed, 32, message.commitIndex)
  writeU64(fixed, 40, checked(message.readPosition))
  writeU32(fixed, 48, entries.length)
  const parts: Uint8Array[] = [fixed]
  let at = APPEND_FIXED_BYTES
  for (const { header, body } of entries) {
    assert(header.length === ENTRY_HEADER_BYTES, 'an entry header has its fixed length')
    writeU32(fixed, at, body.length)
    at += 4
    parts.push(header, body)
  }
  return parts
}

function readAppendEntries(reader: ByteReader, common: { readonly epoch: Epoch; readonly term: Term }): AppendEntries {
  const prevIndex = logIndex(reader.u64())
  const prevEpoch = epoch(reader.u32())
  const prevTerm = term(reader.u64())
  const commitIndex = logIndex(reader.u64())
  const readPosition = reader.u64()
  const count = reader.u32()
  // Checked before anything is allocated for them: each entry needs its length and its header.
  if (count * (4 + ENTRY_HEADER_BYTES) > reader.remaining) {
    throw new KnhkError('ProtocolViolation', 'a message ends before its entries')
  }
  const lengths = reader.raw(4 * count)
  const entries: Entry[] = []
  for (let i = 0; i < count; i++) {
    const header = reader.raw(ENTRY_HEADER_BYTES)
    entries.push(decodeEntry(header, reader.raw(readU32(lengths, 4 * i))))
  }
  return { type: 'appendEntries', ...common, prevIndex, prevEpoch, prevTerm, entries, commitIndex, readPosition }
}

/** The wire carries integers of 0 … 2^53 − 1; anything else would arrive as another number. */
function checked(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number on the wire is a non-negative safe integer')
  return value
}
