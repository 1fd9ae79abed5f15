/**
 * Reads of the log that are under way. A truncation or a change of the base may come in between; what
 * was read from the old places is then stale, and only the part that is still true is given out.
 */
import type { Entry } from '../consensus/entry.js'

interface Reading {
  readonly from: number
  truncatedFrom: number
  dropped: boolean
}

export class OpenReadings {
  readonly #open = new Set<Reading>()

  /** Runs `read`, which reads entries from `from` on. */
  async during(from: number, read: () => Promise<Entry[]>): Promise<Entry[]> {
    const reading: Reading = { from, truncatedFrom: Number.POSITIVE_INFINITY, dropped: false }
    this.#open.add(reading)
    try {
      const entries = await read()
      return reading.dropped ? [] : entries.filter((entry) => entry.index < reading.truncatedFrom)
    } catch (error) {
      // Its files are gone.
      if (reading.dropped) return []
      throw error
    } finally {
      this.#open.delete(reading)
    }
  }

  /** Entries from `from` on are gone. */
  truncated(from: number): void {
    for (const reading of this.#open) reading.truncatedFrom = Math.min(reading.truncatedFrom, from)
  }

  /** Entries up to `index` are gone. */
  dropped(index: number): void {
    for (const reading of this.#open) if (reading.from <= index) reading.dropped = true
  }
}
