/**
 * How a query reads: it is a generator that asks for one read after the other, and whoever drives it
 * answers each. So the queries stay pure while the store behind them is asynchronous.
 */
import { KnhkError } from '../base/error.js'
import { PAGE_BYTES_MAX } from './limits.js'

export type QueryRead =
  | { readonly kind: 'get'; readonly key: string }
  /** Pairs with `from` ≤ key < `to` in key order; from the end where `reverse`. */
  | {
      readonly kind: 'range'
      readonly from: string
      readonly to: string
      readonly limit: number
      readonly reverse: boolean
    }

export interface Pair {
  readonly key: string
  readonly value: Uint8Array
}

export type QueryReadResult =
  | { readonly kind: 'get'; readonly value: Uint8Array | undefined }
  | { readonly kind: 'range'; readonly pairs: readonly Pair[] }

/** A query under way; its return value is plain data. */
export type Query<T = unknown> = Generator<QueryRead, T, QueryReadResult>

export interface RangeOptions {
  readonly from: string
  readonly to: string
  readonly reverse: boolean
  /** Continue behind this key. */
  readonly after: string | null
}

export function* readKey(key: string): Query<Uint8Array | undefined> {
  const result = yield { kind: 'get', key }
  if (result.kind !== 'get') throw new KnhkError('Bug', 'a get was answered by a range')
  return result.value
}

export function* readRange(range: RangeOptions, limit: number): Query<readonly Pair[]> {
  const { reverse, after } = range
  const from = reverse || after === null ? range.from : `${after}\0`
  const to = reverse && after !== null ? after : range.to
  if (from >= to) return []
  const result = yield { kind: 'range', from, to, limit, reverse }
  if (result.kind !== 'range') throw new KnhkError('Bug', 'a range was answered by a get')
  return result.pairs
}

/** One page of rows; `cursor` null means that there is no more. */
export interface Page<Row> {
  readonly rows: readonly Row[]
  readonly lastKey: string | null
  readonly more: boolean
}

const FIRST_CHUNK = 32
/** What a row counts at least, so that rows left out end a page too. */
const ROW_BYTES_MIN = 64

/**
 * Collects up to `limit` rows of a range in chunks, and stops early once about `PAGE_BYTES_MAX` were
 * read: large values never pile up. `toRow` returns null for a pair to leave out, and the bytes it read.
 */
export function* readPage<Row>(
  range: RangeOptions,
  limit: number,
  toRow: (pair: Pair) => Query<{ readonly row: Row | null; readonly bytes: number }>,
): Query<Page<Row>> {
  const rows: Row[] = []
  let lastKey = range.after
  let bytes = 0
  let seen = 0
  for (;;) {
    const room = seen === 0 ? FIRST_CHUNK : Math.ceil(((PAGE_BYTES_MAX - bytes) * seen) / Math.max(1, bytes))
    const want = Math.max(1, Math.min(room, limit - rows.length + 1))
    const pairs = yield* readRange({ ...range, after: lastKey }, want)
    for (const pair of pairs) {
      if (rows.length === limit || bytes >= PAGE_BYTES_MAX) return { rows, lastKey, more: true }
      const { row, bytes: read } = yield* toRow(pair)
      if (row !== null) rows.push(row)
      bytes += Math.max(read, ROW_BYTES_MIN)
      seen++
      lastKey = pair.key
    }
    if (pairs.length < want) return { rows, lastKey, more: false }
  }
}
