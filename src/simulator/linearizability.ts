/**
 * Is a recorded history linearizable? Keys are independent registers, so each is judged alone (Herlihy
 * and Wing, "Linearizability", 1990, theorem 1: locality). An operation that failed took no effect; one
 * whose outcome is unknown may take effect at any time after its call, or never.
 *
 * The work is bounded: a key whose search visits too many states is `undecided`, never silently ok. A
 * violation names the smallest window of its key that no order explains, whatever the key held before.
 */
import type { HistoryOperation } from './history.js'
import { KeySearch, type SearchOperation, type SearchVerdict } from './key-search.js'

export interface LinearizabilityOptions {
  /** States visited per key and search before it counts as undecided. */
  readonly statesMax?: number
}

export type Linearizability =
  | { readonly verdict: 'ok' }
  | { readonly verdict: 'violation'; readonly key: string; readonly window: readonly HistoryOperation[] }
  | { readonly verdict: 'undecided'; readonly keys: readonly string[] }

const STATES_MAX_DEFAULT = 250_000
const ABSENT = 0

/** Judges a history, in any order of lines. A violation of one key outweighs undecided others. */
export function checkLinearizability(
  history: readonly HistoryOperation[],
  options: LinearizabilityOptions = {},
): Linearizability {
  const statesMax = options.statesMax ?? STATES_MAX_DEFAULT
  const undecided: string[] = []
  for (const [key, operations] of byKey(history)) {
    const register = new RegisterHistory(operations, statesMax)
    const verdict = register.judge()
    if (verdict === 'violation') return { verdict, key, window: register.window() }
    if (verdict === 'undecided') undecided.push(key)
  }
  return undecided.length === 0 ? { verdict: 'ok' } : { verdict: 'undecided', keys: undecided }
}

function byKey(history: readonly HistoryOperation[]): Map<string, HistoryOperation[]> {
  const keys = new Map<string, HistoryOperation[]>()
  for (const operation of history) {
    if (operation.outcome === 'failed') continue
    // A read without an answer says nothing and changes nothing.
    if (operation.outcome === 'unknown' && operation.op === 'get') continue
    const of = keys.get(operation.key)
    if (of === undefined) keys.set(operation.key, [operation])
    else of.push(operation)
  }
  return keys
}

/** The operations of one key, with values and times as small numbers. */
class RegisterHistory {
  readonly #statesMax: number
  readonly #operations: readonly { readonly search: SearchOperation; readonly original: HistoryOperation }[]
  readonly #values = new Map<string, number>()

  constructor(operations: readonly HistoryOperation[], statesMax: number) {
    this.#statesMax = statesMax
    const rank = rankTimes(operations)
    this.#operations = operations
      .map((original) => ({ original, search: this.#searchForm(original, rank) }))
      .sort((a, b) => a.search.call - b.search.call)
  }

  judge(): SearchVerdict {
    const operations = this.#operations.map(({ search }) => search)
    return new KeySearch(operations, this.#statesMax).run([ABSENT])
  }

  /**
   * Cuts a violation down. First its end: what had not returned by then may or may not have happened.
   * Then its beginning: what had returned before is left out, and the key may have held anything. Both
   * only ever remove demands, so each cut keeps being a violation up to one point: bisection finds it.
   */
  window(): readonly HistoryOperation[] {
    const ends = [...new Set(this.#operations.map(({ search }) => search.end).filter(Number.isFinite))]
    ends.sort((a, b) => a - b)
    const end = ends[firstTrue(ends.length, (at) => this.#violates(0, ends[at] as number, false))] ?? Number.MAX_VALUE
    const calls = [...new Set(this.#operations.map(({ search }) => search.call))].sort((a, b) => b - a)
    const start = calls[firstTrue(calls.length, (at) => this.#violates(calls[at] as number, end, true))] ?? 0
    return this.#operations
      .filter(({ search }) => search.call <= end && search.end >= start)
      .filter(({ search }) => (search.call >= start && search.end <= end) || isEffect(search))
      .map(({ original }) => original)
  }

  #violates(start: number, end: number, fromAnyState: boolean): boolean {
    const cut: SearchOperation[] = []
    // Any state means: what some operation names, or something that none does.
    const initial = new Set([ABSENT])
    if (fromAnyState) initial.add(this.#values.size + 1)
    for (const { search } of this.#operations) {
      if (search.end < start || search.call > end) continue
      const isInside = search.call >= start && search.end <= end
      cut.push(isInside ? search : { ...search, end: Number.POSITIVE_INFINITY })
      if (fromAnyState) initial.add(search.finds)
    }
    return new KeySearch(cut, this.#statesMax).run([...initial]) === 'violation'
  }

  #searchForm(operation: HistoryOperation, rank: ReadonlyMap<bigint, number>): SearchOperation {
    const { op, value, expected, result } = operation
    const call = rank.get(operation.call) as number
    const end = operation.return === null ? Number.POSITIVE_INFINITY : (rank.get(operation.return) as number)
    switch (op) {
      case 'put':
        return { kind: 'write', call, end, writes: this.#number(value), finds: ABSENT }
      case 'delete':
        return { kind: 'write', call, end, writes: ABSENT, finds: ABSENT }
      case 'get':
        return { kind: 'read', call, end, writes: ABSENT, finds: this.#number(result as string | null) }
      case 'cas': {
        const kind = operation.outcome === 'unknown' || result === true ? 'swap' : 'mismatch'
        return { kind, call, end, writes: this.#number(value), finds: this.#number(expected) }
      }
    }
  }

  #number(value: string | null): number {
    if (value === null) return ABSENT
    const known = this.#values.get(value) ?? this.#values.size + 1
    this.#values.set(value, known)
    return known
  }
}

function isEffect({ kind }: SearchOperation): boolean {
  return kind === 'write' || kind === 'swap'
}

/** Equal times get equal ranks: operations that touch are concurrent. */
function rankTimes(operations: readonly HistoryOperation[]): Map<bigint, number> {
  const times = new Set<bigint>()
  for (const operation of operations) {
    times.add(operation.call)
    if (operation.return !== null) times.add(operation.return)
  }
  const sorted = [...times].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return new Map(sorted.map((time, rank) => [time, rank]))
}

/** The first of `count` positions where a condition holds that stays true once it is; `count` if nowhere. */
function firstTrue(count: number, holds: (at: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
