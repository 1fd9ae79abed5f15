/**
 * What a step leaves behind: at most one write, and messages that wait for everything written so far.
 * Nothing signed leaves before it is durable; writes become durable in order, so waiting for the newest
 * is waiting for all.
 */
import { assert } from '../../../base/assert.js'
import type { Effect, Input, ProtocolMessage, StoreRecord } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { LogBase } from '../../snapshot.js'
import type { Epoch, LogIndex, NodeId, Term, WriteId } from '../../types.js'

interface OpenWrite {
  readonly writeId: WriteId
  readonly epoch: Epoch
  readonly index: LogIndex
  /** Where the decided log ended after it. */
  readonly logEnd: LogIndex
}

type Stored = Extract<Input, { type: 'stored' }>
type Send = Extract<Effect, { type: 'send' }>

export class Outbox {
  #records: StoreRecord[] = []
  #entries: Entry[] | null = null
  #lastEntry = 0 as LogIndex
  #base: LogBase | null = null
  /** Entries that follow a base at which the log begins anew; null where it does not in this step. */
  #following: Entry[] | null = null
  #sends: Send[] = []
  #effects: Effect[] = []
  #nextId = 1
  #durableId = 0
  #durableIndex: LogIndex
  readonly #open: OpenWrite[] = []
  /** Of slot records since the last decided entry, or since the live ones were written again. */
  readonly #slots = { records: 0, bytes: 0 }

  constructor(lastIndex: LogIndex) {
    this.#durableIndex = lastIndex
  }

  /** Every decided entry up to here is on this node's disk. */
  get durableIndex(): LogIndex {
    return this.#durableIndex
  }

  /** Names the write that this step makes. */
  get writeId(): WriteId {
    return this.#nextId as WriteId
  }

  /** True once everything that was recorded up to this write is on disk. */
  isDurable(writeId: WriteId): boolean {
    return writeId <= this.#durableId
  }

  record(record: Exclude<StoreRecord, { kind: 'entries' | 'base' }>): void {
    this.#entries = null
    this.#records.push(record)
    if (record.kind !== 'slot') return
    this.#slots.records++
    this.#slots.bytes += record.payload.length
  }

  /** How many slot records, and bytes of them, stand in the log since the last progress. */
  get slotsWritten(): { readonly records: number; readonly bytes: number } {
    return this.#slots
  }

  /** What was written of slots so far does not count any more. */
  forgetSlots(): void {
    this.#slots.records = 0
    this.#slots.bytes = 0
  }

  /** Comes after everything but the entries that follow it: what must outlive the segments before it stands before it. */
  base(base: LogBase): void {
    this.#base = base
  }

  entry(entry: Entry): void {
    this.forgetSlots()
    this.#lastEntry = entry.index
    if (this.#following !== null) {
      this.#following.push(entry)
      return
    }
    if (this.#entries === null) {
      this.#entries = []
      this.#records.push({ kind: 'entries', entries: this.#entries })
    }
    this.#entries.push(entry)
  }

  /** The log begins anew behind a snapshot: what it held counts for nothing. */
  resetLog(base: LogBase): void {
    this.#durableIndex = Math.min(this.#durableIndex, base.index) as LogIndex
    this.#following = []
    this.base(base)
  }

  send(to: NodeId, message: ProtocolMessage): void {
    this.#sends.push({ type: 'send', to, message })
  }

  emit(effect: Exclude<Effect, { type: 'send' | 'store' }>): void {
    this.#effects.push(effect)
  }

  /** The write first, then the messages that wait for it, then the rest. */
  finish(epoch: Epoch, logEnd: LogIndex): Effect[] {
    const effects: Effect[] = []
    if (this.#base !== null) this.#records.push({ kind: 'base', base: this.#base })
    if (this.#following !== null && this.#following.length > 0)
      this.#records.push({ kind: 'entries', entries: this.#following })
    this.#base = null
    this.#following = null
    if (this.#records.length > 0) {
      const writeId = this.#nextId++ as WriteId
      const index = this.#lastEntry
      effects.push({ type: 'store', writeId, epoch, term: 0 as Term, index, records: this.#records })
      this.#open.push({ writeId, epoch, index, logEnd })
    }
    const newest = this.#nextId - 1
    const after = newest > this.#durableId ? { after: newest as WriteId } : {}
    for (const send of this.#sends) effects.push({ ...send, ...after })
    effects.push(...this.#effects)
    this.#records = []
    this.#entries = null
    this.#lastEntry = 0 as LogIndex
    this.#sends = []
    this.#effects = []
    return effects
  }

  /** Takes a completion. False when it tells nothing new. */
  complete(stored: Stored): boolean {
    const at = this.#open.findIndex((write) => write.writeId === stored.writeId)
    const write = this.#open[at]
    if (write === undefined) return false
    assert(write.epoch === stored.epoch && write.index === stored.index, 'a completion names the write as it was made')
    this.#open.splice(0, at + 1)
    this.#durableId = stored.writeId
    this.#durableIndex = Math.max(this.#durableIndex, write.logEnd) as LogIndex
    return true
  }
}
