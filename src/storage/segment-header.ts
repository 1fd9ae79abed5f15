/**
 * A segment file: its name and the header that it starts with. The header binds the file to its
 * cluster, node and incarnation, and to the segment before it; its checksum seeds the checksums of
 * all frames in the file, so a block that strays here from another file never passes for a frame.
 * docs/data-directory.md has the layout.
 */
import { crc32 } from 'node:zlib'
import { bytesEqual, readU32, readU64, toUtf8, writeU32, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

export const SEGMENT_HEADER_BYTES = 192
export const FIRST_SEGMENT = 1
export const SEGMENT_BYTES_MAX = 64 * 1024 * 1024
const FORMAT_VERSION = 1
const MAGIC = toUtf8('knhk-seg')
const CLUSTER_ID_AT = 48
const INCARNATION_AT = 64
const NODE_ID_AT = 80
const NODE_ID_BYTES_MAX = 64
const CRC_AT = SEGMENT_HEADER_BYTES - 4
const FLAG_AFTER_DAMAGE = 1

/** Whose journal this is. */
export interface JournalIdentity {
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly nodeId: string
  /** 16 random bytes, new whenever the member starts on an empty disk. */
  readonly incarnation: Uint8Array
}

/** A place in the journal. */
export interface Place {
  readonly segment: number
  readonly offset: number
}

export interface SegmentHeader extends JournalIdentity {
  readonly segment: number
  /** Sequence number of the first frame in this segment. */
  readonly firstSequence: number
  /** Checksum of the frame before that one; 0 in the first segment. */
  readonly previousCrc: number
  /** Set where damage lies before this segment: the journal goes on here from the end of its sound part. */
  readonly resumesFrom: Place | null
}

export function sameIdentity(a: JournalIdentity, b: JournalIdentity): boolean {
  return a.nodeId === b.nodeId && bytesEqual(a.clusterId, b.clusterId) && bytesEqual(a.incarnation, b.incarnation)
}

export function segmentName(segment: number): string {
  return `${segment.toString(16).padStart(16, '0')}.seg`
}

/** The number in a segment's file name; null for any other name. */
export function parseSegmentName(name: string): number | null {
  if (!/^[0-9a-f]{16}\.seg$/.test(name)) return null
  const segment = Number.parseInt(name.slice(0, 16), 16)
  return Number.isSafeInteger(segment) ? segment : null
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const nodeId = toUtf8(header.nodeId)
  if (nodeId.length === 0 || nodeId.length > NODE_ID_BYTES_MAX)
    throw new KnhkError('InvalidArgument', 'a node id has 1 to 64 bytes')
  const out = new Uint8Array(SEGMENT_HEADER_BYTES)
  out.set(MAGIC)
  writeU32(out, 8, FORMAT_VERSION)
  writeU32(out, 12, header.resumesFrom === null ? 0 : FLAG_AFTER_DAMAGE)
  writeU64(out, 16, header.segment)
  writeU64(out, 24, header.firstSequence)
  writeU32(out, 32, header.previousCrc)
  writeU32(out, 36, header.resumesFrom?.offset ?? 0)
  writeU64(out, 40, header.resumesFrom?.segment ?? 0)
  out.set(header.clusterId, CLUSTER_ID_AT)
  out.set(header.incarnation, INCARNATION_AT)
  out[NODE_ID_AT] = nodeId.length
  out.set(nodeId, NODE_ID_AT + 1)
  writeU32(out, CRC_AT, headerChecksum(out))
  return out
}

/** The seed of all frame checksums in a segment. */
export function frameSeed(header: Uint8Array): number {
  return readU32(header, CRC_AT)
}

/** What the checksum in a header should be. */
export function headerChecksum(header: Uint8Array): number {
  return crc32(header.subarray(0, CRC_AT))
}

/** Decodes a header; null where it is damaged. A sound header of a newer format throws `UnsupportedFormat`. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | null {
  if (bytes.length !== SEGMENT_HEADER_BYTES) return null
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return null
  if (frameSeed(bytes) !== headerChecksum(bytes)) return null
  const version = readU32(bytes, 8)
  const flags = readU32(bytes, 12)
  if (version !== FORMAT_VERSION || flags > FLAG_AFTER_DAMAGE) {
    throw new KnhkError('UnsupportedFormat', `a log segment has format version ${version}, flags ${flags}`)
  }
  const nodeIdLength = bytes[NODE_ID_AT] as number
  if (nodeIdLength > NODE_ID_BYTES_MAX) return null
  return {
    segment: readU64(bytes, 16),
    firstSequence: readU64(bytes, 24),
    previousCrc: readU32(bytes, 32),
    resumesFrom: flags === FLAG_AFTER_DAMAGE ? { segment: readU64(bytes, 40), offset: readU32(bytes, 36) } : null,
    clusterId: bytes.slice(CLUSTER_ID_AT, CLUSTER_ID_AT + 16),
    incarnation: bytes.slice(INCARNATION_AT, INCARNATION_AT + 16),
    nodeId: String.fromCharCode(...bytes.subarray(NODE_ID_AT + 1, NODE_ID_AT + 1 + nodeIdLength)),
  }
}
