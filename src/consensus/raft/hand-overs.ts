/** How long a leader waits before it hands over to a preferred one: longer each time, up to a bound. */
import type { Millis } from '../types.js'

/** After so many hand-overs the wait grows no more. */
const DOUBLINGS_MAX = 6

/** Hand-overs to a better leader that this node made, in whichever terms: each doubles the wait before the next. */
export class HandOvers {
  #count = 0
  #lastMs: Millis = Number.NEGATIVE_INFINITY

  /** How long somebody has to be the better leader; `shortestMs` where none was handed over to for a long time. */
  waitMs(shortestMs: Millis, nowMs: Millis): Millis {
    const isForgotten = nowMs - this.#lastMs > shortestMs * 2 ** (DOUBLINGS_MAX + 1)
    if (isForgotten) this.#count = 0
    return shortestMs * 2 ** this.#count
  }

  note(nowMs: Millis): void {
    this.#count = Math.min(this.#count + 1, DOUBLINGS_MAX)
    this.#lastMs = nowMs
  }
}
