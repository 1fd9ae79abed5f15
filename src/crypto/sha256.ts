/**
 * The production `Sha256` port. Of the ways that Node offers, the one-shot `hash` with a binary string,
 * unpacked by hand, is the fastest for the short inputs of the hash chain: 0.3 µs for 32 bytes here,
 * against 0.7 µs with a Buffer as result and 1.3 µs with `createHash`. Every call returns fresh memory.
 */
import { hash } from 'node:crypto'

const HASH_BYTES = 32

/** SHA-256 of `data`: 32 bytes that nobody else holds. */
export function sha256(data: Uint8Array): Uint8Array {
  const binary = hash('sha256', data, 'binary')
  const out = new Uint8Array(HASH_BYTES)
  for (let i = 0; i < HASH_BYTES; i++) out[i] = binary.charCodeAt(i)
  return out
}
