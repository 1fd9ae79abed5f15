/**
 * Opens all of a node's storage in the one safe order: whose directory is it, then the applied state,
 * whose database takes the lock, then the snapshots, then the log, which the applied state proves
 * durable up to an index. A state that ends before the log begins is loaded from a snapshot.
 */
import { KnhkError } from '../base/error.js'
import type { SnapshotInfo } from '../node/ports.js'
import { type DataDirectory, openDataDirectory } from './data-directory.js'
import { type FileEvidenceStore, openEvidenceStore } from './evidence-store.js'
import type { FileSystem } from './files.js'
import { KnownPeers } from './known-peers.js'
import { openLog } from './open-log.js'
import type { JournalIdentity } from './segment-header.js'
import type { SegmentedLog } from './segmented-log.js'
import { type FileSnapshotStore, openSnapshotStore } from './snapshot-store.js'
import { classicSource, type StateDatabaseSource } from './state-database.js'
import { type OverlayStateStore, openStateStore } from './state-store.js'

export interface StoresOptions {
  readonly files: FileSystem
  readonly identity: JournalIdentity
  readonly logDirectory: string
  readonly snapshotDirectory: string
  readonly source: StateDatabaseSource
  readonly nextTurn: (callback: () => void) => void
  /** Writing the applied state failed, for good. */
  readonly onFailed: (error: KnhkError) => void
  readonly onFlushed?: () => void
  /** 64 MiB. */
  readonly segmentBytesMax?: number
}

export interface Stores {
  readonly log: SegmentedLog
  readonly state: OverlayStateStore
  readonly snapshots: FileSnapshotStore
  /** The snapshot that the state was loaded from; null where it was whole. */
  readonly loaded: SnapshotInfo | null
  /** A clean stop: seals the log, writes what is frozen of the state. */
  close(): Promise<void>
}

export interface NodeStorageOptions
  extends Omit<StoresOptions, 'identity' | 'logDirectory' | 'snapshotDirectory' | 'source'> {
  /** The data directory. */
  readonly path: string
  readonly clusterId: Uint8Array
  readonly nodeId: string
  /** LevelDB in `state/`. */
  readonly source?: StateDatabaseSource
}

export interface NodeStorage extends Stores {
  readonly directory: DataDirectory
  readonly knownPeers: KnownPeers
  readonly evidence: FileEvidenceStore
  /** How epochs led to the next ones, kept like evidence. */
  readonly epochs: FileEvidenceStore
}

/**
 * Throws `DataDirectoryLost`, `IdentityMismatch`, `DataDirectoryLocked`, `UnsupportedFormat`, `Corrupt`
 * (identity or known peers), `StorageFailed`. Damage of the log does not throw: see `log.restored.mayVote`.
 */
export async function openNodeStorage(options: NodeStorageOptions): Promise<NodeStorage> {
  const { files, path } = options
  const directory = await openDataDirectory(files, path, options)
  const { identity, logDirectory, snapshotDirectory, stateDirectory, evidenceDirectory, epochDirectory } = directory
  const source = options.source ?? classicSource(stateDirectory)
  const stores = await openStores({ ...options, identity, logDirectory, snapshotDirectory, source })
  try {
    const knownPeers = await KnownPeers.load(files, path)
    const evidence = await openEvidenceStore(files, evidenceDirectory)
    const epochs = await openEvidenceStore(files, epochDirectory)
    return { ...stores, directory, knownPeers, evidence, epochs }
  } catch (error) {
    await stores.close()
    throw error
  }
}

/**
 * Opens state, snapshots and log of one node. Throws `DataDirectoryLost` where the log is gone, or the
 * state and every snapshot that could give it again; else as `openNodeStorage`.
 */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const { files, identity, nextTurn, segmentBytesMax } = options
  const state = await openStateStore({
    source: options.source,
    identity,
    nextTurn,
    onFailed: options.onFailed,
    ...(options.onFlushed === undefined ? {} : { onFlushed: options.onFlushed }),
  })
  try {
    const { clusterId } = identity
    const snapshots = await openSnapshotStore({ files, directory: options.snapshotDirectory, clusterId, nextTurn })
    const log = await openLog({
      files,
      directory: options.logDirectory,
      identity,
      provenIndex: state.appliedIndex,
      snapshots: snapshots.list(),
      ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
    })
    const loaded = await loadState(state, snapshots, log)
    const close = async (): Promise<void> => {
      try {
        await log.close()
        await snapshots.close()
      } finally {
        await state.close()
      }
    }
    return { log, state, snapshots, loaded, close }
  } catch (error) {
    await state.close()
    throw error
  }
}

/** The log no longer holds what a state before its base lacks; the newest snapshot inside the log does. */
async function loadState(
  state: OverlayStateStore,
  snapshots: FileSnapshotStore,
  log: SegmentedLog,
): Promise<SnapshotInfo | null> {
  const { base, lastIndex } = log.restored
  if (state.appliedIndex >= base.index) return null
  const usable = snapshots.list().filter((snapshot) => snapshot.base.index <= lastIndex)
  const newest = usable.findLast((snapshot) => snapshot.base.index >= base.index)
  if (newest === undefined) {
    throw new KnhkError(
      'DataDirectoryLost',
      `the applied state and the snapshots it could be loaded from are gone; the log begins after ${base.index}`,
      { hint: 'This member cannot go on from its own disk: replace it (`knhk cluster members replace`).' },
    )
  }
  await state.replace(newest.base.index, snapshots.pairs(newest.id))
  return newest
}
