/**
 * How the last cases ended: a ring of one bit each, newest last, for the FailureRate of policies. It goes
 * with the counters of the machine, so a restored cluster remembers it.
 */
import type { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { FINISHED_WINDOW_MAX } from './limits.js'

export class FinishedCases {
  /** 1 for a case that failed, oldest first. */
  #ends: number[] = []
  #lastFailedMs: number | null = null

  get size(): number {
    return this.#ends.length
  }

  /** Log time of the last failure; null before the first. */
  get lastFailedMs(): number | null {
    return this.#lastFailedMs
  }

  record(failed: boolean, nowMs: number): void {
    if (this.#ends.length === FINISHED_WINDOW_MAX) this.#ends.shift()
    this.#ends.push(failed ? 1 : 0)
    if (failed) this.#lastFailedMs = nowMs
  }

  /** How many of the last `window` failed, and of how many: fewer where fewer have finished. */
  failures(window: number): { readonly failed: number; readonly finished: number } {
    const from = Math.max(0, this.#ends.length - window)
    let failed = 0
    for (let i = from; i < this.#ends.length; i++) failed += this.#ends[i] as number
    return { failed, finished: this.#ends.length - from }
  }

  /** u16 count, the bits in bytes, u8 0 or 1 and u64 the time of the last failure. */
  write(out: ByteWriter): void {
    out.u16(this.#ends.length)
    for (let at = 0; at < this.#ends.length; at += 8) {
      let byte = 0
      for (let bit = 0; bit < 8; bit++) byte |= (this.#ends[at + bit] ?? 0) << bit
      out.u8(byte)
    }
    if (this.#lastFailedMs === null) out.u8(0)
    else out.u8(1).u64(this.#lastFailedMs)
  }

  /** Throws `ProtocolViolation` or `Corrupt`. */
  read(reader: ByteReader): void {
    const count = reader.u16()
    if (count > FINISHED_WINDOW_MAX) throw new KnhkError('Corrupt', 'the record of finished cases is too long')
    const ends: number[] = []
    for (let at = 0; at < count; at += 8) {
      const byte = reader.u8()
      for (let bit = 0; bit < 8 && at + bit < count; bit++) ends.push((byte >> bit) & 1)
    }
    this.#ends = ends
    this.#lastFailedMs = reader.flag() ? reader.u64() : null
  }
}
