/**
 * Frames on their way out, already in wire form: every `append` copies header and parts into one slab,
 * and a flush hands that slab to the socket as a single write.
 *
 * Why copy: Node's TLS joins the parts of a gathered write into fresh memory anyway, so one copy into
 * recycled memory costs less than `writev` at nearly every size measured (docs/performance.md). And a TLS
 * write ends only in a later turn of the loop: a second write in between would wait, so whatever comes
 * meanwhile is collected here and leaves as the next single write.
 */
import { writeU32 } from '../base/bytes.js'
import { FRAME_HEADER_BYTES, LENGTH_BYTES } from './frames.js'

const SLAB_MIN_BYTES = 4 * 1024
/** A larger slab served an exceptional burst; it is not kept. */
const SLAB_KEPT_BYTES = 512 * 1024

export type FramePayload = Uint8Array | readonly Uint8Array[]

export function payloadLength(payload: FramePayload): number {
  if (payload instanceof Uint8Array) return payload.length
  let length = 0
  for (const part of payload) length += part.length
  return length
}

export class OutputQueue {
  #slab: Uint8Array = new Uint8Array(0)
  #spare: Uint8Array | null = null
  #length = 0
  #frames = 0

  get bytes(): number {
    return this.#length
  }

  get frames(): number {
    return this.#frames
  }

  /** Copies one frame; `length` is that of the payload. */
  append(type: number, payload: FramePayload, length: number): void {
    let at = this.#length
    this.#reserve(at + FRAME_HEADER_BYTES + length)
    const slab = this.#slab
    writeU32(slab, at, length + 1)
    slab[at + LENGTH_BYTES] = type
    at += FRAME_HEADER_BYTES
    if (payload instanceof Uint8Array) {
      slab.set(payload, at)
      at += length
    } else {
      for (const part of payload) {
        slab.set(part, at)
        at += part.length
      }
    }
    this.#length = at
    this.#frames += 1
  }

  /** Empties the queue. The caller gives the memory back through `recycle` once nobody reads it. */
  take(): Uint8Array {
    const taken = this.#slab.subarray(0, this.#length)
    this.#slab = this.#spare ?? new Uint8Array(0)
    this.#spare = null
    this.#length = 0
    this.#frames = 0
    return taken
  }

  recycle(taken: Uint8Array): void {
    if (taken.buffer.byteLength > SLAB_KEPT_BYTES) return
    const slab = new Uint8Array(taken.buffer)
    if (this.#slab.length === 0) this.#slab = slab
    else this.#spare = slab
  }

  /** Forgets everything, memory included. */
  clear(): void {
    this.#slab = new Uint8Array(0)
    this.#spare = null
    this.#length = 0
    this.#frames = 0
  }

  #reserve(needed: number): void {
    const { length } = this.#slab
    if (needed <= length) return
    let size = Math.max(length, SLAB_MIN_BYTES)
    while (size < needed) size *= 2
    // Node's allocator leaves the memory as it is: every byte that leaves has been written before.
    const grown = Buffer.allocUnsafeSlow(size)
    grown.set(this.#slab.subarray(0, this.#length))
    this.#slab = new Uint8Array(grown.buffer, grown.byteOffset, size)
  }
}
