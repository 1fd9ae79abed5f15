/**
 * Opens all of a node's storage in the one safe order: whose directory is it, then the applied state,
 * whose database takes the lock, then the snapshots, then the log, which the applied state proves
 * durable up to an index. A state that ends before the log begins is loaded from a snapshot; where there is
 * none, the log is dropped, and the node is repaired by the others like one with a damaged log.
 */
import type { KnhkError } from '../base/error.js'
import type { LogIndex } from '../consensus/types.js'
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
  /** The snapshot that the state was loaded from; null where it was whole, or nothing was left. */
  readonly loaded: SnapshotInfo | null
  /** Where the log began that was dropped, because neither the state before it nor a snapshot was left; null where it was not. */
  readonly droppedBase: LogIndex | null
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
 * Opens state, snapshots and log of one node. Throws `DataDirectoryLost` where the log is gone, or, of a log with
 * safety records, the state and every snapshot that could give it again; else as `openNodeStorage`.
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
    const open = () =>
      openLog({
        files,
        directory: options.logDirectory,
        identity,
        provenIndex: state.appliedIndex,
        snapshots: snapshots.list(),
        ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
      })
    const found = await open()
    const needed = snapshotNeeded(state, snapshots, found)
    if (needed !== null) await state.replace(needed.base.index, snapshots.pairs(needed.id))
    const isDropped = state.appliedIndex < found.base.index && found.restored.safety === null
    const log = isDropped ? await startOver(found, open) : found
    const droppedBase = isDropped ? found.restored.base.index : null
    const close = async (): Promise<void> => {
      try {
        await log.close()
        await snapshots.close()
      } finally {
        await state.close()
      }
    }
    return { log, state, snapshots, loaded: needed, droppedBase, close }
  } catch (error) {
    await state.close()
    throw error
  }
}

/** The log no longer holds what a state before its base lacks; the newest snapshot inside the log does. Null for neither. */
function snapshotNeeded(
  state: OverlayStateStore,
  snapshots: FileSnapshotStore,
  log: SegmentedLog,
): SnapshotInfo | null {
  const { base, lastIndex } = log.restored
  if (state.appliedIndex >= base.index) return null
  const inside = snapshots.list().findLast((snapshot) => snapshot.base.index <= lastIndex)
  return inside !== undefined && inside.base.index >= base.index ? inside : null
}

/**
 * A log that follows what nobody here knows any more, as after a divergence that the snapshots shared, gives no state.
 * Only its terms and votes are of use; the leader's snapshot gives the rest. A Byzantine member also promised
 * what its log holds beside the entries: it keeps all of it, and gets its state from a snapshot that others certified.
 */
async function startOver(log: SegmentedLog, open: () => Promise<SegmentedLog>): Promise<SegmentedLog> {
  await log.startOver()
  await log.close()
  return open()
}
