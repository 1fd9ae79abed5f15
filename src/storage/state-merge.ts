/**
 * Merges pairs of the database with changes that are not in it yet, in key order: a change hides the
 * stored pair of its key, a deletion leaves nothing.
 */
import type { StateCursor } from './state-database.js'

export type Change = readonly [key: string, value: Uint8Array | null]

/** A pair of the database whose value is decoded already. */
export interface Pair {
  readonly key: string
  readonly value: Uint8Array
}

/** Keys looked at before other work gets a turn. */
const SLICE_KEYS = 4096

/**
 * Changes with `from` ≤ key < `to`, the last one of each key, in the order asked for, as of the call.
 * `frozen` does not change any more, oldest first; `open` may change as soon as this returns.
 */
export async function changesInRange(
  frozen: readonly ReadonlyMap<string, Uint8Array | null>[],
  open: ReadonlyMap<string, Uint8Array | null>,
  range: { readonly from: string; readonly to: string | null; readonly reverse: boolean },
  nextTurn: (callback: () => void) => void,
): Promise<Change[]> {
  const { from, to, reverse } = range
  const newest = new Map<string, Uint8Array | null>()
  for (const [key, value] of open) if (key >= from && (to === null || key < to)) newest.set(key, value)
  const last = new Map<string, Uint8Array | null>()
  let keys = 0
  for (const generation of frozen) {
    for (const [key, value] of generation) {
      if (key >= from && (to === null || key < to)) last.set(key, value)
      if (++keys % SLICE_KEYS === 0) await new Promise<void>((resolve) => nextTurn(resolve))
    }
  }
  for (const [key, value] of newest) last.set(key, value)
  const sign = reverse ? -1 : 1
  return [...last].sort(([a], [b]) => (a < b ? -sign : sign))
}

/** Yields the merged pairs; closes the cursor when done or abandoned. `chunk` pairs are read at a time. */
export async function* mergePairs(
  collecting: Promise<readonly Change[]>,
  cursor: StateCursor,
  options: {
    readonly reverse: boolean
    readonly chunk: number
    readonly decode: (key: Uint8Array, stored: Uint8Array) => Pair
  },
): AsyncGenerator<Pair> {
  const precedes = (a: string, b: string): boolean => (options.reverse ? a > b : a < b)
  let next = 0
  try {
    const changes = await collecting
    for (;;) {
      const stored = await cursor.next(options.chunk)
      if (stored.length === 0) break
      for (const [key, value] of stored) {
        const pair = options.decode(key, value)
        for (; next < changes.length && precedes((changes[next] as Change)[0], pair.key); next++) {
          const [changed, to] = changes[next] as Change
          if (to !== null) yield { key: changed, value: to }
        }
        if ((changes[next] as Change | undefined)?.[0] !== pair.key) yield pair
      }
    }
    for (; next < changes.length; next++) {
      const [changed, to] = changes[next] as Change
      if (to !== null) yield { key: changed, value: to }
    }
  } finally {
    await cursor.close()
  }
}
