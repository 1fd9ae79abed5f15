/**
 * Writes one snapshot file: a chunk is a slice of work, after which other work gets a turn. Bytes are
 * synced on the way, so that no single sync at the end keeps the disk from the journal for long.
 */
import { createHash } from 'node:crypto'
import type { StatePair } from '../node/ports.js'
import type { FileHandle } from './files.js'
import {
  CHUNK_PAYLOAD_BYTES,
  encodeChunkHeader,
  encodeSnapshotHeader,
  encodeTrailer,
  type SnapshotOrigin,
  type SnapshotTrailer,
  sealOf,
} from './snapshot-format.js'
import { pairBytes, writePair } from './snapshot-pairs.js'

const SLICE_PAIRS = 256
export const SYNC_STEP_BYTES = 4 * 1024 * 1024

export class SnapshotWriter {
  readonly #handle: FileHandle
  readonly #nextTurn: (callback: () => void) => void
  readonly #hash = createHash('sha256')
  readonly #payload = Buffer.alloc(CHUNK_PAYLOAD_BYTES)
  #filled = 0
  #crc = 0
  #pairs = 0
  #payloadBytes = 0
  #syncedBytes = 0

  constructor(handle: FileHandle, nextTurn: (callback: () => void) => void) {
    this.#handle = handle
    this.#nextTurn = nextTurn
  }

  async header(origin: SnapshotOrigin): Promise<void> {
    const bytes = encodeSnapshotHeader(origin)
    this.#crc = sealOf(bytes)
    await this.#write([bytes])
  }

  /** In key order, behind those before. */
  async pairs(pairs: readonly StatePair[]): Promise<void> {
    for (const pair of pairs) {
      const bytes = pairBytes(pair)
      if (bytes <= CHUNK_PAYLOAD_BYTES - this.#filled) {
        writePair(this.#payload, this.#filled, pair)
        this.#filled += bytes
      } else await this.#spill(pair, bytes)
      if (++this.#pairs % SLICE_PAIRS === 0) await this.#turn()
    }
  }

  /** A pair that begins in one chunk and ends in another. */
  async #spill(pair: StatePair, length: number): Promise<void> {
    let bytes = Buffer.allocUnsafe(length)
    writePair(bytes, 0, pair)
    while (bytes.length > CHUNK_PAYLOAD_BYTES - this.#filled) {
      const fitting = CHUNK_PAYLOAD_BYTES - this.#filled
      this.#payload.set(bytes.subarray(0, fitting), this.#filled)
      this.#filled = CHUNK_PAYLOAD_BYTES
      bytes = bytes.subarray(fitting)
      await this.#chunk()
    }
    this.#payload.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  /** Makes it durable; returns the id. */
  async finish(digests: Pick<SnapshotTrailer, 'stateDigest' | 'dataDigest'>): Promise<Uint8Array> {
    if (this.#filled > 0) await this.#chunk()
    const { stateDigest, dataDigest } = digests
    const trailer = { pairs: this.#pairs, payloadBytes: this.#payloadBytes, stateDigest, dataDigest }
    await this.#write([encodeTrailer(trailer, this.#crc)])
    await this.#handle.datasync()
    return new Uint8Array(this.#hash.digest())
  }

  async #chunk(): Promise<void> {
    const payload = this.#payload.subarray(0, this.#filled)
    const { bytes, crc } = encodeChunkHeader(payload, this.#crc)
    this.#crc = crc
    this.#payloadBytes += payload.length
    this.#filled = 0
    await this.#write([bytes, payload])
    await this.#turn()
  }

  async #write(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) this.#hash.update(part)
    await this.#handle.append(parts)
    if (this.#handle.size - this.#syncedBytes < SYNC_STEP_BYTES) return
    await this.#handle.datasync()
    this.#syncedBytes = this.#handle.size
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#nextTurn(resolve))
  }
}
