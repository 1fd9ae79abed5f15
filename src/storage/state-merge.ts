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

/** Changes with `from` ≤ key < `to`, the last one of each key, in the order asked for. `newest` comes last in `generations`. */
export function changesInRange(
  generations: readonly ReadonlyMap<string, Uint8Array | null>[],
  from: string,
  to: string | null,
  reverse: boolean,
): Change[] {
  const last = new Map<string, Uint8Array | null>()
  for (const generation of generations) {
    for (const [key, value] of generation) if (key >= from && (to === null || key < to)) last.set(key, value)
  }
  const sign = reverse ? -1 : 1
  return [...last].sort(([a], [b]) => (a < b ? -sign : sign))
}

/** Yields the merged pairs; closes the cursor when done or abandoned. `chunk` pairs are read at a time. */
export async function* mergePairs(
  changes: readonly Change[],
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
