/**
 * Opens all of a node's storage in the one safe order: whose directory is it, then the applied state,
 * whose database takes the lock, then the log, which the applied state proves durable up to an index.
 */
import type { KnhkError } from '../base/error.js'
import { type DataDirectory, openDataDirectory } from './data-directory.js'
import type { FileSystem } from './files.js'
import { KnownPeers } from './known-peers.js'
import { openLog } from './open-log.js'
import type { SegmentedLog } from './segmented-log.js'
import { classicSource, type StateDatabaseSource } from './state-database.js'
import { type OverlayStateStore, openStateStore } from './state-store.js'

export interface NodeStorageOptions {
  readonly files: FileSystem
  /** The data directory. */
  readonly path: string
  readonly clusterId: Uint8Array
  readonly nodeId: string
  readonly nextTurn: (callback: () => void) => void
  /** Writing the applied state failed, for good. */
  readonly onFailed: (error: KnhkError) => void
  readonly onFlushed?: () => void
  /** LevelDB in `state/`. */
  readonly source?: StateDatabaseSource
}

export interface NodeStorage {
  readonly directory: DataDirectory
  readonly log: SegmentedLog
  readonly state: OverlayStateStore
  readonly knownPeers: KnownPeers
  /** A clean stop: seals the log, writes what is frozen of the state. */
  close(): Promise<void>
}

/**
 * Throws `DataDirectoryLost`, `IdentityMismatch`, `DataDirectoryLocked`, `UnsupportedFormat`, `Corrupt`
 * (identity or known peers), `StorageFailed`. Damage of the log does not throw: see `log.restored.mayVote`.
 */
export async function openNodeStorage(options: NodeStorageOptions): Promise<NodeStorage> {
  const { files, path } = options
  const directory = await openDataDirectory(files, path, options)
  const { identity } = directory
  const state = await openStateStore({
    source: options.source ?? classicSource(directory.stateDirectory),
    identity,
    nextTurn: options.nextTurn,
    onFailed: options.onFailed,
    ...(options.onFlushed === undefined ? {} : { onFlushed: options.onFlushed }),
  })
  try {
    const knownPeers = await KnownPeers.load(files, path)
    const log = await openLog({ files, directory: directory.logDirectory, identity, provenIndex: state.appliedIndex })
    const close = async (): Promise<void> => {
      try {
        await log.close()
      } finally {
        await state.close()
      }
    }
    return { directory, log, state, knownPeers, close }
  } catch (error) {
    await state.close()
    throw error
  }
}
