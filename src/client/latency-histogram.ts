/**
 * Latencies in buckets of at most 1 % width, from 1 µs to over an hour: constant memory however long
 * a run takes, and percentiles that are an upper bound of the true ones.
 */
const SUB_BUCKETS = 128
const OCTAVES = 32

export class LatencyHistogram {
  readonly #counts = new Float64Array(SUB_BUCKETS * OCTAVES)
  #count = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  get maxMs(): number {
    return this.#maxMs
  }

  add(latencyMs: number): void {
    const micros = Math.max(1, latencyMs * 1000)
    const octave = Math.min(OCTAVES - 1, Math.floor(Math.log2(micros)))
    const sub = Math.min(SUB_BUCKETS - 1, Math.floor((micros / 2 ** octave - 1) * SUB_BUCKETS))
    const bucket = octave * SUB_BUCKETS + sub
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#count++
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs
  }

  /** Upper edge of the bucket that holds the given share (0 … 1) of all latencies; 0 when empty. */
  percentileMs(share: number): number {
    const rank = Math.ceil(share * this.#count)
    let seen = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] as number
      if (seen < rank || seen === 0) continue
      const octave = Math.floor(bucket / SUB_BUCKETS)
      const upper = (2 ** octave * (1 + ((bucket % SUB_BUCKETS) + 1) / SUB_BUCKETS)) / 1000
      return Math.min(upper, this.#maxMs)
    }
    return 0
  }

  /** [latency in ms, count] of every bucket in use, for plots. */
  *buckets(): IterableIterator<readonly [number, number]> {
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      const count = this.#counts[bucket] as number
      if (count === 0) continue
      const octave = Math.floor(bucket / SUB_BUCKETS)
      yield [(2 ** octave * (1 + (bucket % SUB_BUCKETS) / SUB_BUCKETS)) / 1000, count]
    }
  }
}
