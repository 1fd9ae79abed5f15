/**
 * Where each log entry lies: index → segment, offset, length. Twelve bytes an entry in typed arrays
 * that grow by doubling, so a million entries cost 12 MB and no garbage.
 */
import { assert } from '../base/assert.js'

const INITIAL_CAPACITY = 1024
/** A jump between neighbouring entries beyond this is no gap but nonsense. */
export const GAP_ENTRIES_MAX = 1 << 24

export interface EntryPosition {
  readonly segment: number
  /** Offset of the entry's header in the segment. */
  readonly offset: number
  /** Header, body, and the whole record of the certificate where one lies behind them. */
  readonly length: number
}

export class PositionMap {
  #firstIndex: number
  #length = 0
  #missing = 0
  #segments = new Uint32Array(INITIAL_CAPACITY)
  #offsets = new Uint32Array(INITIAL_CAPACITY)
  #lengths = new Uint32Array(INITIAL_CAPACITY)

  constructor(firstIndex: number) {
    this.#firstIndex = firstIndex
  }

  get firstIndex(): number {
    return this.#firstIndex
  }

  /** The index after the last one. */
  get nextIndex(): number {
    return this.#firstIndex + this.#length
  }

  /** Entries whose position is known. */
  get count(): number {
    return this.#length - this.#missing
  }

  push(segment: number, offset: number, length: number): void {
    if (this.#length === this.#segments.length) this.#grow()
    if (segment === 0) this.#missing++
    this.#segments[this.#length] = segment
    this.#offsets[this.#length] = offset
    this.#lengths[this.#length] = length
    this.#length++
  }

  /** Leaves entries out up to, not including, `index`: they are lost. The caller bounds the gap. */
  skipTo(index: number): void {
    while (this.nextIndex < index) this.push(0, 0, 0)
  }

  /** Forgets entries with an index of `from` and above. */
  truncate(from: number): void {
    const length = Math.max(0, from - this.#firstIndex)
    for (let i = length; i < this.#length; i++) if (this.#segments[i] === 0) this.#missing--
    this.#length = Math.min(this.#length, length)
  }

  /** Forgets entries below `from`, which is at most `nextIndex`, and gives their memory back. */
  dropBefore(from: number): void {
    const dropped = from - this.#firstIndex
    assert(dropped >= 0 && dropped <= this.#length, 'what is dropped is in the map')
    for (let i = 0; i < dropped; i++) if (this.#segments[i] === 0) this.#missing--
    this.#firstIndex = from
    const end = this.#length
    this.#length -= dropped
    const capacity = Math.max(INITIAL_CAPACITY, this.#length * 2)
    this.#segments = moved(this.#segments, dropped, end, capacity)
    this.#offsets = moved(this.#offsets, dropped, end, capacity)
    this.#lengths = moved(this.#lengths, dropped, end, capacity)
  }

  /** Forgets everything: the next entry is `firstIndex`. */
  restart(firstIndex: number): void {
    this.truncate(this.#firstIndex)
    this.#firstIndex = firstIndex
  }

  /** Undefined outside the log and in its gaps. */
  get(index: number): EntryPosition | undefined {
    const i = index - this.#firstIndex
    if (i < 0 || i >= this.#length || this.#segments[i] === 0) return undefined
    return {
      segment: this.#segments[i] as number,
      offset: this.#offsets[i] as number,
      length: this.#lengths[i] as number,
    }
  }

  #grow(): void {
    this.#segments = doubled(this.#segments)
    this.#offsets = doubled(this.#offsets)
    this.#lengths = doubled(this.#lengths)
  }
}

function moved(
  array: Uint32Array<ArrayBuffer>,
  start: number,
  end: number,
  capacity: number,
): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(capacity)
  copy.set(array.subarray(start, end))
  return copy
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(array.length * 2)
  grown.set(array)
  return grown
}
