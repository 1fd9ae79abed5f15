/** Operations per second over the last ten seconds, from a counter that is looked at once a second. */
import type { Millis } from '../consensus/types.js'

const SAMPLES = 10

export class Throughput {
  readonly #samples: { readonly atMs: Millis; readonly count: number }[] = []

  /** `count` only grows; a smaller one begins anew. */
  sample(count: number, nowMs: Millis): void {
    const newest = this.#samples.at(-1)
    if (newest !== undefined && count < newest.count) this.#samples.length = 0
    this.#samples.push({ atMs: nowMs, count })
    if (this.#samples.length > SAMPLES + 1) this.#samples.shift()
  }

  get perSecond(): number {
    const oldest = this.#samples[0]
    const newest = this.#samples.at(-1)
    if (oldest === undefined || newest === undefined || newest.atMs <= oldest.atMs) return 0
    return ((newest.count - oldest.count) / (newest.atMs - oldest.atMs)) * 1000
  }
}
