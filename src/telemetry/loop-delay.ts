/**
 * How late the timers of this process fire: whatever holds the event loop, be it a long turn, another
 * process or a suspended machine, shows here. Looked at ten times a second.
 */
import type { Millis } from '../consensus/types.js'
import { BucketHistogram, LATENCY_BOUNDS_MS } from './histogram.js'

const EVERY_MS = 100
/** How long a delay counts as recent. */
const WINDOW = 50

export class LoopDelay {
  readonly histogram = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly #recent = new Float64Array(WINDOW)
  readonly #nowMs: () => Millis
  #timer: NodeJS.Timeout | null = null
  #expectedMs: Millis = 0
  #looks = 0

  constructor(nowMs: () => Millis) {
    this.#nowMs = nowMs
  }

  /** The worst of the last five seconds. */
  get worstMs(): Millis {
    return Math.max(...this.#recent)
  }

  start(): void {
    this.#expectedMs = this.#nowMs() + EVERY_MS
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
    this.#timer.unref()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    const nowMs = this.#nowMs()
    const lateMs = Math.max(0, nowMs - this.#expectedMs)
    this.histogram.record(lateMs)
    this.#recent[this.#looks % WINDOW] = lateMs
    this.#looks++
    this.#expectedMs = nowMs + EVERY_MS
  }
}
