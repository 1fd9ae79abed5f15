/**
 * Counts of values in fixed buckets (explicit bounds, upper ones included): recording touches two numbers
 * and allocates nothing. Reference: OpenTelemetry metrics data model, Histogram.
 */

/** Upper bounds in milliseconds, from a fast write to a lost cause. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
]
export const SIZE_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]

export interface HistogramValue {
  readonly bounds: readonly number[]
  /** One more than bounds: the last is what lies above all of them. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
}

export class BucketHistogram {
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  /** `bounds` grow. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** Counts `value` `times` times. */
  record(value: number, times = 1): void {
    const bounds = this.#bounds
    let low = 0
    let high = bounds.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (value <= (bounds[middle] as number)) high = middle
      else low = middle + 1
    }
    this.#counts[low] = (this.#counts[low] as number) + times
    this.#count += times
    this.#sum += value * times
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
  }

  get value(): HistogramValue {
    return {
      bounds: this.#bounds,
      counts: Array.from(this.#counts),
      count: this.#count,
      sum: this.#sum,
      min: this.#count === 0 ? 0 : this.#min,
      max: this.#max,
    }
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count
  }

  /** The value below which this share (0 … 1) of all lies, interpolated within its bucket; 0 for an empty histogram. */
  quantile(share: number): number {
    let left = share * this.#count
    for (const [i, count] of this.#counts.entries()) {
      if (count > 0 && left <= count) {
        const low = Math.max(i === 0 ? 0 : (this.#bounds[i - 1] as number), Math.min(this.#min, this.#max))
        const high = Math.min(this.#bounds[i] ?? this.#max, this.#max)
        return low + Math.max(0, high - low) * (left / count)
      }
      left -= count
    }
    return this.#max
  }
}
