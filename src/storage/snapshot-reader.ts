/**
 * Reads a snapshot file from its beginning, checking all that can be checked on the way: header, the
 * chain of chunk checksums, the order of the pairs, trailer, and the SHA-256 of it all.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { readU32 } from '../base/bytes.js'
import type { StatePair } from '../node/ports.js'
import { type FileHandle, type FileSystem, storageFailed, systemErrorCode } from './files.js'
import {
  CHUNK_HEADER_BYTES,
  CHUNK_PAYLOAD_BYTES,
  damagedSnapshot,
  decodeSnapshotHeader,
  decodeTrailer,
  SNAPSHOT_PREFIX_BYTES,
  type SnapshotOrigin,
  type SnapshotTrailer,
  sealOf,
  snapshotHeaderBytes,
  TRAILER_BYTES,
} from './snapshot-format.js'
import { PairDecoder } from './snapshot-pairs.js'

export interface ReadSnapshot {
  readonly origin: SnapshotOrigin
  readonly trailer: SnapshotTrailer
  /** SHA-256 of the file. */
  readonly id: Uint8Array
  readonly bytes: number
}

export interface SnapshotReading {
  readonly files: FileSystem
  readonly path: string
  /** Other work gets a turn after each chunk. */
  readonly nextTurn: (callback: () => void) => void
}

/** Reads and checks a whole snapshot; `visit` sees every pair. Throws `Corrupt` and `UnsupportedFormat`. */
export async function readSnapshot(reading: SnapshotReading, visit?: (pair: StatePair) => void): Promise<ReadSnapshot> {
  const walk = walkSnapshot(reading)
  for (;;) {
    const step = await walk.next()
    if (step.done === true) return step.value
    if (visit !== undefined) for (const pair of step.value) visit(pair)
  }
}

/** Yields the pairs chunk by chunk, each chunk checked before; returns what the file says of itself. */
export async function* walkSnapshot(reading: SnapshotReading): AsyncGenerator<StatePair[], ReadSnapshot> {
  const { files, path, nextTurn } = reading
  const handle = await files.open(path, 'read')
  try {
    const file = new CheckedFile(handle, path)
    const prefix = await file.take(SNAPSHOT_PREFIX_BYTES)
    const header = await file.extend(prefix, snapshotHeaderBytes(path, prefix))
    const origin = decodeSnapshotHeader(path, header)
    const decoder = new PairDecoder()
    let crc = sealOf(header)
    let payloadBytes = 0
    while (file.remaining > TRAILER_BYTES) {
      const head = await file.take(CHUNK_HEADER_BYTES)
      const length = readU32(head, 0)
      if (length === 0 || length > CHUNK_PAYLOAD_BYTES) throw damagedSnapshot(path, 'a chunk has an impossible length')
      const payload = await file.take(length)
      crc = crc32(payload, crc)
      if (crc !== readU32(head, 4)) throw damagedSnapshot(path, 'a chunk has a wrong checksum')
      payloadBytes += length
      const pairs = decoder.push(payload)
      if (pairs === null) throw damagedSnapshot(path, 'its pairs are not in order')
      yield pairs
      await new Promise<void>((resolve) => nextTurn(resolve))
    }
    const trailer = decodeTrailer(path, await file.take(TRAILER_BYTES), crc)
    if (!decoder.atEnd || trailer.pairs !== decoder.count || trailer.payloadBytes !== payloadBytes)
      throw damagedSnapshot(path, 'its trailer does not fit its chunks')
    return { origin, trailer, id: file.digest(), bytes: handle.size }
  } finally {
    await handle.close()
  }
}

/** Sequential reads that end up in one hash. */
class CheckedFile {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #hash = createHash('sha256')
  #at = 0

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  get remaining(): number {
    return this.#handle.size - this.#at
  }

  async take(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    if ((await this.#handle.read(bytes, this.#at)) < length) throw damagedSnapshot(this.#path, 'it ends too early')
    this.#at += length
    this.#hash.update(bytes)
    return bytes
  }

  /** `start`, which was taken last, continued up to `length` bytes. */
  async extend(start: Uint8Array, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    bytes.set(start)
    bytes.set(await this.take(length - start.length), start.length)
    return bytes
  }

  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest())
  }
}

/** `length` bytes from `offset`, fewer at the end; null where the file is gone. Throws `StorageFailed`. */
export async function readPiece(
  files: FileSystem,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array | null> {
  let handle: FileHandle
  try {
    handle = await files.open(path, 'read')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null
    throw storageFailed(`reading ${path}`, error)
  }
  try {
    const bytes = new Uint8Array(length)
    return bytes.subarray(0, await handle.read(bytes, offset))
  } catch (error) {
    throw storageFailed(`reading ${path}`, error)
  } finally {
    await handle.close()
  }
}
