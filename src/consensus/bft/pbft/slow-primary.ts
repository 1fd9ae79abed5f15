/**
 * The slow-primary attack (Clement et al., "Making Byzantine Fault Tolerant Systems Tolerate Byzantine
 * Faults", NSDI 2009): a primary that answers just below the time-out halves nothing a timer can see.
 * Two things together rotate it: requests keep waiting for more than half the time-out, and less is
 * decided than the best view before it decided under demand. Under honest overload the second does not
 * hold; where a whole cluster became slow, the expectation is halved with every rotation, so it ends.
 */
import type { Millis } from '../../types.js'

/** Share of the time-out after which a wait counts as slow. */
const SLOW_SHARE = 0.5
/** Slow time within one view, in time-outs, that is tolerated. */
const PATIENCE = 1.5
/** Slow time is forgiven at this share of the time in which nothing waits long. */
const FORGIVE_SHARE = 0.25
/** A view counts for the expectation once it was busy for so many time-outs. */
const SAMPLE = 0.1

export class SlowPrimaryWatch {
  #lastMs: Millis
  #slowMs = 0
  #busyMs = 0
  #bytes = 0
  /** Bytes decided per busy millisecond, in the best view; null before the first. */
  #expected: number | null = null

  constructor(nowMs: Millis) {
    this.#lastMs = nowMs
  }

  /** Body bytes that were decided in this view. */
  decided(bytes: number): void {
    this.#bytes += bytes
  }

  /** Time passed; `waitedMs` is how long the oldest request has waited, null for none. */
  advance(nowMs: Millis, waitedMs: Millis | null, timeoutMs: Millis): void {
    const passedMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    if (waitedMs === null) {
      this.#slowMs = Math.max(0, this.#slowMs - passedMs * FORGIVE_SHARE)
      return
    }
    this.#busyMs += passedMs
    const slowMs = Math.min(passedMs, Math.max(0, waitedMs - timeoutMs * SLOW_SHARE))
    if (slowMs > 0) this.#slowMs += slowMs
    else this.#slowMs = Math.max(0, this.#slowMs - passedMs * FORGIVE_SHARE)
  }

  /** True when the primary of this view is to be rotated for its slowness. */
  isSlow(timeoutMs: Millis): boolean {
    if (this.#slowMs < PATIENCE * timeoutMs) return false
    return this.#expected === null || this.#rate < this.#expected / 2
  }

  /** The primary is rotated for its slowness: less is expected of the next. */
  blame(): void {
    if (this.#expected !== null) this.#expected /= 2
  }

  /** Another view begins. */
  nextView(timeoutMs: Millis): void {
    const rate = this.#rate
    if (this.#busyMs >= SAMPLE * timeoutMs) this.#expected = Math.max(this.#expected ?? 0, rate)
    this.#slowMs = 0
    this.#busyMs = 0
    this.#bytes = 0
  }

  get #rate(): number {
    return this.#busyMs === 0 ? 0 : this.#bytes / this.#busyMs
  }
}
