/**
 * Applies committed entries in order, in slices that never hold the loop, never past the node's own
 * durable log, and not while too many changes wait to be written behind.
 */
import { assert } from '../base/assert.js'
import type { Entry } from '../consensus/entry.js'
import { type LogIndex, logIndex } from '../consensus/types.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import type { NodeLimits } from './limits.js'
import type { Clock, LogStore, StateStore } from './ports.js'

export interface ApplierOptions {
  readonly machine: WorkflowMachine
  readonly log: LogStore
  readonly state: StateStore
  readonly clock: Clock
  readonly limits: NodeLimits
  /** The core's memory of recent entries. */
  readonly cached: (index: LogIndex) => Entry | undefined
  readonly onBegin: (entry: Entry) => void
  readonly onRequest: (entry: Entry, ordinal: number, firstPosition: number, results: Uint8Array) => void
  readonly onApplied: (entry: Entry) => void
  /** Entries arrived from disk: take another turn. */
  readonly wake: () => void
  readonly onFailed: (error: unknown) => void
}

export class Applier {
  readonly #options: ApplierOptions
  #current: Entry | undefined
  #applied: LogIndex
  #loaded: Entry[] = []
  #loading = false
  readonly #onRequest: (ordinal: number, firstPosition: number, results: Uint8Array) => void

  constructor(options: ApplierOptions) {
    this.#options = options
    this.#applied = logIndex(options.machine.appliedIndex)
    this.#onRequest = (ordinal, firstPosition, results) => {
      options.onRequest(this.#current as Entry, ordinal, firstPosition, results)
    }
  }

  get appliedIndex(): LogIndex {
    return this.#applied
  }

  /** True between the first and the last operation of an entry: the state is at no index then. */
  get isInsideEntry(): boolean {
    return this.#current !== undefined
  }

  /** Applies up to `upTo` within the turn's budget. True when there is more to do at once. */
  advance(upTo: LogIndex, deadlineMs: number): boolean {
    const { clock, limits, machine, state } = this.#options
    for (let slices = 0; ; slices++) {
      if (this.#current === undefined) {
        if (this.#applied >= upTo) return false
        if (state.unflushedBytes > limits.unflushedBytesMax) return false
        this.#current = this.#next(upTo)
        if (this.#current === undefined) return false
        this.#options.onBegin(this.#current)
        machine.begin(this.#current)
      }
      if (machine.advance(limits.applySliceOperations, this.#onRequest)) this.#finish()
      // The simulated clock stands still within a turn: the number of slices bounds it there.
      if (clock.monotonicMs() >= deadlineMs || slices >= 64) return true
    }
  }

  #finish(): void {
    const entry = this.#current as Entry
    this.#current = undefined
    assert(entry.index === this.#applied + 1, 'entries are applied in order, each once')
    this.#applied = entry.index
    this.#options.onApplied(entry)
  }

  #next(upTo: LogIndex): Entry | undefined {
    const index = logIndex(this.#applied + 1)
    const cached = this.#options.cached(index)
    if (cached !== undefined) {
      this.#loaded = []
      return cached
    }
    const first = this.#loaded[0]
    if (first !== undefined && first.index === index) return this.#loaded.shift()
    this.#load(index, upTo)
    return undefined
  }

  #load(from: LogIndex, upTo: LogIndex): void {
    if (this.#loading) return
    this.#loading = true
    this.#options.log
      .read(from, this.#options.limits.loadBytesMax)
      .then((entries) => {
        this.#loading = false
        this.#loaded = entries.filter((entry) => entry.index <= upTo)
        assert(this.#loaded[0]?.index === from, 'a committed entry is in the log')
        this.#options.wake()
      })
      .catch((error: unknown) => {
        this.#loading = false
        this.#options.onFailed(error)
      })
  }
}
