/**
 * Puts other content in place of all that the database holds, batch by batch. A key that says so is
 * synced before the first batch and goes with the last one; the batches carry markers like every flush,
 * so a store that lost one of them never passes for whole. The database stays open meanwhile: its lock
 * covers the data directory.
 */
import type { StatePair } from '../node/ports.js'
import { storageFailed } from './files.js'
import type { StateDatabase } from './state-database.js'
import type { StateFlusher } from './state-flusher.js'
import { DAMAGE_KEY, DATA_KEYS_END, dataKey, keyOfData, protectValue, REPLACING_KEY } from './state-format.js'

const BATCH_KEYS = 1024
const CURSOR_CHUNK = 256
const BATCH_BYTES = 1024 * 1024

/** Throws what reading `pairs` throws, and `StorageFailed`; the store is incomplete then, and knows it. */
export async function replaceState(
  database: StateDatabase,
  flusher: StateFlusher,
  appliedIndex: number,
  pairs: AsyncIterable<StatePair>,
): Promise<void> {
  try {
    await database.putDurably(REPLACING_KEY, protectValue(REPLACING_KEY, new Uint8Array(0)))
    const loading = new BatchedChanges(flusher, appliedIndex)
    for await (const key of storedKeys(database)) await loading.add(key, null)
    for await (const { key, value } of pairs) await loading.add(key, value)
    await loading.finish()
  } catch (error) {
    throw storageFailed('replacing the applied state', error)
  }
}

class BatchedChanges {
  readonly #flusher: StateFlusher
  readonly #appliedIndex: number
  #changes = new Map<string, Uint8Array | null>()
  #bytes = 0

  constructor(flusher: StateFlusher, appliedIndex: number) {
    this.#flusher = flusher
    this.#appliedIndex = appliedIndex
  }

  async add(key: string, value: Uint8Array | null): Promise<void> {
    this.#changes.set(key, value)
    this.#bytes += key.length + (value?.length ?? 0)
    if (this.#changes.size < BATCH_KEYS && this.#bytes < BATCH_BYTES) return
    await this.#flusher.flush([this.#take()])
  }

  async finish(): Promise<void> {
    await this.#flusher.flush([this.#take()], (batch) => {
      batch.delete(REPLACING_KEY)
      batch.delete(DAMAGE_KEY)
    })
  }

  #take(): Parameters<StateFlusher['flush']>[0][number] {
    const appliedIndex = this.#appliedIndex
    const taken = { changes: this.#changes, bytes: this.#bytes, previousIndex: appliedIndex, appliedIndex }
    this.#changes = new Map()
    this.#bytes = 0
    return taken
  }
}

/** As of the call: what is written meanwhile does not appear. */
async function* storedKeys(database: StateDatabase): AsyncGenerator<string> {
  const cursor = database.cursor(dataKey(''), DATA_KEYS_END, false)
  try {
    for (;;) {
      const pairs = await cursor.next(CURSOR_CHUNK)
      if (pairs.length === 0) return
      for (const [key] of pairs) yield keyOfData(key)
    }
  } finally {
    await cursor.close()
  }
}
