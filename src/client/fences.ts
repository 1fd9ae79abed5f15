/**
 * Fences for reads: an ordered operation that changes nothing, and whose place in the log is behind every
 * write that was answered before the read began. All reads of one turn share one.
 */
import type { KnhkError } from '../base/error.js'

/** Told the place of the fence in the log, or why there is none. */
export type FenceCallback = (index: number | null, error: KnhkError | null) => void

interface Waiting {
  readonly timeoutMs: number
  readonly callback: FenceCallback
}

export class Fences {
  readonly #order: (timeoutMs: number, callback: FenceCallback) => void
  #collecting: Waiting[] = []

  /** `order` has a fence ordered. */
  constructor(order: (timeoutMs: number, callback: FenceCallback) => void) {
    this.#order = order
  }

  /** `callback` is told once, in a later turn; the fence is not ordered before this call. */
  add(timeoutMs: number, callback: FenceCallback): void {
    this.#collecting.push({ timeoutMs, callback })
    if (this.#collecting.length === 1) setImmediate(() => this.#begin())
  }

  #begin(): void {
    const waiting = this.#collecting
    this.#collecting = []
    const timeoutMs = Math.max(...waiting.map((one) => one.timeoutMs))
    this.#order(timeoutMs, (index, error) => {
      for (const { callback } of waiting) callback(index, error)
    })
  }
}
