/**
 * Writes frozen generations to the database, all that wait in one atomic batch. Filling a batch is
 * cut into slices, so no turn of the loop is held for long; the write itself runs on another thread
 * and is not synced.
 */
import { assert } from '../base/assert.js'
import type { StateCache } from './state-cache.js'
import type { StateBatch, StateDatabase } from './state-database.js'
import { WRITE_BUFFER_BYTES } from './state-database.js'
import {
  CRC_BYTES,
  dataKey,
  encodeMarker,
  encodePosition,
  markerKey,
  POSITION_KEY,
  protectValue,
  type StateIdentity,
  type StateMarker,
  type StatePosition,
} from './state-format.js'

/** One slice: about a millisecond or two of work. */
const SLICE_KEYS = 256
const SLICE_BYTES = 256 * 1024
/** Markers kept at least. */
const MARKERS_MIN = 64
/** What a flush takes in LevelDB's write log besides its pairs. */
const FLUSH_OVERHEAD_BYTES = 128

export interface Generation {
  readonly changes: ReadonlyMap<string, Uint8Array | null>
  readonly bytes: number
  /** Where the generation before it ended. */
  readonly previousIndex: number
  readonly appliedIndex: number
}

export interface StateFlusherOptions {
  readonly database: StateDatabase
  readonly identity: StateIdentity
  readonly position: StatePosition
  readonly markers: StateMarker[]
  readonly cache: StateCache
  readonly nextTurn: (callback: () => void) => void
}

export class StateFlusher {
  readonly #options: StateFlusherOptions
  readonly #markers: StateMarker[]
  #markerBytes: number
  #largest = 0
  #position: StatePosition

  constructor(options: StateFlusherOptions) {
    this.#options = options
    this.#position = options.position
    this.#markers = options.markers
    this.#markerBytes = options.markers.reduce((sum, marker) => sum + marker.bytes, 0)
    for (const marker of options.markers) this.#largest = Math.max(this.#largest, marker.bytes)
  }

  get appliedIndex(): number {
    return this.#position.appliedIndex
  }

  /**
   * Writes generations (oldest first) as one: of each key only the newest value. Resolves when that is
   * done. The cache knows the values from then on. `finish` adds to the batch.
   */
  async flush(generations: readonly Generation[], finish?: (batch: StateBatch) => void): Promise<void> {
    const batch = this.#options.database.batch()
    const newest = generations.at(-1)
    assert(newest !== undefined, 'a flush has something to write')
    const hiding: ReadonlyMap<string, Uint8Array | null>[] = []
    let keys = 0
    let bytes = 0
    let total = 0
    for (const generation of generations.toReversed()) {
      for (const [key, value] of generation.changes) {
        if (hiding.some((changes) => changes.has(key))) continue
        this.#fill(batch, key, value)
        bytes += key.length + (value?.length ?? 0)
        if (++keys % SLICE_KEYS !== 0 && bytes < SLICE_BYTES) continue
        total += bytes
        bytes = 0
        await new Promise<void>((resolve) => this.#options.nextTurn(resolve))
      }
      hiding.push(generation.changes)
    }
    const position = this.#mark(batch, newest.appliedIndex, total + bytes)
    finish?.(batch)
    await batch.write()
    this.#position = position
  }

  /** Newer generations hide these keys until they are written themselves, so the cache may run ahead. */
  #fill(batch: StateBatch, key: string, value: Uint8Array | null): void {
    const stored = dataKey(key)
    if (value === null) {
      batch.delete(stored)
      this.#options.cache.delete(key)
    } else {
      const protectedValue = protectValue(stored, value)
      batch.put(stored, protectedValue)
      // The copy, not `value`: that may be a view that keeps a whole batch in memory.
      this.#options.cache.set(key, protectedValue.subarray(CRC_BYTES))
    }
  }

  #mark(batch: StateBatch, appliedIndex: number, bytes: number): StatePosition {
    const marker = { generation: this.#position.generation + 1, bytes: bytes + FLUSH_OVERHEAD_BYTES }
    this.#markers.push(marker)
    this.#markerBytes += marker.bytes
    this.#largest = Math.max(this.#largest, marker.bytes)
    put(batch, markerKey(marker.generation), encodeMarker(marker))
    this.#retire(batch)
    const firstMarker = (this.#markers[0] as StateMarker).generation
    const position = { appliedIndex, generation: marker.generation, firstMarker }
    put(batch, POSITION_KEY, encodePosition(this.#options.identity, position))
    return position
  }

  /** A write log holds at most a buffer and one flush; markers of three such logs are kept. */
  #retire(batch: StateBatch): void {
    const keptBytes = 3 * (WRITE_BUFFER_BYTES + this.#largest)
    while (this.#markers.length > MARKERS_MIN) {
      const oldest = this.#markers[0] as StateMarker
      if (this.#markerBytes - oldest.bytes < keptBytes) return
      this.#markers.shift()
      this.#markerBytes -= oldest.bytes
      batch.delete(markerKey(oldest.generation))
    }
  }
}

function put(batch: StateBatch, key: Uint8Array, value: Uint8Array): void {
  batch.put(key, protectValue(key, value))
}
