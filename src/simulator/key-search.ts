/**
 * The search behind the linearizability checker, for one key: is there an order of its operations that
 * a single register allows and that respects what had returned before what was called? After Wing and
 * Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of states seen ("Testing
 * for linearizability", 2017).
 *
 * Two shortcuts keep it small, neither changes the verdict. A read that may come next and fits comes
 * next: it moves nothing, so no later place suits it better. Operations that may also never have
 * happened are tried last: most of them never have.
 */

/** Values are numbers: 0 for an absent key. Times are ranks. */
export interface SearchOperation {
  readonly kind: 'read' | 'mismatch' | 'write' | 'swap'
  readonly call: number
  /** Infinity: it may take effect at any later time, or never. */
  readonly end: number
  /** What a write or swap leaves. */
  readonly writes: number
  /** What a read or swap must find, and a mismatch must not find. */
  readonly finds: number
}

export type SearchVerdict = 'ok' | 'violation' | 'undecided'

interface Frame {
  readonly state: number
  /** Reads that were placed on the way in. */
  readonly absorbed: readonly number[]
  /** Operations to try next, by ordinal; optional ones follow at `required` + ordinal. */
  readonly moves: readonly number[]
  next: number
}

export class KeySearch {
  readonly #required: readonly SearchOperation[]
  readonly #optional: readonly SearchOperation[]
  readonly #statesMax: number
  readonly #done: Uint8Array
  readonly #used: Uint8Array
  readonly #seen = new Set<string>()
  /** Everything before it is placed. */
  #low = 0
  /** Nothing from here on is placed. */
  #high = 0
  #left: number

  constructor(operations: readonly SearchOperation[], statesMax: number) {
    const sorted = [...operations].sort((a, b) => a.call - b.call)
    this.#required = sorted.filter(({ end }) => Number.isFinite(end))
    this.#optional = sorted.filter(({ end, kind }) => !Number.isFinite(end) && (kind === 'write' || kind === 'swap'))
    this.#statesMax = statesMax
    this.#done = new Uint8Array(this.#required.length)
    this.#used = new Uint8Array(this.#optional.length)
    this.#left = this.#required.length
  }

  /** Tries each of the states that the key may have had at first. */
  run(initialStates: readonly number[]): SearchVerdict {
    for (const state of initialStates) {
      const verdict = this.#from(state)
      if (verdict !== 'violation') return verdict
    }
    return 'violation'
  }

  #from(initial: number): SearchVerdict {
    const stack: Frame[] = []
    let entering: number | null = initial
    for (;;) {
      if (entering !== null) {
        const frame = this.#enter(entering)
        if (this.#left === 0) return 'ok'
        if (this.#seen.size > this.#statesMax) return 'undecided'
        stack.push(frame)
      }
      const frame = stack.at(-1)
      if (frame === undefined) return 'violation'
      const move = frame.moves[frame.next++]
      if (move !== undefined) {
        this.#place(move)
        entering = this.#operation(move).writes
        continue
      }
      for (const ordinal of frame.absorbed) this.#unplace(ordinal)
      stack.pop()
      const before = stack.at(-1)
      if (before !== undefined) this.#unplace(before.moves[before.next - 1] as number)
      entering = null
    }
  }

  #enter(state: number): Frame {
    const absorbed = this.#absorb(state)
    const key = this.#key(state)
    if (this.#seen.has(key)) return { state, absorbed, moves: [], next: 0 }
    this.#seen.add(key)
    return { state, absorbed, moves: this.#moves(state), next: 0 }
  }

  /** Places every read that may come next and fits, until none does. */
  #absorb(state: number): number[] {
    const absorbed: number[] = []
    for (let before = -1; before !== absorbed.length; ) {
      before = absorbed.length
      for (const ordinal of this.#candidates()) {
        const { kind, finds } = this.#required[ordinal] as SearchOperation
        if ((kind === 'read' && finds === state) || (kind === 'mismatch' && finds !== state)) {
          this.#place(ordinal)
          absorbed.push(ordinal)
        }
      }
    }
    return absorbed
  }

  #moves(state: number): number[] {
    const candidates = this.#candidates()
    const isMove = ({ kind, finds }: SearchOperation) => kind === 'write' || (kind === 'swap' && finds === state)
    const moves = candidates.filter((ordinal) => isMove(this.#required[ordinal] as SearchOperation))
    let firstEnd = Number.POSITIVE_INFINITY
    for (const ordinal of candidates) firstEnd = Math.min(firstEnd, (this.#required[ordinal] as SearchOperation).end)
    this.#optional.forEach((operation, ordinal) => {
      if (this.#used[ordinal] === 1 || operation.call > firstEnd) return
      if (operation.writes !== state && isMove(operation)) moves.push(this.#required.length + ordinal)
    })
    return moves
  }

  /** What nothing unplaced had returned before: any of these may come next. */
  #candidates(): number[] {
    const found: number[] = []
    let firstEnd = Number.POSITIVE_INFINITY
    for (let ordinal = this.#low; ordinal < this.#required.length; ordinal++) {
      if (this.#done[ordinal] === 1) continue
      const { call, end } = this.#required[ordinal] as SearchOperation
      if (call > firstEnd) break
      found.push(ordinal)
      firstEnd = Math.min(firstEnd, end)
    }
    return found
  }

  #operation(move: number): SearchOperation {
    const required = this.#required.length
    return (move < required ? this.#required[move] : this.#optional[move - required]) as SearchOperation
  }

  #place(move: number): void {
    const required = this.#required.length
    if (move >= required) {
      this.#used[move - required] = 1
      return
    }
    this.#done[move] = 1
    this.#left--
    while (this.#done[this.#low] === 1) this.#low++
    this.#high = Math.max(this.#high, move + 1)
  }

  #unplace(move: number): void {
    const required = this.#required.length
    if (move >= required) {
      this.#used[move - required] = 0
      return
    }
    this.#done[move] = 0
    this.#left++
    this.#low = Math.min(this.#low, move)
  }

  /** Names what is placed and the state: the rest of the search depends on nothing else. */
  #key(state: number): string {
    let key = `${state};${this.#low}`
    for (let ordinal = this.#low; ordinal < this.#high; ordinal++) if (this.#done[ordinal] === 1) key += `,${ordinal}`
    for (let ordinal = 0; ordinal < this.#used.length; ordinal++) if (this.#used[ordinal] === 1) key += `;${ordinal}`
    return key
  }
}
