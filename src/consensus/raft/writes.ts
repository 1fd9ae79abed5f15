/**
 * The storage order of a core, kept on its side: one write per step, ids that only grow, and which
 * write makes which part of the log durable.
 *
 * All writes go through one ordered queue, so when one is durable, everything before it is. A
 * truncation lowers what the open writes will have made durable; a completion that arrives after
 * its entries were replaced can therefore never count for the new ones (the ABA of asynchronous storage).
 */
import { assert } from '../../base/assert.js'
import { type BegunWrite, beginWrite, type StoreEffect } from '../begun-write.js'
import type { Effect, HardState, Input, StoreRecord } from '../core.js'
import type { Entry } from '../entry.js'
import type { LogBase } from '../snapshot.js'
import type { Epoch, LogIndex, Millis, Term, WriteId } from '../types.js'

type Stored = Extract<Input, { type: 'stored' }>

interface OpenWrite {
  readonly effect: StoreEffect
  /** Where the log ended after this write; lowered by later truncations. */
  logEnd: LogIndex
  /** When the driver was given it. */
  readonly sinceMs: Millis
}

interface CurrentWrite extends BegunWrite {
  /** The open list of entries, null when the next entry begins one. */
  entries: Entry[] | null
}

export class WriteQueue {
  readonly #emit: (effect: Effect) => void
  /** In id order, not yet durable. Short: the driver groups what waits. */
  readonly #open: OpenWrite[] = []
  /** The write of the step that is running. */
  #current: CurrentWrite | null = null
  #nextId = 1
  #durableIndex: LogIndex
  /** The newest write that holds a hard state, 0 when that is durable. */
  #hardStateWrite = 0

  constructor(lastIndex: LogIndex, emit: (effect: Effect) => void) {
    this.#durableIndex = lastIndex
    this.#emit = emit
  }

  /** Every entry of the log up to here is on disk. */
  get durableIndex(): LogIndex {
    return this.#durableIndex
  }

  /** The write that makes term and vote durable; undefined when they are. */
  get hardStateWrite(): WriteId | undefined {
    return this.#hardStateWrite === 0 ? undefined : (this.#hardStateWrite as WriteId)
  }

  /** When the oldest write that is not durable yet was given out; undefined when all are. */
  get waitingSinceMs(): Millis | undefined {
    return this.#open[0]?.sinceMs
  }

  /** Puts term and vote into the step's write, before any of its entries. The last of a step counts. */
  hardState(hardState: HardState): void {
    const { effect, records } = this.#begin()
    const record: StoreRecord = { kind: 'hardState', hardState }
    if (records[0]?.kind === 'hardState') records[0] = record
    else records.unshift(record)
    this.#hardStateWrite = effect.writeId
  }

  truncate(from: LogIndex): void {
    const current = this.#begin()
    current.records.push({ kind: 'truncate', from })
    current.entries = null
    const end = (from - 1) as LogIndex
    this.#durableIndex = Math.min(this.#durableIndex, end) as LogIndex
    for (const write of this.#open) write.logEnd = Math.min(write.logEnd, end) as LogIndex
  }

  append(entry: Entry): void {
    const current = this.#begin()
    if (current.entries === null) {
      current.entries = []
      current.records.push({ kind: 'entries', entries: current.entries })
    }
    current.entries.push(entry)
    current.effect.index = entry.index
  }

  /** The log begins after `base` from this write on; what it held up to there stays as durable as it was. */
  compact(base: LogBase): void {
    const current = this.#begin()
    current.records.push({ kind: 'base', base })
    current.entries = null
  }

  /**
   * The log is dropped and begins after `base`; of what it held, only what is covered up to
   * `coveredIndex` goes on to count as durable until this write is.
   */
  reset(base: LogBase, coveredIndex: LogIndex): WriteId {
    this.compact(base)
    this.#durableIndex = Math.min(this.#durableIndex, coveredIndex) as LogIndex
    for (const write of this.#open) write.logEnd = Math.min(write.logEnd, coveredIndex) as LogIndex
    return (this.#current as CurrentWrite).effect.writeId
  }

  /** Ends the step's write, if it has one. */
  finish(epoch: Epoch, term: Term, lastIndex: LogIndex, nowMs: Millis): void {
    if (this.#current === null) return
    const { effect } = this.#current
    effect.epoch = epoch
    effect.term = term
    this.#open.push({ effect, logEnd: lastIndex, sinceMs: nowMs })
    this.#current = null
  }

  /** Which write an acknowledgement of the log up to `index`, in the current term, has to wait for. */
  afterFor(index: LogIndex): WriteId | undefined {
    let after = this.#hardStateWrite
    if (index > this.#durableIndex) after = Math.max(after, this.#writeOf(index))
    return after === 0 ? undefined : (after as WriteId)
  }

  /** Takes a completion. False when it tells nothing new. */
  complete(stored: Stored): boolean {
    const last = this.#open.findIndex((write) => write.effect.writeId === stored.writeId)
    if (last < 0) return false
    const { effect, logEnd } = this.#open[last] as OpenWrite
    assert(
      effect.epoch === stored.epoch && effect.term === stored.term && effect.index === stored.index,
      'a completion names the write as it was made',
    )
    this.#open.splice(0, last + 1)
    this.#durableIndex = Math.max(this.#durableIndex, logEnd) as LogIndex
    if (this.#hardStateWrite <= stored.writeId) this.#hardStateWrite = 0
    return true
  }

  #begin(): CurrentWrite {
    if (this.#current !== null) return this.#current
    const begun = beginWrite(this.#nextId++)
    this.#emit(begun.effect)
    this.#current = { ...begun, entries: null }
    return this.#current
  }

  /** The first write after which the log is durable up to `index`. */
  #writeOf(index: LogIndex): number {
    let found = this.#current?.effect.writeId
    for (let at = this.#open.length - 1; at >= 0; at--) {
      const write = this.#open[at] as OpenWrite
      if (write.logEnd < index) break
      found = write.effect.writeId
    }
    assert(found !== undefined, 'an entry that is not durable has a write under way')
    return found
  }
}
