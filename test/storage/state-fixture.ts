/** State stores over memory-level for the tests. */
import { MemoryLevel } from 'memory-level'
import type { LevelLike } from '../../src/storage/state-database.js'
import { type OverlayStateStore, openStateStore, type StateStoreOptions } from '../../src/storage/state-store.js'
import { VolatileSource } from '../../src/storage/volatile-database.js'

export const STATE_IDENTITY = { clusterId: new Uint8Array(16).fill(7), incarnation: new Uint8Array(16).fill(9) }

export function volatileSource(): VolatileSource {
  return new VolatileSource(async (): Promise<LevelLike> => {
    const level = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'view' })
    await level.open()
    return level
  })
}

export function openState(
  source: StateStoreOptions['source'],
  options: Partial<StateStoreOptions> = {},
): Promise<OverlayStateStore> {
  return openStateStore({
    source,
    identity: STATE_IDENTITY,
    nextTurn: (callback) => void setImmediate(callback),
    onFailed: (error) => {
      throw error
    },
    ...options,
  })
}

/** Waits until everything that was rotated is in the database. */
export async function flushed(store: OverlayStateStore): Promise<void> {
  store.flush()
  while (store.unflushedBytes > 0) await new Promise<void>((resolve) => setImmediate(resolve))
}
