/**
 * A frame: the records of one synced write behind one checksum. It states its own place, which is the
 * durable position before it (there is one write at a time), its sequence number and the checksum of
 * the frame before it; so a frame that is missing, repeated or misplaced shows.
 * docs/data-directory.md has the layout.
 */
import { crc32 } from 'node:zlib'
import { readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { contentParts, type JournalRecord, RECORD_HEADER_BYTES, recordBytes, writeRecordHeader } from './records.js'
import type { Place } from './segment-header.js'

export const FRAME_HEADER_BYTES = 40
/** Frames start at multiples of this, which makes the search behind damage cheap. */
export const FRAME_ALIGNMENT = 8
/** The hard bound of one frame; a log entry is smaller than this. */
export const FRAME_BYTES_MAX = 48 * 1024 * 1024
export const FRAME_MAGIC_TEXT = 'KFRM'
/** The same four bytes as a little-endian integer. */
const FRAME_MAGIC = 0x4d52_464b
const CRC_AT = FRAME_HEADER_BYTES - 4
/** Parts up to this size are copied together: that costs less than one more buffer in the system call. */
const COPY_BYTES_MAX = 4096
const STAGING_BYTES = 256 * 1024

export interface FramePlace extends Place {
  readonly sequence: number
  /** Checksum of the frame before it; for the first one 0. */
  readonly previousCrc: number
}

/** What a frame's header says. Mutable and reused: a scan meets a million of them. */
export class FrameHeader {
  payloadLength = 0
  sequence = 0
  segment = 0
  offset = 0
  recordCount = 0
  previousCrc = 0
  crc = 0

  /** Reads the header at `at`; false where it cannot be one. The checksum is `verifyFrame`'s part. */
  load(bytes: Uint8Array, at: number): boolean {
    if (readU32(bytes, at) !== FRAME_MAGIC) return false
    this.payloadLength = readU32(bytes, at + 4)
    if (this.payloadLength > FRAME_BYTES_MAX - FRAME_HEADER_BYTES || this.payloadLength % FRAME_ALIGNMENT !== 0)
      return false
    // The upper halves are below 2^21 in every frame of ours; readU64 would throw on a damaged one.
    if (readU32(bytes, at + 12) > 0x1f_ffff || readU32(bytes, at + 20) > 0x1f_ffff) return false
    this.sequence = readU64(bytes, at + 8)
    this.segment = readU64(bytes, at + 16)
    this.offset = readU32(bytes, at + 24)
    this.recordCount = readU32(bytes, at + 28)
    this.previousCrc = readU32(bytes, at + 32)
    this.crc = readU32(bytes, at + CRC_AT)
    return true
  }
}

/** True when the checksum of the frame at `at` is right; `seed` is the segment's. */
export function verifyFrame(bytes: Uint8Array, at: number, frame: FrameHeader, seed: number): boolean {
  const head = crc32(bytes.subarray(at, at + CRC_AT), seed)
  const start = at + FRAME_HEADER_BYTES
  return crc32(bytes.subarray(start, start + frame.payloadLength), head) === frame.crc
}

export interface EncodedFrame {
  readonly parts: readonly Uint8Array[]
  readonly length: number
  readonly crc: number
  /** Offset in the segment of the content of each record, in order. */
  readonly contentOffsets: readonly number[]
}

/** Bytes that a frame with these records takes. */
export function frameBytes(recordsBytes: number): number {
  return FRAME_HEADER_BYTES + Math.ceil(recordsBytes / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

/**
 * Encodes frames, one at a time: the parts of a frame are valid until the next `encode`. What is long
 * is passed on, not copied.
 */
export class FrameEncoder {
  readonly #staging = new Uint8Array(STAGING_BYTES)
  #parts: Uint8Array[] = []
  #chunk = this.#staging
  #chunkStart = 0
  #at = 0

  encode(place: FramePlace, seed: number, records: readonly JournalRecord[]): EncodedFrame {
    this.#parts = []
    this.#chunk = this.#staging
    this.#chunkStart = 0
    this.#at = FRAME_HEADER_BYTES
    const contentOffsets: number[] = []
    let length = FRAME_HEADER_BYTES
    for (const record of records) {
      contentOffsets.push(place.offset + length + RECORD_HEADER_BYTES)
      length += this.#record(record)
    }
    const padding = frameBytes(length - FRAME_HEADER_BYTES) - length
    this.#put(new Uint8Array(padding))
    this.#cut()
    const payloadLength = length + padding - FRAME_HEADER_BYTES
    const crc = this.#header(place, seed, payloadLength, records.length)
    return { parts: this.#parts, length: length + padding, crc, contentOffsets }
  }

  #record(record: JournalRecord): number {
    const at = this.#reserve(RECORD_HEADER_BYTES)
    const length = recordBytes(record)
    writeRecordHeader(this.#chunk, at, record.kind, length - RECORD_HEADER_BYTES)
    for (const part of contentParts(record)) this.#put(part)
    return length
  }

  #put(bytes: Uint8Array): void {
    if (bytes.length > COPY_BYTES_MAX) {
      this.#cut()
      this.#parts.push(bytes)
    } else {
      const at = this.#reserve(bytes.length)
      this.#chunk.set(bytes, at)
    }
  }

  #reserve(count: number): number {
    if (this.#chunk.length - this.#at < count) {
      this.#cut()
      this.#chunk = new Uint8Array(STAGING_BYTES)
      this.#chunkStart = 0
      this.#at = 0
    }
    const at = this.#at
    this.#at += count
    return at
  }

  /** Ends the current run of copied bytes. */
  #cut(): void {
    if (this.#at === this.#chunkStart) return
    this.#parts.push(this.#chunk.subarray(this.#chunkStart, this.#at))
    this.#chunkStart = this.#at
  }

  #header(place: FramePlace, seed: number, payloadLength: number, recordCount: number): number {
    const first = this.#parts[0] as Uint8Array
    writeU32(first, 0, FRAME_MAGIC)
    writeU32(first, 4, payloadLength)
    writeU64(first, 8, place.sequence)
    writeU64(first, 16, place.segment)
    writeU32(first, 24, place.offset)
    writeU32(first, 28, recordCount)
    writeU32(first, 32, place.previousCrc)
    let crc = crc32(first.subarray(0, CRC_AT), seed)
    crc = crc32(first.subarray(FRAME_HEADER_BYTES), crc)
    for (let i = 1; i < this.#parts.length; i++) crc = crc32(this.#parts[i] as Uint8Array, crc)
    writeU32(first, CRC_AT, crc)
    return crc
  }
}
