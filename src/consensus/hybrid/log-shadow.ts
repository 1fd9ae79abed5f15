/**
 * What the log of this node looks like, followed from the records that are written to it: the cores of
 * two epochs share one log, and only who watches the writes knows it whole when one hands over to the
 * next. Entries stay in memory until they are executed and many; their places and terms always.
 */
import { assert } from '../../base/assert.js'
import type { RestoredLog, StoreRecord } from '../core.js'
import type { Entry } from '../entry.js'
import { decodeMembership, type MembershipRecord } from '../membership.js'
import type { LogBase } from '../snapshot.js'
import type { Epoch, LogIndex, Term } from '../types.js'

type TermRun = RestoredLog['termRuns'][number]

/** Executed entries that stay in memory, for peers and for bridges. */
export const SHADOW_ENTRIES_MAX = 16_384

export class LogShadow {
  #base: LogBase
  #lastIndex: LogIndex
  #runs: TermRun[]
  #memberships: MembershipRecord[]
  readonly #entries = new Map<number, Entry>()
  #first: number

  constructor({ base, lastIndex, termRuns, memberships, tail }: RestoredLog) {
    this.#base = base
    this.#lastIndex = lastIndex
    this.#runs = [...termRuns]
    this.#memberships = [...memberships]
    for (const entry of tail) this.#entries.set(entry.index, entry)
    this.#first = tail[0]?.index ?? lastIndex + 1
  }

  get base(): LogBase {
    return this.#base
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex
  }

  entry(index: number): Entry | undefined {
    return this.#entries.get(index)
  }

  /** chain(index); undefined above the end, and where the entry has left memory. */
  chainAt(index: number): Uint8Array | undefined {
    return index === this.#base.index ? this.#base.chain : this.#entries.get(index)?.chain
  }

  /** Epoch and term of an index; undefined outside base … last. */
  termAt(index: number): { readonly epoch: Epoch; readonly term: Term } | undefined {
    if (index < this.#base.index || index > this.#lastIndex) return undefined
    return index === this.#base.index ? this.#base : this.#runs.findLast(({ first }) => first <= index)
  }

  /** The newest configuration up to an index, as the log has it; null where that is of genesis. */
  membershipAt(index: number): MembershipRecord | null {
    return this.#memberships.findLast((record) => record.index <= index) ?? this.#base.membership
  }

  /** The first change of members in this epoch, decided or not; undefined for none. */
  changeIn(epoch: Epoch): Entry | undefined {
    for (const { index } of this.#memberships) {
      const entry = this.#entries.get(index)
      if (entry?.epoch === epoch) return entry
    }
    return undefined
  }

  /** Entries from … upTo that are in memory, from the first on without a gap. */
  slice(from: number, upTo: number, max: number): Entry[] {
    const entries: Entry[] = []
    for (let index = from; index <= upTo && entries.length < max; index++) {
      const entry = this.#entries.get(index)
      if (entry === undefined) break
      entries.push(entry)
    }
    return entries
  }

  apply(records: readonly StoreRecord[]): void {
    for (const record of records) {
      if (record.kind === 'truncate') this.#truncate(record.from)
      else if (record.kind === 'entries') for (const entry of record.entries) this.#append(entry)
      else if (record.kind === 'base') this.#rebase(record.base)
    }
  }

  /** Lets go of the oldest entries beyond the bound, up to what is executed. */
  evict(executed: LogIndex): void {
    while (this.#lastIndex - this.#first >= SHADOW_ENTRIES_MAX && this.#first <= executed) {
      this.#entries.delete(this.#first++)
    }
  }

  /** The log as the core of a new epoch is to find it. */
  restored(
    given: Pick<RestoredLog, 'hardState' | 'snapshot' | 'commitIndex' | 'mayVote' | 'safety' | 'pending'>,
  ): RestoredLog {
    const tail = this.slice(Math.max(this.#first, this.#base.index + 1), this.#lastIndex, Number.POSITIVE_INFINITY)
    return {
      ...given,
      base: this.#base,
      lastIndex: this.#lastIndex,
      termRuns: [...this.#runs],
      memberships: [...this.#memberships],
      tail,
      aborts: [],
    }
  }

  #append(entry: Entry): void {
    assert(entry.index === this.#lastIndex + 1, 'entries are written without a gap')
    const last = this.#runs.at(-1)
    if (last === undefined || last.epoch !== entry.epoch || last.term !== entry.term)
      this.#runs.push({ first: entry.index, epoch: entry.epoch, term: entry.term })
    this.#entries.set(entry.index, entry)
    this.#lastIndex = entry.index
    if (entry.kind === 'membership')
      this.#memberships.push({ index: entry.index, membership: decodeMembership(entry.body) })
  }

  #truncate(from: LogIndex): void {
    for (let index: number = from; index <= this.#lastIndex; index++) this.#entries.delete(index)
    this.#lastIndex = (from - 1) as LogIndex
    this.#first = Math.min(this.#first, from)
    this.#runs = this.#runs.filter(({ first }) => first < from)
    this.#memberships = this.#memberships.filter(({ index }) => index < from)
  }

  #rebase(base: LogBase): void {
    const own = this.chainAt(base.index)
    const isWithin =
      base.index <= this.#lastIndex && (own === undefined || own.every((byte, i) => byte === base.chain[i]))
    if (!isWithin) this.#truncate((this.#base.index + 1) as LogIndex)
    const run = isWithin && base.index < this.#lastIndex ? this.termAt(base.index + 1) : undefined
    const later = this.#runs.filter(({ first }) => first > base.index + 1)
    this.#runs = run === undefined ? later : [{ ...run, first: (base.index + 1) as LogIndex }, ...later]
    this.#memberships = this.#memberships.filter(({ index }) => index > base.index)
    for (let index = this.#first; index <= base.index; index++) this.#entries.delete(index)
    this.#first = Math.max(this.#first, base.index + 1)
    this.#base = base
    this.#lastIndex = Math.max(this.#lastIndex, base.index) as LogIndex
  }
}
