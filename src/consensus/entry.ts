/**
 * A log entry: a batch of client requests behind one fixed header that all protocols share.
 * The same header and body bytes lie on the disk and travel on the wire; nobody encodes them twice.
 *
 * Value against position: d = H(epoch, index, timestamp, batchDigest) names the value, the chain
 * chain(i) = H(chain(i−1), i, d) binds it to its whole past. The kind is inside the batch digest.
 * docs/wire-protocol.md has the layout; docs/decisions/0003-batch-digest.md says why a 16-ary tree.
 */
import { assert } from '../base/assert.js'
import { bytesEqual, readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { Epoch, LogIndex, Millis, Term } from './types.js'

/** Port: SHA-256 of `data`, 32 bytes. */
export type Sha256 = (data: Uint8Array) => Uint8Array

export type EntryKind = 'data' | 'membership' | 'mode' | 'evidence' | 'empty'
const KIND_CODES: Readonly<Record<EntryKind, number>> = { data: 1, membership: 2, mode: 3, evidence: 4, empty: 5 }
const KIND_NAMES: readonly (EntryKind | undefined)[] = [undefined, 'data', 'membership', 'mode', 'evidence', 'empty']

export const HASH_BYTES = 32
export const ENTRY_HEADER_BYTES = 176
const HEADER_VERSION = 1
/** chain(0): what the first entry of a cluster follows. */
export const GENESIS_CHAIN: Uint8Array = new Uint8Array(HASH_BYTES)

export interface EntryHeader {
  readonly epoch: Epoch
  readonly term: Term
  readonly index: LogIndex
  readonly timestampMs: Millis
  readonly kind: EntryKind
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the configuration in force, 32 bytes. */
  readonly configHash: Uint8Array
  readonly batchDigest: Uint8Array
  readonly previousChain: Uint8Array
  readonly chain: Uint8Array
}

export interface Entry extends EntryHeader {
  /** The header as it stands on disk and on the wire: `ENTRY_HEADER_BYTES` bytes. */
  readonly header: Uint8Array
  /** The framed requests, see `request-body.ts`; empty for kind `empty`. */
  readonly body: Uint8Array
  /** The proof that it was decided, beside the entry and unhashed; null in plain Raft. */
  readonly certificate: Uint8Array | null
}

/** d = H(0x10 | epoch | index | timestamp | batchDigest): the value that replicas vote on, wherever it lands. */
export function valueDigest(
  sha256: Sha256,
  position: { readonly epoch: Epoch; readonly index: LogIndex; readonly timestampMs: Millis },
  batchDigest: Uint8Array,
): Uint8Array {
  const value = new Uint8Array(1 + 4 + 8 + 8 + HASH_BYTES)
  value[0] = 0x10
  writeU32(value, 1, position.epoch)
  writeU64(value, 5, position.index)
  writeU64(value, 13, position.timestampMs)
  value.set(batchDigest, 21)
  return sha256(value)
}

/** chain(i) = H(0x11 | chain(i−1) | i | d(i)). */
export function computeChain(
  sha256: Sha256,
  previousChain: Uint8Array,
  position: { readonly epoch: Epoch; readonly index: LogIndex; readonly timestampMs: Millis },
  batchDigest: Uint8Array,
): Uint8Array {
  const link = new Uint8Array(1 + HASH_BYTES + 8 + HASH_BYTES)
  link[0] = 0x11
  link.set(previousChain, 1)
  writeU64(link, 33, position.index)
  link.set(valueDigest(sha256, position, batchDigest), 41)
  return sha256(link)
}

/** Makes an entry from its fields: computes the chain and encodes the header once. */
export function makeEntry(
  sha256: Sha256,
  fields: Omit<EntryHeader, 'chain'>,
  body: Uint8Array,
  certificate: Uint8Array | null = null,
): Entry {
  assert(fields.index > 0, 'the first entry has index 1')
  const chain = computeChain(sha256, fields.previousChain, fields, fields.batchDigest)
  const header = new Uint8Array(ENTRY_HEADER_BYTES)
  header[0] = HEADER_VERSION
  header[1] = KIND_CODES[fields.kind]
  writeU32(header, 4, fields.epoch)
  writeU64(header, 8, fields.term)
  writeU64(header, 16, fields.index)
  writeU64(header, 24, fields.timestampMs)
  header.set(fields.clusterId, 32)
  header.set(fields.configHash, 48)
  header.set(fields.batchDigest, 80)
  header.set(fields.previousChain, 112)
  header.set(chain, 144)
  return { ...fields, chain, header, body, certificate }
}

/** Decodes a header strictly; the hash fields are views into `header`. Throws `ProtocolViolation`. */
export function decodeEntry(header: Uint8Array, body: Uint8Array, certificate: Uint8Array | null = null): Entry {
  if (header.length !== ENTRY_HEADER_BYTES)
    throw new KnhkError('ProtocolViolation', 'an entry header has the wrong length')
  if (header[0] !== HEADER_VERSION)
    throw new KnhkError('ProtocolViolation', `entry header version ${header[0]} is unknown`)
  const kind = KIND_NAMES[header[1] as number]
  if (kind === undefined) throw new KnhkError('ProtocolViolation', `entry kind ${header[1]} is unknown`)
  if (header[2] !== 0 || header[3] !== 0)
    throw new KnhkError('ProtocolViolation', 'reserved bytes of an entry header are set')
  return {
    epoch: readU32(header, 4) as Epoch,
    term: readU64(header, 8) as Term,
    index: readU64(header, 16) as LogIndex,
    timestampMs: readU64(header, 24),
    kind,
    clusterId: header.subarray(32, 48),
    configHash: header.subarray(48, 80),
    batchDigest: header.subarray(80, 112),
    previousChain: header.subarray(112, 144),
    chain: header.subarray(144, 176),
    header,
    body,
    certificate,
  }
}

/** True when the chain in the header is the one that its fields give. The body is checked by `computeBatchDigest`. */
export function verifyChain(sha256: Sha256, entry: EntryHeader): boolean {
  return bytesEqual(entry.chain, computeChain(sha256, entry.previousChain, entry, entry.batchDigest))
}
