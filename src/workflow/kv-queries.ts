/** Queries about key-value pairs. Keys and values are bytes. */

import { kvIndex, kvValue } from './kv.js'
import { KV_KEY_BYTES_MAX } from './limits.js'
import { ArgumentReader, cursorOf, invalid, type QueryArguments } from './query-args.js'
import { type Pair, type Query, type RangeOptions, readKey, readPage } from './query-reads.js'
import { binaryString, bytesOfBinaryString, endOfPrefix, KV_SPACE } from './state-keys.js'

/** `{ key }` → `{ key, value, index }`; value and index are null for a key that is absent. */
export function* getKey(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const key = reader.requiredBytes('key', KV_KEY_BYTES_MAX)
  reader.end()
  const record = yield* readKey(KV_SPACE + binaryString(key))
  return record === undefined
    ? { key, value: null, index: null }
    : { key, value: kvValue(record), index: kvIndex(record) }
}

/**
 * `{ prefix? | from?, to?, limit?, reverse?, cursor?, keysOnly? }` → `{ pairs: [{ key, value, index }],
 * cursor }` in byte order of the keys, `from` ≤ key < `to`; values are null with `keysOnly`. A page may
 * be short; `cursor` null means that there is no more.
 */
export function* listKeys(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const prefix = reader.bytes('prefix', KV_KEY_BYTES_MAX)
  const first = reader.bytes('from', KV_KEY_BYTES_MAX)
  const end = reader.bytes('to', KV_KEY_BYTES_MAX)
  if (prefix !== null && (first !== null || end !== null)) throw invalid('prefix', 'cannot stand beside from and to')
  const limit = reader.limit()
  const keysOnly = reader.flag('keysOnly')
  const from = KV_SPACE + binaryString(prefix ?? first ?? new Uint8Array(0))
  const to = end !== null ? KV_SPACE + binaryString(end) : endOfPrefix(prefix === null ? KV_SPACE : from)
  const after = reader.cursor(KV_SPACE, endOfPrefix(KV_SPACE))
  const range: RangeOptions = { from, to, reverse: reader.flag('reverse'), after }
  reader.end()
  const page = yield* readPage(range, limit, (pair) => kvRow(pair, keysOnly))
  return { pairs: page.rows, cursor: page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null }
}

// biome-ignore lint/correctness/useYield: a pair needs no further read, but rows are generators
function* kvRow(pair: Pair, keysOnly: boolean): Query<{ row: Record<string, unknown>; bytes: number }> {
  const value = keysOnly ? null : kvValue(pair.value)
  return { row: { key: bytesOfBinaryString(pair.key, 1), value, index: kvIndex(pair.value) }, bytes: pair.value.length }
}
