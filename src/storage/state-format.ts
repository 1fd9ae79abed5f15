/**
 * How the applied state lies in the database: data under 0x01, our own bookkeeping under 0x00, every
 * value behind a checksum over key and value. Each flush leaves a marker with its generation number;
 * markers with a hole between them mean that LevelDB lost a write in the middle.
 */
import { crc32 } from 'node:zlib'
import { ByteReader, ByteWriter, bytesEqual, readU32, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

const STATE_FORMAT_VERSION = 1
export const CRC_BYTES = 4
const DATA_PREFIX = '\x01'
export const DATA_KEYS_END = Buffer.from([2])
const MARKER_PREFIX = '\x00g'
const MARKER_KEYS_END = Buffer.from('\x00h', 'latin1')
export const POSITION_KEY = Buffer.from('\x00p', 'latin1')
export const DAMAGE_KEY = Buffer.from('\x00d', 'latin1')

/** There, synced, while the content is being replaced: what is in the store is neither old nor new. */
export const REPLACING_KEY = Buffer.from('\x00r', 'latin1')

/** Whose state it is: 16 and 16 bytes. */
export interface StateIdentity {
  readonly clusterId: Uint8Array
  readonly incarnation: Uint8Array
}

/** What the last flush says about the whole store. */
export interface StatePosition {
  /** Everything up to this log index is in the store. */
  readonly appliedIndex: number
  /** Number of the newest flush; 0 before the first. */
  readonly generation: number
  /** Number of the oldest flush whose marker is kept. */
  readonly firstMarker: number
}

export interface StateMarker {
  readonly generation: number
  readonly bytes: number
}

/** Binary string (one char per byte) to database key. */
export function dataKey(key: string): Buffer {
  return Buffer.from(DATA_PREFIX + key, 'latin1')
}

export function keyOfData(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', 1)
}

/** Big-endian, so that markers sort by number. */
export function markerKey(generation: number): Buffer {
  const key = Buffer.alloc(10)
  key.write(MARKER_PREFIX, 'latin1')
  key.writeBigUInt64BE(BigInt(generation), 2)
  return key
}

export const MARKER_KEYS = { from: Buffer.from(MARKER_PREFIX, 'latin1'), to: MARKER_KEYS_END }

/** The stored form of a value: checksum over key and value, then the value. */
export function protectValue(key: Uint8Array, value: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(CRC_BYTES + value.length)
  writeU32(out, 0, crc32(value, crc32(key)))
  out.set(value, CRC_BYTES)
  return out
}

/** The value in its stored form; null where the checksum is wrong. */
export function checkedValue(key: Uint8Array, stored: Uint8Array): Uint8Array | null {
  if (stored.length < CRC_BYTES) return null
  const value = stored.subarray(CRC_BYTES)
  return readU32(stored, 0) === crc32(value, crc32(key)) ? value : null
}

export function encodePosition(identity: StateIdentity, position: StatePosition): Uint8Array {
  const out = new ByteWriter(64)
  out.u32(STATE_FORMAT_VERSION).raw(identity.clusterId).raw(identity.incarnation)
  out.u64(position.appliedIndex).u64(position.generation).u64(position.firstMarker)
  return out.finish()
}

/** Null where it is another cluster's, or of another format: the state is rebuilt then. */
export function decodePosition(identity: StateIdentity, bytes: Uint8Array): StatePosition | null {
  try {
    const reader = new ByteReader(bytes)
    const known = reader.u32() === STATE_FORMAT_VERSION
    const ours = bytesEqual(reader.raw(16), identity.clusterId) && bytesEqual(reader.raw(16), identity.incarnation)
    const position = { appliedIndex: reader.u64(), generation: reader.u64(), firstMarker: reader.u64() }
    reader.end()
    return known && ours ? position : null
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}

export function encodeMarker(marker: StateMarker): Uint8Array {
  return new ByteWriter(16).u64(marker.generation).u64(marker.bytes).finish()
}

export function decodeMarker(bytes: Uint8Array): StateMarker | null {
  if (bytes.length !== 16) return null
  try {
    const reader = new ByteReader(bytes)
    return { generation: reader.u64(), bytes: reader.u64() }
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}
