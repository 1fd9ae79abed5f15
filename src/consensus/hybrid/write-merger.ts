/**
 * One log, several cores over time: what they write in one step of the hybrid becomes one write, what is
 * sent waits for the right one, and completions go back to whoever wrote. Writes become durable in order,
 * so waiting for a later one is waiting for all before it.
 */
import type { Effect, Input, StoreRecord } from '../core.js'
import type { Epoch, LogIndex, NodeId, Term, WriteId } from '../types.js'

type Store = Extract<Effect, { type: 'store' }>
type Stored = Extract<Input, { type: 'stored' }>

/** Takes the completion of its own write. */
export type Writer = (stored: Stored) => void

interface Part {
  readonly writer: Writer
  readonly stored: Stored
}

interface Write {
  readonly id: WriteId
  readonly epoch: Epoch
  readonly term: Term
  readonly index: LogIndex
  readonly parts: readonly Part[]
  readonly onDurable: readonly (() => void)[]
}

type Send = Extract<Effect, { type: 'send' }>

export class WriteMerger {
  #records: StoreRecord[] = []
  #parts: Part[] = []
  #onDurable: (() => void)[] = []
  #sends: { readonly send: Send; readonly writer: Writer | null; readonly waits: boolean }[] = []
  #effects: Effect[] = []
  readonly #open: Write[] = []
  #nextId = 1

  /** A write of a core; its records go into this step's write, changed by `change`. */
  store(
    writer: Writer,
    { writeId, epoch, term, index, records }: Store,
    change: (record: StoreRecord) => StoreRecord[],
  ): void {
    for (const record of records) this.#records.push(...change(record))
    this.#parts.push({ writer, stored: { type: 'stored', writeId, epoch, term, index } })
  }

  /** This step's write, as soon as there is a record in it. */
  get ownId(): WriteId {
    return this.#nextId as WriteId
  }

  record(record: StoreRecord): void {
    this.#records.push(record)
  }

  get hasRecords(): boolean {
    return this.#records.length > 0
  }

  /** Called when this step's write is durable; at once where there is none and nothing is open. */
  whenDurable(run: () => void): void {
    this.#onDurable.push(run)
  }

  /** A send of a core, which may wait for a write of that core; `waits`: and for this step's write in any case. */
  send(writer: Writer | null, send: Send, waits: boolean): void {
    this.#sends.push({ send, writer, waits })
  }

  sendTo(to: NodeId, message: Send['message'], waits: boolean): void {
    this.send(null, { type: 'send', to, message }, waits)
  }

  emit(effect: Exclude<Effect, { type: 'send' | 'store' }>): void {
    this.#effects.push(effect)
  }

  /** The hybrid's write that holds a core's write; undefined where that is durable. */
  idOf(writer: Writer, writeId: WriteId): WriteId | undefined {
    const isHere = this.#parts.some((part) => part.writer === writer && part.stored.writeId >= writeId)
    for (const { id, parts } of this.#open) {
      if (parts.some((part) => part.writer === writer && part.stored.writeId >= writeId)) return id
    }
    return isHere ? (this.#nextId as WriteId) : undefined
  }

  finish(epoch: Epoch, term: Term): Effect[] {
    // Evidence comes first: it waits for nothing, and how long it took is measured.
    const effects: Effect[] = this.#effects.filter(isEvidence)
    const isWriting = this.#records.length > 0
    const records = standingFirst(this.#records)
    const own = this.#nextId as WriteId
    const sends = this.#sends.map(({ send, writer, waits }) => {
      const { type, to, message } = send
      const core = writer === null || send.after === undefined ? undefined : this.idOf(writer, send.after)
      const newest = waits ? (isWriting ? own : this.#open.at(-1)?.id) : undefined
      const after = newest ?? core
      return after === undefined ? { type, to, message } : { type, to, message, after }
    })
    if (isWriting) {
      const index = lastEntryIn(records)
      this.#open.push({ id: own, epoch, term, index, parts: this.#parts, onDurable: this.#onDurable })
      effects.push({ type: 'store', writeId: own, epoch, term, index, records })
      this.#nextId++
      this.#onDurable = []
    }
    effects.push(...sends, ...this.#effects.filter((effect) => !isEvidence(effect)))
    this.#records = []
    this.#parts = []
    this.#sends = []
    this.#effects = []
    return effects
  }

  /** What waited for this write, cores first; each core hears of its last write only. */
  complete({ writeId }: Stored): (() => void)[] {
    const last = new Map<Writer, Stored>()
    const runs: (() => void)[] = []
    while (this.#open[0] !== undefined && this.#open[0].id <= writeId) {
      const { parts, onDurable } = this.#open.shift() as Write
      for (const { writer, stored } of parts) last.set(writer, stored)
      runs.push(...onDurable)
    }
    return [
      ...[...last].map(
        ([writer, stored]) =>
          () =>
            writer(stored),
      ),
      ...runs,
    ]
  }
}

/**
 * A change of the base is a step of the disk by itself. What says why the log begins there stands before it: a crash
 * between the two leaves a log that a start can set right, and never one that nothing explains.
 */
function standingFirst(records: readonly StoreRecord[]): readonly StoreRecord[] {
  const at = records.findIndex(({ kind }) => kind === 'base')
  if (at < 0) return records
  const behind = records.slice(at)
  return [...records.slice(0, at), ...behind.filter(isStanding), ...behind.filter((record) => !isStanding(record))]
}

function isStanding({ kind }: StoreRecord): boolean {
  return kind === 'hardState' || kind === 'safety' || kind === 'abort'
}

function lastEntryIn(records: readonly StoreRecord[]): LogIndex {
  let index = 0
  for (const record of records) {
    if (record.kind === 'entries') index = record.entries.at(-1)?.index ?? index
  }
  return index as LogIndex
}

function isEvidence({ type }: Effect): boolean {
  return type === 'evidence'
}
