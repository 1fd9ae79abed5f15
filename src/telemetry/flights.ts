/**
 * When the entries that this leader proposed came how far. A ring of plain numbers: an entry that is
 * overtaken by 64 younger ones is forgotten, and then counts for no latency.
 */
import type { LogIndex, Millis } from '../consensus/types.js'

const SLOTS = 64

export class Flight {
  /** 0 while the slot is free. */
  index = 0
  requests = 0
  bytes = 0
  term = 0
  collectedMs: Millis = 0
  proposedMs: Millis = 0
  storedMs: Millis = 0
  committedMs: Millis = 0
  applyingMs: Millis = 0
  appliedMs: Millis = 0
}

export class Flights {
  readonly #slots = Array.from({ length: SLOTS }, () => new Flight())
  #open = 0
  #firstStored = 0
  #firstCommitted = 0

  get isEmpty(): boolean {
    return this.#open === 0
  }

  /** The slot of an entry that is proposed now; everything in it but the index is stale. */
  begin(index: LogIndex): Flight {
    const flight = this.#slots[index % SLOTS] as Flight
    if (flight.index === 0) this.#open++
    flight.index = index
    flight.storedMs = 0
    flight.committedMs = 0
    return flight
  }

  find(index: number): Flight | null {
    if (this.#open === 0) return null
    const flight = this.#slots[index % SLOTS] as Flight
    return flight.index === index ? flight : null
  }

  stored(upTo: LogIndex, nowMs: Millis): void {
    for (let index = Math.max(this.#firstStored, upTo - SLOTS + 1); index <= upTo; index++) {
      const flight = this.find(index)
      if (flight !== null) flight.storedMs = nowMs
    }
    this.#firstStored = upTo + 1
  }

  committed(upTo: LogIndex, nowMs: Millis): void {
    for (let index = Math.max(this.#firstCommitted, upTo - SLOTS + 1); index <= upTo; index++) {
      const flight = this.find(index)
      if (flight !== null) flight.committedMs = nowMs
    }
    this.#firstCommitted = upTo + 1
  }

  end(flight: Flight): void {
    flight.index = 0
    this.#open--
  }

  /** Leadership is gone. */
  clear(): void {
    for (const flight of this.#slots) flight.index = 0
    this.#open = 0
    this.#firstStored = 0
    this.#firstCommitted = 0
  }
}
