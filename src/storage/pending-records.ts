/**
 * Slots and blocks on the way to becoming entries: those above the last entry, in write order. A core
 * writes the live ones again before a compaction, so the same bytes may come twice: the later counts.
 * The number and the bytes are bounded when they are written, hence also when they are read back.
 */
import { bytesEqual } from '../base/bytes.js'
import type { PendingRecord } from '../consensus/core.js'

export const PENDING_RECORDS_MAX = 65_536
export const PENDING_BYTES_MAX = 256 * 1024 * 1024

interface Held {
  readonly record: PendingRecord
  readonly order: number
}

export class PendingRecords {
  readonly #byIndex = new Map<number, Held[]>()
  /** Entries up to here are in the log. */
  #done: number
  #order = 0
  #count = 0
  #bytes = 0

  constructor(done: number) {
    this.#done = done
  }

  /** More than a log may hold. */
  get isOver(): boolean {
    return this.#count > PENDING_RECORDS_MAX || this.#bytes > PENDING_BYTES_MAX
  }

  /** In write order. */
  get all(): PendingRecord[] {
    const held = [...this.#byIndex.values()].flat()
    return held.sort((a, b) => a.order - b.order).map(({ record }) => record)
  }

  /** Keeps the payload as it is, not a copy. */
  add(record: PendingRecord): void {
    if (record.index <= this.#done) return
    const held = this.#byIndex.get(record.index) ?? []
    const again = held.findIndex((other) => isSame(other.record, record))
    if (again >= 0) held.splice(again, 1)
    else {
      this.#count++
      this.#bytes += record.payload.length
    }
    held.push({ record, order: this.#order++ })
    this.#byIndex.set(record.index, held)
  }

  /** The entries up to `index` are in the log, or below its base. */
  dropThrough(index: number): void {
    // Entries mostly come one by one.
    if (index === this.#done + 1) this.#drop(index)
    else for (const key of this.#byIndex.keys()) if (key <= index) this.#drop(key)
    this.#done = Math.max(this.#done, index)
  }

  /** Of those so far only the last `count` count. */
  keepNewest(count: number): void {
    const orders = [...this.#byIndex.values()].flat().map(({ order }) => order)
    if (orders.length <= count) return
    const first = orders.sort((a, b) => b - a)[count - 1] ?? Number.POSITIVE_INFINITY
    for (const [index, held] of this.#byIndex) {
      for (const { record, order } of held) if (order < first) this.#uncount(record)
      const kept = held.filter(({ order }) => order >= first)
      if (kept.length > 0) this.#byIndex.set(index, kept)
      else this.#byIndex.delete(index)
    }
  }

  /** Entries from `from` on are gone. */
  truncate(from: number): void {
    this.#done = Math.min(this.#done, from - 1)
  }

  /** Forgets the oldest until the rest fits: for a damaged log, on which nothing may be signed anyway. */
  shrink(): void {
    for (const { index } of this.all) {
      if (!this.isOver) return
      this.#drop(index)
    }
  }

  #drop(index: number): void {
    for (const { record } of this.#byIndex.get(index) ?? []) this.#uncount(record)
    this.#byIndex.delete(index)
  }

  #uncount({ payload }: PendingRecord): void {
    this.#count--
    this.#bytes -= payload.length
  }
}

function isSame(a: PendingRecord, b: PendingRecord): boolean {
  return a.kind === b.kind && bytesEqual(a.payload, b.payload)
}
