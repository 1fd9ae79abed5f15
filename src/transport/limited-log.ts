/**
 * One clear line for each refusal, but no flood of them: whoever is refused can come back a thousand
 * times a second, and a log must not become the way to fill a disk. Past the burst, lines of one kind
 * are counted and the count is told with the next line that appears.
 */
import type { Logger, LogLevel } from '../node/ports.js'

const BURST = 10
const REFILL_MS = 1_000

type LogFields = Readonly<Record<string, string | number | boolean | null>>

interface Bucket {
  tokens: number
  refilledAtMs: number
  suppressed: number
}

export class LimitedLog {
  readonly #logger: Logger
  readonly #nowMs: () => number
  /** Per event and kind: both come from fixed sets, so this stays small. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(logger: Logger, nowMs: () => number = () => performance.now()) {
    this.#logger = logger
    this.#nowMs = nowMs
  }

  /** `kind` tells apart lines of one event, so that a flood of one does not hide the others. */
  log(level: LogLevel, event: string, fields: LogFields, kind = ''): void {
    const nowMs = this.#nowMs()
    const name = `${event}/${kind}`
    const bucket = this.#buckets.get(name) ?? { tokens: BURST, refilledAtMs: nowMs, suppressed: 0 }
    this.#buckets.set(name, bucket)
    const refill = Math.floor((nowMs - bucket.refilledAtMs) / REFILL_MS)
    if (refill > 0) {
      bucket.tokens = Math.min(BURST, bucket.tokens + refill)
      bucket.refilledAtMs += refill * REFILL_MS
    }
    if (bucket.tokens === 0) {
      bucket.suppressed += 1
      return
    }
    bucket.tokens -= 1
    this.#logger.log(level, event, bucket.suppressed === 0 ? fields : { ...fields, suppressed: bucket.suppressed })
    bucket.suppressed = 0
  }
}
