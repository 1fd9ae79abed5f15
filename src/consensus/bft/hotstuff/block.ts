/**
 * Blocks of chained HotStuff (Yin et al., PODC 2019, section 5). A block's hash covers its header, and
 * the header names its whole past (parent, the round of the parent), its place in the log and the
 * digest of its payload. The signatures that justify it travel beside the header: no identity is ever
 * derived from signature bytes.
 *
 * `index` is the log index that the next entry after the parent takes: a block with a payload takes it,
 * an empty block (kind `empty`) takes none and hands it on.
 */
import { type ByteReader, ByteWriter, bytesEqual, toHex } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { computeBatchDigest } from '../../batch-digest.js'
import { type EntryKind, HASH_BYTES, type Sha256 } from '../../entry.js'
import type { LogBase } from '../../snapshot.js'
import type { Epoch, LogIndex, Millis, NodeId } from '../../types.js'
import type { SignContext } from '../statement.js'

/** A leader whose round failed, by its place in the configuration. */
export interface Failure {
  readonly replica: number
  /** The round of the block that noticed last. */
  readonly round: number
  /** How often before, 0 to 255. */
  readonly strikes: number
}

export interface BlockHeader {
  readonly epoch: Epoch
  readonly round: number
  /** 0 for the first block of an epoch, then one more than the parent's. */
  readonly height: number
  readonly parentHash: Uint8Array
  /** The round of the parent, which the certificate that justifies the block proves. */
  readonly parentRound: number
  readonly index: LogIndex
  readonly kind: EntryKind
  /** Of a block with a payload; an empty block repeats its parent's. */
  readonly timestampMs: Millis
  readonly batchDigest: Uint8Array
  /** Ascending by replica: whose rounds failed lately, up to this block. */
  readonly failures: readonly Failure[]
  readonly proposer: NodeId
}

/** A header and its hash. */
export interface HashedHeader {
  readonly header: BlockHeader
  readonly hash: Uint8Array
  /** The hash in hexadecimal: its name in maps. */
  readonly key: string
}

const VERSION = 1
const BLOCK_DOMAIN = 'knhk/hotstuff/block/1'
const GENESIS_DOMAIN = 'knhk/hotstuff/genesis/1'
const KINDS: readonly (EntryKind | undefined)[] = [undefined, 'data', 'membership', 'mode', 'evidence', 'empty']
const FAILURES_MAX = 64
export const EMPTY_BODY: Uint8Array = new Uint8Array(0)

export function writeHeader(out: ByteWriter, header: BlockHeader): void {
  out.u8(VERSION).u32(header.epoch).u64(header.round).u64(header.height).raw(header.parentHash)
  out.u64(header.parentRound).u64(header.index).u8(KINDS.indexOf(header.kind)).u64(header.timestampMs)
  out.raw(header.batchDigest).u8(header.failures.length)
  for (const { replica, round, strikes } of header.failures) out.u8(replica).u64(round).u8(strikes)
  out.text(header.proposer)
}

/** Throws `ProtocolViolation`. */
export function readHeader(reader: ByteReader): BlockHeader {
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a block of an unknown version')
  const epoch = reader.u32() as Epoch
  const round = reader.u64()
  const height = reader.u64()
  const parentHash = reader.raw(HASH_BYTES)
  const parentRound = reader.u64()
  const index = reader.u64() as LogIndex
  const kind = KINDS[reader.u8()]
  const timestampMs = reader.u64()
  const batchDigest = reader.raw(HASH_BYTES)
  const count = reader.u8()
  if (kind === undefined || count > FAILURES_MAX)
    throw new KnhkError('ProtocolViolation', 'a block of an unknown kind or with too many failures')
  const failures = Array.from({ length: count }, () => ({
    replica: reader.u8(),
    round: reader.u64(),
    strikes: reader.u8(),
  }))
  const proposer = reader.text() as NodeId
  return { epoch, round, height, parentHash, parentRound, index, kind, timestampMs, batchDigest, failures, proposer }
}

export function hashHeader(sha256: Sha256, header: BlockHeader): HashedHeader {
  const out = new ByteWriter(256)
  out.text(BLOCK_DOMAIN)
  writeHeader(out, header)
  return named(header, sha256(out.finish()))
}

/**
 * What the first block of an epoch follows: it stands for the log up to `origin` and for the
 * configuration of the epoch. It has height −1 and round 0, and needs no votes.
 */
export function genesisOf(
  sha256: Sha256,
  context: SignContext,
  epoch: Epoch,
  origin: Pick<LogBase, 'index' | 'chain' | 'timestampMs'>,
): HashedHeader {
  const out = new ByteWriter(256)
  out.text(GENESIS_DOMAIN).raw(context.clusterId).raw(context.configHash).u32(epoch)
  out.u64(origin.index).raw(origin.chain).u64(origin.timestampMs)
  const header: BlockHeader = {
    epoch,
    round: 0,
    height: -1,
    parentHash: new Uint8Array(HASH_BYTES),
    parentRound: 0,
    index: (origin.index + 1) as LogIndex,
    kind: 'empty',
    timestampMs: origin.timestampMs,
    batchDigest: new Uint8Array(HASH_BYTES),
    failures: [],
    proposer: '' as NodeId,
  }
  return named(header, sha256(out.finish()))
}

function named(header: BlockHeader, hash: Uint8Array): HashedHeader {
  return { header, hash, key: toHex(hash) }
}

/** True when the block becomes an entry of the log. */
export function hasPayload({ kind }: BlockHeader): boolean {
  return kind !== 'empty'
}

/** The index that a child of this block is given. */
export function indexAfter(header: BlockHeader): LogIndex {
  return (hasPayload(header) ? header.index + 1 : header.index) as LogIndex
}

/** What is wrong with a header as the child of `parent`; null when nothing is. */
export function linkProblem(header: BlockHeader, parent: HashedHeader): string | null {
  if (!bytesEqual(header.parentHash, parent.hash)) return 'another parent'
  if (header.epoch !== parent.header.epoch) return 'another epoch'
  if (header.round <= parent.header.round || header.parentRound !== parent.header.round) return 'rounds do not grow'
  if (header.height !== parent.header.height + 1) return 'the height does not follow'
  if (header.index !== indexAfter(parent.header)) return 'the index does not follow'
  if (header.timestampMs < parent.header.timestampMs) return 'time goes back'
  if (!hasPayload(header) && header.timestampMs !== parent.header.timestampMs) return 'an empty block has a time'
  return null
}

/** True when the payload is the one that the header names. False where its framing is broken. */
export function bodyMatches(sha256: Sha256, { kind, batchDigest }: BlockHeader, body: Uint8Array): boolean {
  if (kind === 'empty' && body.length > 0) return false
  try {
    return bytesEqual(computeBatchDigest(sha256, kind, body), batchDigest)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return false
    throw error
  }
}
