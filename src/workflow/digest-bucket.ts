/**
 * One bucket of the digest tree: (key hash, leaf) pairs in order of key hash, packed into one buffer that
 * grows by small steps, because there are 131,072 of them.
 */
import type { Sha256 } from '../consensus/entry.js'

const KEY_BYTES = 24
const LEAF_BYTES = 32
const PAIR_BYTES = KEY_BYTES + LEAF_BYTES
const TAG_BYTES = 1
const GROWTH_PAIRS = 4

export class DigestBucket {
  /** The tag 0x02, then the pairs: what is hashed lies ready. */
  #bytes = new Uint8Array(TAG_BYTES + PAIR_BYTES)
  #count = 0

  constructor() {
    this.#bytes[0] = 0x02
  }

  /** Adds or replaces a leaf; false when it was there already. */
  put(keyHash: Uint8Array, leaf: Uint8Array): boolean {
    const place = this.#search(keyHash)
    const at = TAG_BYTES + (place < 0 ? -place - 1 : place) * PAIR_BYTES
    if (place >= 0 && this.#holds(at + KEY_BYTES, leaf)) return false
    if (place < 0) {
      this.#insertAt(at)
      for (let i = 0; i < KEY_BYTES; i++) this.#bytes[at + i] = keyHash[i] as number
    }
    this.#bytes.set(leaf, at + KEY_BYTES)
    return true
  }

  /** False when there is no such key. */
  remove(keyHash: Uint8Array): boolean {
    const place = this.#search(keyHash)
    if (place < 0) return false
    const at = TAG_BYTES + place * PAIR_BYTES
    this.#bytes.copyWithin(at, at + PAIR_BYTES, this.#end)
    this.#count--
    return true
  }

  /** Undefined for an empty bucket. */
  hash(sha256: Sha256): Uint8Array | undefined {
    return this.#count === 0 ? undefined : sha256(this.#bytes.subarray(0, this.#end))
  }

  get #end(): number {
    return TAG_BYTES + this.#count * PAIR_BYTES
  }

  /** Place of a key hash, or −(place to insert it) − 1. */
  #search(keyHash: Uint8Array): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const order = this.#compare(TAG_BYTES + middle * PAIR_BYTES, keyHash)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -low - 1
  }

  #compare(at: number, keyHash: Uint8Array): number {
    for (let i = 0; i < KEY_BYTES; i++) {
      const difference = (this.#bytes[at + i] as number) - (keyHash[i] as number)
      if (difference !== 0) return difference
    }
    return 0
  }

  #holds(at: number, leaf: Uint8Array): boolean {
    for (let i = 0; i < LEAF_BYTES; i++) if (this.#bytes[at + i] !== leaf[i]) return false
    return true
  }

  #insertAt(at: number): void {
    const end = this.#end
    if (end + PAIR_BYTES > this.#bytes.length) {
      const grown = new Uint8Array(end + GROWTH_PAIRS * PAIR_BYTES)
      grown.set(this.#bytes.subarray(0, end))
      this.#bytes = grown
    }
    this.#bytes.copyWithin(at + PAIR_BYTES, at, end)
    this.#count++
  }
}
