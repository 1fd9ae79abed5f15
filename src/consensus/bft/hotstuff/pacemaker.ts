/**
 * The pacemaker: which round this node is in, and when it gives a round up. Rounds are entered by a
 * certificate of the round before, never by a clock. The timer runs only while something waits to be
 * decided, so an idle cluster stays in its round without a message. Time-outs grow per failed round
 * and fall back with the first that succeeds.
 */
import type { Millis } from '../../types.js'
import type { Tc } from './certificates.js'
import type { HotStuffLimits } from './config.js'

export class Pacemaker {
  readonly #limits: HotStuffLimits
  #round = 1
  #tc: Tc | null = null
  #enteredMs: Millis
  /** Rounds that failed in a row. */
  #failures = 0
  /** Since when the round is expected to end; null while nothing waits. */
  #startMs: Millis | null = null
  /** Times that this round's time-out was sent. */
  #repeats = 0
  #repeatMs: Millis = 0

  constructor(limits: HotStuffLimits, nowMs: Millis) {
    this.#limits = limits
    this.#enteredMs = nowMs
  }

  get round(): number {
    return this.#round
  }

  /** The TC that led into this round; null where a QC did. */
  get tc(): Tc | null {
    return this.#tc
  }

  /** Round 1 of an epoch. */
  begin(nowMs: Millis): void {
    this.#round = 1
    this.#failures = 0
    this.#reset(null, nowMs)
  }

  /** True when the round is a later one, and is entered: by a TC, or by a QC where `tc` is null. */
  enter(round: number, tc: Tc | null, nowMs: Millis): boolean {
    if (round <= this.#round) return false
    this.#failures = tc === null ? 0 : this.#failures + 1
    this.#round = round
    this.#reset(tc, nowMs)
    return true
  }

  /** Says whether something waits, and since when; the timer starts, goes on, or stops. */
  wait(sinceMs: Millis | null): void {
    if (sinceMs === null) this.#startMs = null
    else this.#startMs ??= Math.max(sinceMs, this.#enteredMs)
  }

  /** The process stood still: what passed meanwhile counts for nothing. */
  restartTimer(nowMs: Millis): void {
    if (this.#startMs !== null) this.#startMs = nowMs
  }

  get timeoutMs(): Millis {
    const { timeoutMs, timeoutFactor, timeoutMaxMs } = this.#limits
    return Math.min(timeoutMaxMs, timeoutMs * timeoutFactor ** this.#failures)
  }

  /** When the round is given up, or that is said again; undefined while nothing waits. */
  get deadlineMs(): Millis | undefined {
    if (this.#startMs === null) return undefined
    return this.#repeats === 0 ? this.#startMs + this.timeoutMs : this.#repeatMs
  }

  /** The time-out of this round was sent, once more. */
  sent(nowMs: Millis): void {
    this.#repeats++
    const { retryMs, timeoutMaxMs } = this.#limits
    this.#repeatMs = nowMs + Math.min(timeoutMaxMs, retryMs * 2 ** Math.min(this.#repeats, 10))
  }

  #reset(tc: Tc | null, nowMs: Millis): void {
    this.#tc = tc
    this.#enteredMs = nowMs
    this.#startMs = null
    this.#repeats = 0
  }
}
