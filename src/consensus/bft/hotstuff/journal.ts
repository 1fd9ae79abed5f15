/**
 * The writes of a core: at most one per step, in the order in which things were decided. Whatever is
 * signed in a step leaves only after its write, which holds the safety record and the block; entries
 * count as committed when their write is durable. What must wait without being a message waits here too.
 */
import { type BegunWrite, beginWrite } from '../../begun-write.js'
import type { Effect, HardState, Input } from '../../core.js'
import type { Entry } from '../../entry.js'
import type { LogBase } from '../../snapshot.js'
import type { Epoch, LogIndex, WriteId } from '../../types.js'

type Stored = Extract<Input, { type: 'stored' }>

/** A block as it is stored, and the index that its entry would take. */
export interface LiveBlock {
  readonly index: LogIndex
  readonly payload: Uint8Array
}

interface Waiting {
  readonly writeId: number
  readonly run: () => void
}

export class Journal {
  readonly #emit: (effect: Effect) => void
  #current: BegunWrite | null = null
  #nextId = 1
  /** The newest write; 0 when all are durable. */
  #newest = 0
  /** The newest write with a safety record that is not durable yet; 0 for none. */
  #safety = 0
  #safetyDue = false
  #waiting: Waiting[] = []
  /** Records and bytes of blocks that were written since the live ones were, by index, above the last entry. */
  readonly #blocks = new Map<LogIndex, { records: number; bytes: number }>()

  constructor(emit: (effect: Effect) => void) {
    this.#emit = emit
  }

  /** What a message that carries an own signature has to wait for; undefined when that is durable. */
  get afterSafety(): WriteId | undefined {
    return this.#safety === 0 ? undefined : (this.#safety as WriteId)
  }

  /** The step's write ends with a new safety record. */
  safety(): void {
    this.#safetyDue = true
    this.#safety = this.#begin().effect.writeId
  }

  block(index: LogIndex, payload: Uint8Array): void {
    this.#begin().records.push({ kind: 'block', index, payload })
    const { records, bytes } = this.#blocks.get(index) ?? { records: 0, bytes: 0 }
    this.#blocks.set(index, { records: records + 1, bytes: bytes + payload.length })
  }

  /** How many block records, and bytes of them, the log holds besides those that were live when they were last renewed. */
  get blocksWritten(): { readonly records: number; readonly bytes: number } {
    const all = [...this.#blocks.values()]
    return {
      records: all.reduce((sum, { records }) => sum + records, 0),
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  /** The live blocks once more; what was written of blocks before counts for nothing. */
  renewBlocks(live: readonly LiveBlock[]): void {
    const { records } = this.#begin()
    for (const { index, payload } of live) records.push({ kind: 'block', index, payload })
    records.push({ kind: 'live', count: live.length })
    this.#blocks.clear()
  }

  entries(entries: readonly Entry[]): void {
    const { effect, records } = this.#begin()
    records.push({ kind: 'entries', entries })
    effect.index = (entries.at(-1) as Entry).index
    for (const index of [...this.#blocks.keys()]) if (index <= effect.index) this.#blocks.delete(index)
  }

  hardState(hardState: HardState): void {
    this.#begin().records.push({ kind: 'hardState', hardState })
  }

  /** The log begins after `base`: what has to stay is written again before. */
  base(base: LogBase, live: readonly LiveBlock[], safety: Uint8Array) {
    const { effect, records } = this.#begin()
    for (const { index, payload } of live) records.push({ kind: 'block', index, payload })
    records.push({ kind: 'safety', safety }, { kind: 'base', base })
    return effect.writeId
  }

  /** Runs when everything that was written so far is durable: at once where it is. */
  whenDurable(run: () => void): void {
    const writeId = this.#current?.effect.writeId ?? this.#newest
    if (writeId === 0) run()
    else this.#waiting.push({ writeId, run })
  }

  /** Ends the step's write, if it has one. */
  finish(epoch: Epoch, safety: () => Uint8Array): void {
    if (this.#current === null) return
    const { effect, records } = this.#current
    if (this.#safetyDue) records.push({ kind: 'safety', safety: safety() })
    effect.epoch = epoch
    this.#newest = effect.writeId
    this.#safetyDue = false
    this.#current = null
  }

  /** What had waited for this write and those before it, in order. */
  complete({ writeId }: Stored): void {
    if (writeId >= this.#newest) this.#newest = 0
    if (writeId >= this.#safety) this.#safety = 0
    const due = this.#waiting.filter((waiting) => waiting.writeId <= writeId)
    this.#waiting = this.#waiting.filter((waiting) => waiting.writeId > writeId)
    for (const { run } of due) run()
  }

  #begin(): BegunWrite {
    if (this.#current !== null) return this.#current
    this.#current = beginWrite(this.#nextId++)
    this.#emit(this.#current.effect)
    return this.#current
  }
}
