/**
 * The log as a core sees it: where it begins, the (epoch, term) of every index as runs, and the newest
 * entries in memory. Older entries are on disk only; whoever needs them asks the driver to load them.
 *
 * Entries leave memory from the front, when they are durable and executed, so everything that may
 * still be truncated, committed or applied is here.
 */
import { assert } from '../../base/assert.js'
import type { RestoredLog } from '../core.js'
import { ENTRY_HEADER_BYTES, type Entry } from '../entry.js'
import type { LogBase } from '../snapshot.js'
import type { Epoch, LogIndex, Millis, Term } from '../types.js'
import type { RaftLimits } from './config.js'

/** Epoch and term of one position. */
export interface TermPosition {
  readonly epoch: Epoch
  readonly term: Term
}

interface TermRun extends TermPosition {
  readonly first: LogIndex
}

/** Slots freed at the front before the array is copied; keeps eviction at constant cost per entry. */
const COMPACT_AT = 1024

export function entryBytes(entry: Entry): number {
  return ENTRY_HEADER_BYTES + entry.body.length
}

/** Order of two (epoch, term) pairs: negative, zero or positive. */
export function compareTerms(a: TermPosition, b: TermPosition): number {
  return a.epoch - b.epoch || a.term - b.term
}

export class RaftLog {
  #base: LogBase
  readonly #limits: RaftLimits
  readonly #runs: TermRun[]
  /** Slots before `#head` are free. */
  #slots: (Entry | undefined)[]
  #head = 0
  #tailBytes = 0
  #lastIndex: LogIndex

  constructor(restored: RestoredLog, limits: RaftLimits) {
    const { base, lastIndex, termRuns, tail } = restored
    assert(lastIndex >= base.index, 'a log ends after its base')
    assert(lastIndex === base.index || tail.at(-1)?.index === lastIndex, 'the last entry is in memory')
    assert(lastIndex === base.index || termRuns[0]?.first === base.index + 1, 'the terms of the whole log are known')
    tail.forEach((entry, at) =>
      assert(entry.index === lastIndex - tail.length + 1 + at, 'restored entries are contiguous'),
    )
    this.#base = base
    this.#limits = limits
    this.#runs = [...termRuns]
    this.#slots = [...tail]
    this.#lastIndex = lastIndex
    for (const entry of tail) this.#tailBytes += entryBytes(entry)
  }

  /** What the log follows. */
  get base(): LogBase {
    return this.#base
  }

  /** First index that the log holds, on disk or in memory. */
  get firstIndex(): LogIndex {
    return (this.base.index + 1) as LogIndex
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex
  }

  /** First index that is in memory; `lastIndex + 1` when none is. */
  get tailFirst(): LogIndex {
    return (this.#lastIndex - (this.#slots.length - this.#head) + 1) as LogIndex
  }

  get tailBytes(): number {
    return this.#tailBytes
  }

  /** Epoch and term of the last entry, or of the base. */
  get last(): TermPosition {
    return this.#runs.at(-1) ?? this.base
  }

  /** The chain that the next entry follows. */
  get lastChain(): Uint8Array {
    return this.#lastIndex === this.base.index ? this.base.chain : (this.entry(this.#lastIndex) as Entry).chain
  }

  /** Timestamp of the last entry, or of the base. */
  get lastTimestampMs(): Millis {
    return this.entry(this.#lastIndex)?.timestampMs ?? this.base.timestampMs
  }

  entry(index: LogIndex): Entry | undefined {
    const first = this.tailFirst
    return index < first || index > this.#lastIndex ? undefined : this.#slots[this.#head + index - first]
  }

  /** chain(index); undefined when the entry is not in memory. */
  chainAt(index: LogIndex): Uint8Array | undefined {
    return index === this.base.index ? this.base.chain : this.entry(index)?.chain
  }

  /** Epoch and term of an index; undefined outside base … last. */
  termAt(index: LogIndex): TermPosition | undefined {
    if (index < this.base.index || index > this.#lastIndex) return undefined
    if (index === this.base.index) return this.base
    return this.#runs[this.#runOf(index)]
  }

  matches(index: LogIndex, position: TermPosition): boolean {
    const own = this.termAt(index)
    return own !== undefined && compareTerms(own, position) === 0
  }

  append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, 'entries are appended without a gap')
    assert(compareTerms(entry, this.last) >= 0, 'terms never decrease along a log')
    if (compareTerms(entry, this.last) > 0 || this.#runs.length === 0) {
      this.#runs.push({ first: entry.index, epoch: entry.epoch, term: entry.term })
    }
    this.#slots.push(entry)
    this.#tailBytes += entryBytes(entry)
    this.#lastIndex = entry.index
  }

  /** Removes everything from `from` on. The caller appends right afterwards. */
  truncate(from: LogIndex): void {
    assert(from > this.base.index && from <= this.#lastIndex, 'only existing entries are truncated')
    const keep = Math.max(0, from - this.tailFirst)
    for (let at = this.#head + keep; at < this.#slots.length; at++)
      this.#tailBytes -= entryBytes(this.#slots[at] as Entry)
    this.#slots.length = this.#head + keep
    while ((this.#runs.at(-1)?.first ?? 0) >= from) this.#runs.pop()
    this.#lastIndex = (from - 1) as LogIndex
  }

  /** Forgets everything up to `base.index`, which the log holds. */
  compact(base: LogBase): void {
    assert(base.index > this.base.index && base.index <= this.#lastIndex, 'a log is compacted within itself')
    assert(this.matches(base.index, base), 'a base is the entry that the log holds there')
    while (this.#runs[1] !== undefined && this.#runs[1].first <= base.index + 1) this.#runs.shift()
    if (base.index === this.#lastIndex) this.#runs.length = 0
    else this.#runs[0] = { ...(this.#runs[0] as TermRun), first: (base.index + 1) as LogIndex }
    this.#drop(base.index)
    this.#base = base
  }

  /** Forgets everything and begins after `base`, which the log does not hold. */
  reset(base: LogBase): void {
    assert(!this.matches(base.index, base), 'a log that holds the base is compacted, not dropped')
    this.#runs.length = 0
    this.#slots = []
    this.#head = 0
    this.#tailBytes = 0
    this.#lastIndex = base.index
    this.#base = base
  }

  #drop(upTo: LogIndex): void {
    for (let first: number = this.tailFirst; first <= upTo && first <= this.#lastIndex; first++) {
      this.#tailBytes -= entryBytes(this.#slots[this.#head] as Entry)
      this.#slots[this.#head++] = undefined
    }
  }

  /** Lets go of the oldest entries above the limits, up to `upTo`. The last entry stays. */
  evict(upTo: LogIndex): void {
    const { tailBytesMax, tailEntriesMax } = this.#limits
    const end = Math.min(upTo, this.#lastIndex - 1)
    let first: number = this.tailFirst
    while (first <= end && (this.#tailBytes > tailBytesMax || this.#lastIndex - first + 1 > tailEntriesMax)) {
      this.#tailBytes -= entryBytes(this.#slots[this.#head] as Entry)
      this.#slots[this.#head++] = undefined
      first++
    }
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head)
      this.#head = 0
    }
  }

  /** Entries from `from` on that are in memory: at least one, at most about `bytesMax` and `entriesMax`. */
  slice(from: LogIndex, bytesMax: number, entriesMax: number): Entry[] {
    const first = this.tailFirst
    assert(from >= first && from <= this.#lastIndex, 'a slice starts in memory')
    const entries: Entry[] = []
    let bytes = 0
    for (let at = this.#head + from - first; at < this.#slots.length && entries.length < entriesMax; at++) {
      const entry = this.#slots[at] as Entry
      bytes += entryBytes(entry)
      if (entries.length > 0 && bytes > bytesMax) break
      entries.push(entry)
    }
    return entries
  }

  /**
   * The highest index ≤ `index` whose (epoch, term) is not above `position`: a whole term of conflicts
   * is skipped at once (Raft paper, end of section 5.3). Never below the base.
   */
  skipConflict(index: LogIndex, position: TermPosition): LogIndex {
    let at = Math.min(index, this.#lastIndex)
    for (let run = this.#runs.length - 1; run >= 0 && at > this.base.index; run--) {
      const { first } = this.#runs[run] as TermRun
      if (first > at) continue
      if (compareTerms(this.#runs[run] as TermRun, position) <= 0) return at as LogIndex
      at = first - 1
    }
    return Math.max(at, this.base.index) as LogIndex
  }

  /** Ordinal of the run that holds `index`; searched from the end, where the questions are. */
  #runOf(index: LogIndex): number {
    let low = 0
    let high = this.#runs.length - 1
    if ((this.#runs[high] as TermRun).first <= index) return high
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#runs[middle] as TermRun).first <= index) low = middle
      else high = middle - 1
    }
    return low
  }
}
