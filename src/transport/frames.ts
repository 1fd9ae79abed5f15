/**
 * Frames: u32 little-endian length of what follows, u8 type, payload. The parser takes the stream in
 * whatever pieces the network delivers. A frame inside one chunk is a view of that chunk; a frame over
 * several chunks is put together in memory of exactly its size, which is reserved in steps as the bytes
 * arrive: a length alone makes nobody allocate much. No memory is ever reused: consumers may keep what
 * they are given.
 */
import { readU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

export const LENGTH_BYTES = 4
export const FRAME_HEADER_BYTES = LENGTH_BYTES + 1

/** Types below this belong to the transport itself; protocols number theirs from here on. */
export const FIRST_PROTOCOL_TYPE = 0x10

export const FRAME = {
  welcome: 0x01,
  refused: 0x02,
  hello: 0x03,
  accepted: 0x04,
  ping: 0x05,
  pong: 0x06,
} as const

/** How far memory for an incomplete frame may run ahead of what has arrived. */
const RESERVE_BYTES = 256 * 1024

export type FrameHandler = (type: number, payload: Uint8Array) => void

export class FrameParser {
  /** Largest length accepted, type byte included. May change between frames. */
  maxFrameBytes: number
  #stopped = false
  /** The beginning of a frame that is not complete yet. */
  #held: Uint8Array = new Uint8Array(0)
  #heldBytes = 0
  /** Bytes of that whole frame, length field included; 0 while even the length is incomplete. */
  #wantedBytes = 0

  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes
  }

  /** Bytes held of an incomplete frame. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** No further frame is delivered, not even from the chunk at hand. */
  stop(): void {
    this.#stopped = true
    this.#held = new Uint8Array(0)
    this.#heldBytes = 0
  }

  /**
   * Takes the next chunk and calls `onFrame` for each frame that it completes.
   * Throws `FrameTooLarge` or `ProtocolViolation`; the stream is unusable afterwards.
   */
  push(chunk: Uint8Array, onFrame: FrameHandler): void {
    let at = 0
    while (!this.#stopped && at < chunk.length) {
      if (this.#heldBytes > 0 || chunk.length - at < LENGTH_BYTES) {
        at = this.#fill(chunk, at, onFrame)
        continue
      }
      const end = at + LENGTH_BYTES + this.#checkedLength(readU32(chunk, at))
      if (end > chunk.length) {
        this.#wantedBytes = end - at
        this.#hold(chunk, at, chunk.length)
        return
      }
      deliver(chunk, at, end, onFrame)
      at = end
    }
  }

  /** Takes what the frame at hand still needs, the length first. Returns where it stopped. */
  #fill(chunk: Uint8Array, at: number, onFrame: FrameHandler): number {
    const target = this.#wantedBytes === 0 ? LENGTH_BYTES : this.#wantedBytes
    const end = Math.min(chunk.length, at + target - this.#heldBytes)
    this.#hold(chunk, at, end)
    if (this.#heldBytes < target) return end
    if (this.#wantedBytes === 0) {
      this.#wantedBytes = LENGTH_BYTES + this.#checkedLength(readU32(this.#held, 0))
      return end
    }
    const frame = this.#held
    this.#held = new Uint8Array(0)
    this.#heldBytes = 0
    this.#wantedBytes = 0
    deliver(frame, 0, target, onFrame)
    return end
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const bytes = this.#heldBytes + end - start
    if (bytes > this.#held.length) {
      const target = this.#wantedBytes === 0 ? LENGTH_BYTES : this.#wantedBytes
      const grown = new Uint8Array(Math.min(target, Math.max(2 * bytes, RESERVE_BYTES)))
      grown.set(this.#held.subarray(0, this.#heldBytes))
      this.#held = grown
    }
    this.#held.set(chunk.subarray(start, end), this.#heldBytes)
    this.#heldBytes = bytes
  }

  #checkedLength(length: number): number {
    if (length === 0) throw new KnhkError('ProtocolViolation', 'a frame without a type')
    if (length > this.maxFrameBytes) {
      throw new KnhkError('FrameTooLarge', `a frame of ${length} bytes is over the limit of ${this.maxFrameBytes}`)
    }
    return length
  }
}

/** Hands out plain Uint8Arrays: `slice` of a Buffer would be a view where the pure rooms expect a copy. */
function deliver(bytes: Uint8Array, at: number, end: number, onFrame: FrameHandler): void {
  const start = at + FRAME_HEADER_BYTES
  const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
  onFrame(bytes[at + LENGTH_BYTES] as number, payload)
}
