/**
 * The pairs of a snapshot as a stream of bytes: u32 length and key, u32 length and value, in key order.
 * Chunks cut the stream anywhere, so the decoder holds what is not whole yet: one pair at most.
 */
import { concatBytes, readU32, writeU32 } from '../base/bytes.js'
import type { StatePair } from '../node/ports.js'

const LENGTHS_BYTES = 8
const KEY_BYTES_MAX = 64 * 1024
const VALUE_BYTES_MAX = 64 * 1024 * 1024

/** One char of a key is one byte. */
export function pairBytes({ key, value }: StatePair): number {
  return LENGTHS_BYTES + key.length + value.length
}

/** Writes `pairBytes` of them from `at` on. */
export function writePair(out: Buffer, at: number, { key, value }: StatePair): void {
  writeU32(out, at, key.length)
  out.write(key, at + 4, 'latin1')
  writeU32(out, at + 4 + key.length, value.length)
  out.set(value, at + LENGTHS_BYTES + key.length)
}

export class PairDecoder {
  #rest: Uint8Array[] = []
  #restBytes = 0
  /** Bytes without which no further pair can be whole. */
  #needed = LENGTHS_BYTES
  #previous: string | null = null
  count = 0

  /** The stream ends behind a whole pair. */
  get atEnd(): boolean {
    return this.#restBytes === 0
  }

  /** The pairs that became whole; null where the bytes are no pairs in key order. */
  push(chunk: Uint8Array): StatePair[] | null {
    this.#rest.push(chunk)
    this.#restBytes += chunk.length
    if (this.#restBytes < this.#needed) return []
    const bytes = this.#rest.length === 1 ? chunk : concatBytes(this.#rest)
    const pairs: StatePair[] = []
    let at = 0
    for (;;) {
      const { needed, key, value } = lengthsAt(bytes, at)
      if (key > KEY_BYTES_MAX || value > VALUE_BYTES_MAX) return null
      this.#needed = needed
      if (bytes.length - at < needed) break
      const pair = pairAt(bytes, at, key, value)
      if (this.#previous !== null && pair.key <= this.#previous) return null
      this.#previous = pair.key
      pairs.push(pair)
      at += needed
    }
    const rest = bytes.subarray(at)
    this.#rest = rest.length === 0 ? [] : [rest]
    this.#restBytes = rest.length
    this.count += pairs.length
    return pairs
  }
}

/** Lengths as far as they are there; `needed` bytes from `at` show the rest. */
function lengthsAt(
  bytes: Uint8Array,
  at: number,
): { readonly needed: number; readonly key: number; readonly value: number } {
  if (bytes.length - at < 4) return { needed: LENGTHS_BYTES, key: 0, value: 0 }
  const key = readU32(bytes, at)
  const valueAt = at + 4 + key
  if (key > KEY_BYTES_MAX || bytes.length - valueAt < 4) return { needed: LENGTHS_BYTES + key, key, value: 0 }
  const value = readU32(bytes, valueAt)
  return { needed: LENGTHS_BYTES + key + value, key, value }
}

/** The value is a copy: pairs live longer than the chunk they came in. */
function pairAt(bytes: Uint8Array, at: number, key: number, value: number): StatePair {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const valueAt = at + LENGTHS_BYTES + key
  return {
    key: view.toString('latin1', at + 4, at + 4 + key),
    value: new Uint8Array(view.subarray(valueAt, valueAt + value)),
  }
}
