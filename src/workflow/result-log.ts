/**
 * What the operations of the last entries came to, as replicated state: receipts prove results with it.
 * resultRoot(i) = H(0x20 | i | count | each request's results behind their length) and
 * resultChain(i) = H(0x21 | resultChain(i−1) | resultRoot(i)), so a signature over the state at any later
 * entry covers every result before it. The results themselves are kept for a window of entries.
 */
import { ByteReader, ByteWriter, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { Sha256 } from '../consensus/entry.js'
import { binaryString, RESULT_SPACE, type StatePort } from './state-keys.js'

/** Entries whose results are kept. */
export const RESULT_WINDOW_ENTRIES = 10_000
/** Of one entry; beyond, its root is kept without them. */
export const RESULT_BYTES_MAX = 256 * 1024
const HASH_BYTES = 32
const RECORD_VERSION = 1

export interface EntryResults {
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Before this entry, 32 bytes. */
  readonly chainBefore: Uint8Array
  /** Encoded results of each request, in order; null where they were too large to keep. */
  readonly requests: readonly Uint8Array[] | null
}

export class ResultLog {
  readonly #state: StatePort
  readonly #sha256: Sha256
  #chain: Uint8Array = new Uint8Array(HASH_BYTES)
  #requests = new ByteWriter(1024)
  #count = 0

  constructor(state: StatePort, sha256: Sha256) {
    this.#state = state
    this.#sha256 = sha256
  }

  /** resultChain of the last entry with results; zeros before the first. */
  get chain(): Uint8Array {
    return this.#chain
  }

  restore(chain: Uint8Array): void {
    this.#chain = chain
  }

  /** The results of the next request of the entry that is being applied. */
  note(results: Uint8Array): void {
    this.#requests.bytes(results)
    this.#count++
  }

  /** The entry is applied. */
  finish(index: number): void {
    const requests = this.#requests.finish()
    const root = rootOf(this.#sha256, index, this.#count, requests)
    const isKept = requests.length <= RESULT_BYTES_MAX
    const record = new ByteWriter(128 + (isKept ? requests.length : 0))
    record.u8(RECORD_VERSION).raw(root).raw(this.#chain)
    record.u8(isKept ? 1 : 0)
    if (isKept) record.u32(this.#count).raw(requests)
    this.#state.put(resultKey(index), record.finish())
    if (index > RESULT_WINDOW_ENTRIES) this.#state.delete(resultKey(index - RESULT_WINDOW_ENTRIES))
    this.#chain = nextResultChain(this.#sha256, this.#chain, root)
    this.#requests = new ByteWriter(1024)
    this.#count = 0
  }
}

/** Key of the results of an entry. */
export function resultKey(index: number): string {
  const bytes = new Uint8Array(8)
  // Big-endian, so that keys stand in the order of the log.
  new DataView(bytes.buffer).setBigUint64(0, BigInt(index))
  return RESULT_SPACE + binaryString(bytes)
}

/** Throws `Corrupt`. */
export function decodeEntryResults(value: Uint8Array): EntryResults {
  const reader = new ByteReader(value)
  if (reader.u8() !== RECORD_VERSION) throw new KnhkError('Corrupt', 'a record of results is malformed')
  const root = reader.raw(HASH_BYTES)
  const chainBefore = reader.raw(HASH_BYTES)
  const requests = reader.flag() ? Array.from({ length: reader.u32() }, () => reader.bytes()) : null
  reader.end()
  return { root, chainBefore, requests }
}

/** resultRoot of an entry from the results of its requests. */
export function resultRoot(sha256: Sha256, index: number, requests: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter(1024)
  for (const results of requests) out.bytes(results)
  return rootOf(sha256, index, requests.length, out.finish())
}

export function nextResultChain(sha256: Sha256, before: Uint8Array, root: Uint8Array): Uint8Array {
  const link = new Uint8Array(1 + 2 * HASH_BYTES)
  link[0] = 0x21
  link.set(before, 1)
  link.set(root, 1 + HASH_BYTES)
  return sha256(link)
}

function rootOf(sha256: Sha256, index: number, count: number, requests: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + 8 + 8 + requests.length)
  input[0] = 0x20
  writeU64(input, 1, index)
  writeU64(input, 9, count)
  input.set(requests, 17)
  return sha256(input)
}
