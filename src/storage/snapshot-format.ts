/**
 * A snapshot file: header, the pairs in key order as one stream cut into chunks, trailer. Nothing in it
 * differs between nodes that hold the same state at the same index, so its SHA-256 is its name.
 * docs/data-directory.md has the layout.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter, readU32, toUtf8, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { SnapshotHeader } from '../node/ports.js'
import { readBase, writeBase } from './base-codec.js'

export const SNAPSHOT_PREFIX_BYTES = 16
export const CHUNK_HEADER_BYTES = 8
export const CHUNK_PAYLOAD_BYTES = 256 * 1024
export const TRAILER_BYTES = 88
const FORMAT_VERSION = 1
/** What the replicated state machine means by its pairs. */
const FEATURE_LEVEL = 1
const MAGIC = toUtf8('knhksnap')
const CONTENT_BYTES_MAX = 256 * 1024
const DIGEST_BYTES = 32
const NAME = /^[0-9a-f]{16}-[0-9a-f]{16}\.snap$/

export type SnapshotOrigin = Pick<SnapshotHeader, 'base' | 'clusterId'>

export interface SnapshotTrailer extends Pick<SnapshotHeader, 'stateDigest' | 'dataDigest'> {
  readonly pairs: number
  /** Bytes of all chunk payloads. */
  readonly payloadBytes: number
}

export function damagedSnapshot(path: string, what: string): KnhkError {
  return new KnhkError('Corrupt', `snapshot ${path}: ${what}`)
}

/** `id` in hex. */
export function snapshotName(base: LogBase, id: string): string {
  return `${base.index.toString(16).padStart(16, '0')}-${id.slice(0, 16)}.snap`
}

export function isSnapshotName(name: string): boolean {
  return NAME.test(name)
}

export function encodeSnapshotHeader({ clusterId, base }: SnapshotOrigin): Uint8Array {
  assert(clusterId.length === 16, 'a cluster id has 16 bytes')
  const content = new ByteWriter(256)
  content.raw(clusterId).u32(FEATURE_LEVEL)
  writeBase(content, base)
  const bytes = content.finish()
  const out = new ByteWriter(bytes.length + SNAPSHOT_PREFIX_BYTES + 4)
  const body = out.raw(MAGIC).u32(FORMAT_VERSION).u32(bytes.length).raw(bytes).finish()
  return sealed(body, 0)
}

/** Bytes of the whole header, from its first 16. Throws `Corrupt`, and `UnsupportedFormat` for a newer version. */
export function snapshotHeaderBytes(path: string, prefix: Uint8Array): number {
  if (MAGIC.some((byte, i) => prefix[i] !== byte)) throw damagedSnapshot(path, 'it does not begin as a snapshot does')
  const version = readU32(prefix, 8)
  const length = readU32(prefix, 12)
  if (version > FORMAT_VERSION)
    throw new KnhkError(
      'UnsupportedFormat',
      `snapshot ${path} has format ${version}; this version knows ${FORMAT_VERSION}`,
    )
  if (version !== FORMAT_VERSION || length > CONTENT_BYTES_MAX) throw damagedSnapshot(path, 'its header is damaged')
  return SNAPSHOT_PREFIX_BYTES + length + 4
}

/** Throws `Corrupt`, and `UnsupportedFormat` for a newer feature level. */
export function decodeSnapshotHeader(path: string, bytes: Uint8Array): SnapshotOrigin {
  const end = bytes.length - 4
  if (readU32(bytes, end) !== crc32(bytes.subarray(0, end))) throw damagedSnapshot(path, 'its header is damaged')
  return decodeStrictly(path, bytes.subarray(SNAPSHOT_PREFIX_BYTES, end), (reader) => {
    const clusterId = reader.raw(16).slice()
    const level = reader.u32()
    if (level > FEATURE_LEVEL)
      throw new KnhkError(
        'UnsupportedFormat',
        `snapshot ${path} has feature level ${level}; this version knows ${FEATURE_LEVEL}`,
      )
    return { clusterId, base: readBase(reader) }
  })
}

/** The checksum at the end of a sealed header or trailer. */
export function sealOf(bytes: Uint8Array): number {
  return readU32(bytes, bytes.length - 4)
}

/** `seed`: checksum of the last chunk, of the header where there is none. */
export function encodeTrailer(trailer: SnapshotTrailer, seed: number): Uint8Array {
  const { pairs, payloadBytes, stateDigest, dataDigest } = trailer
  assert(stateDigest.length === DIGEST_BYTES && dataDigest.length === DIGEST_BYTES, 'a digest has 32 bytes')
  const out = new ByteWriter(TRAILER_BYTES)
  const body = out.u32(0).u64(pairs).u64(payloadBytes).raw(stateDigest).raw(dataDigest).finish()
  return sealed(body, seed)
}

/** Throws `Corrupt`. */
export function decodeTrailer(path: string, bytes: Uint8Array, seed: number): SnapshotTrailer {
  const end = bytes.length - 4
  if (readU32(bytes, end) !== crc32(bytes.subarray(0, end), seed)) throw damagedSnapshot(path, 'its trailer is damaged')
  return decodeStrictly(path, bytes.subarray(4, end), (reader) => ({
    pairs: reader.u64(),
    payloadBytes: reader.u64(),
    stateDigest: reader.raw(DIGEST_BYTES).slice(),
    dataDigest: reader.raw(DIGEST_BYTES).slice(),
  }))
}

/** Length, then the checksum of the payload, seeded with that of the chunk before. */
export function encodeChunkHeader(
  payload: Uint8Array,
  seed: number,
): { readonly bytes: Uint8Array; readonly crc: number } {
  const bytes = new Uint8Array(CHUNK_HEADER_BYTES)
  const crc = crc32(payload, seed)
  writeU32(bytes, 0, payload.length)
  writeU32(bytes, 4, crc)
  return { bytes, crc }
}

function sealed(body: Uint8Array, seed: number): Uint8Array {
  const out = new Uint8Array(body.length + 4)
  out.set(body)
  writeU32(out, body.length, crc32(body, seed))
  return out
}

function decodeStrictly<T>(path: string, bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    const reader = new ByteReader(bytes)
    const value = read(reader)
    reader.end()
    return value
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'UnsupportedFormat') throw error
    throw new KnhkError('Corrupt', `snapshot ${path}: a part of it cannot be understood`, { cause: error })
  }
}
