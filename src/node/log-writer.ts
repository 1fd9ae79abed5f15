/**
 * Group commit: one synced write at a time, everything that arrives meanwhile goes into the next one.
 * Holds back the messages that must not leave before their write is durable.
 */
import { assert } from '../base/assert.js'
import type { Effect } from '../consensus/core.js'
import type { LogIndex, WriteId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { LogStore } from './ports.js'

export type StoreEffect = Extract<Effect, { type: 'store' }>
type SendEffect = Extract<Effect, { type: 'send' }>

export class LogWriter {
  readonly #log: LogStore
  readonly #onStored: (writes: readonly StoreEffect[]) => void
  readonly #onFailed: (error: unknown) => void
  readonly #observer: Observer
  #queue: StoreEffect[] = []
  #held: SendEffect[] = []
  #writing: Promise<void> | null = null
  #failed = false
  #durable = 0 as WriteId
  #durableIndex: LogIndex

  constructor(options: {
    readonly log: LogStore
    readonly observer: Observer
    readonly onStored: (writes: readonly StoreEffect[]) => void
    readonly onFailed: (error: unknown) => void
  }) {
    this.#log = options.log
    this.#observer = options.observer
    this.#onStored = options.onStored
    this.#onFailed = options.onFailed
    this.#durableIndex = options.log.lastIndex
  }

  /** A write is on its way to the disk. */
  get busy(): boolean {
    return this.#writing !== null
  }

  get queued(): number {
    return this.#queue.length
  }

  /** Every entry up to here is on this node's disk. */
  get durableIndex(): LogIndex {
    return this.#durableIndex
  }

  store(effect: StoreEffect): void {
    this.#queue.push(effect)
  }

  isDurable(writeId: WriteId): boolean {
    return writeId <= this.#durable
  }

  /** True when the message may leave now; otherwise it is held and comes back from `release`. */
  admit(effect: SendEffect): boolean {
    if (effect.after === undefined || effect.after <= this.#durable) return true
    this.#held.push(effect)
    return false
  }

  /** Messages whose write is durable by now, in the order in which they were given. */
  release(): readonly SendEffect[] {
    if (this.#held.length === 0) return []
    const ready: SendEffect[] = []
    const held: SendEffect[] = []
    for (const effect of this.#held) {
      if (effect.after === undefined || effect.after <= this.#durable) ready.push(effect)
      else held.push(effect)
    }
    this.#held = held
    return ready
  }

  /** Starts the next write if none is under way. */
  start(): void {
    if (this.#writing !== null || this.#failed || this.#queue.length === 0) return
    const batch = this.#queue
    this.#queue = []
    const records = batch.flatMap((write) => write.records)
    this.#observer.writing()
    this.#writing = this.#log
      .append(records)
      .then(() => this.#completed(batch))
      .catch((error: unknown) => {
        this.#writing = null
        this.#failed = true
        this.#onFailed(error)
      })
  }

  /** Resolves when the write under way has ended, either way. What is queued behind it is never written. */
  async stop(): Promise<void> {
    this.#queue = []
    await this.#writing
  }

  #completed(batch: readonly StoreEffect[]): void {
    this.#writing = null
    this.#observer.written()
    for (const write of batch) {
      assert(write.writeId > this.#durable, 'writes become durable in the order of their ids')
      this.#durable = write.writeId
    }
    this.#durableIndex = this.#log.lastIndex
    this.#onStored(batch)
  }
}
