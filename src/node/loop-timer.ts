/** The one timer of a loop: it fires when the first of all rooms has something to do although nothing arrives. */
import type { Millis } from '../consensus/types.js'
import type { Scheduler } from './ports.js'

export class LoopTimer {
  readonly #scheduler: Scheduler
  readonly #wake: () => void
  #cancel: (() => void) | undefined
  #atMs: Millis = Number.POSITIVE_INFINITY

  constructor(scheduler: Scheduler, wake: () => void) {
    this.#scheduler = scheduler
    this.#wake = wake
  }

  /** `wanted`: when each room has something to do; undefined for never. */
  arm(wanted: readonly (Millis | undefined)[], nowMs: Millis): void {
    let at = Number.POSITIVE_INFINITY
    for (const candidate of wanted) if (candidate !== undefined && candidate < at) at = candidate
    // A timer that fires a little early costs one empty turn; setting one for every message costs more.
    if (this.#cancel !== undefined && this.#atMs <= at) return
    this.#cancel?.()
    this.#atMs = at
    this.#cancel = this.#scheduler.after(Math.max(0, at - nowMs), () => {
      this.#cancel = undefined
      this.#wake()
    })
  }

  cancel(): void {
    this.#cancel?.()
  }
}
