/**
 * A new cluster that begins with the state of another one: new id, new keys, new incarnations. Every
 * member starts from the same snapshot, at whose index its log goes on, so an index keeps its meaning;
 * the id keeps the two clusters apart.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { LogBase } from '../consensus/snapshot.js'
import { epoch, nodeId, type ProtocolName, term } from '../consensus/types.js'
import { sha256 } from '../crypto/sha256.js'
import type { SnapshotInfo, StatePair } from '../node/ports.js'
import { type DataDirectory, openDataDirectory } from '../storage/data-directory.js'
import { openLog } from '../storage/open-log.js'
import { realFiles } from '../storage/real-files.js'
import { type FileSnapshotStore, openSnapshotStore } from '../storage/snapshot-store.js'
import { DigestTree, type StateDigests } from '../workflow/digest.js'
import { RestoredSpaces } from '../workflow/restore-spaces.js'
import { type ClusterFile, type ClusterLineage, formatClusterFile, withLineage } from './cluster-file.js'
import { writeFileAtomically } from './files.js'
import { initCluster, localMembers } from './init.js'
import { clusterPaths, nodePaths } from './layout.js'
import { makeDirectoryWhole } from './new-directory.js'

const COPY_PIECE_BYTES = 1024 * 1024

/** A state, and where in which log it stands. */
export interface RestoreOrigin {
  readonly base: LogBase
  /** All pairs in key order. */
  readonly pairs: () => AsyncIterable<StatePair>
  /** What the data in it must come to; null where nobody said. */
  readonly dataDigest: Uint8Array | null
  readonly lineage: ClusterLineage
}

export interface RestoreOptions {
  /** Absolute; does not exist or is empty. */
  readonly dir: string
  readonly nodes: number
  readonly protocol: ProtocolName
  readonly origin: RestoreOrigin
  readonly onProgress?: (text: string) => void
}

export interface RestoredCluster {
  readonly dir: string
  readonly clusterFile: string
  readonly configuration: ClusterFile
  /** What every member starts from. */
  readonly snapshot: SnapshotInfo
}

/**
 * Makes the cluster in `dir`, which is there as a whole afterwards or not at all. Throws `Refused`
 * where `dir` is not empty, `Corrupt` where the state is not the one it is said to be, and what reading
 * it throws.
 */
export async function restoreCluster(options: RestoreOptions): Promise<RestoredCluster> {
  const { dir, origin } = options
  // The epochs of the new cluster are its own; terms go on, so that no vote of the old one counts.
  const begins = options.protocol === 'raft' ? {} : { epoch: epoch(0), term: term(0) }
  const base = { ...origin.base, ...begins, membership: null }
  return makeDirectoryWhole(dir, async (staging) => {
    options.onProgress?.('making keys and data directories')
    const made = await initCluster({
      dir: staging,
      members: localMembers(options.nodes),
      protocol: options.protocol,
    })
    const snapshot = await seedMembers(made.configuration, staging, { ...origin, base }, options)
    const configuration = { ...made.configuration, ...withLineage(origin.lineage) }
    await writeFileAtomically(clusterPaths(staging).clusterFile, formatClusterFile(configuration))
    return { dir, clusterFile: clusterPaths(dir).clusterFile, configuration, snapshot }
  })
}

async function seedMembers(
  configuration: ClusterConfiguration,
  staging: string,
  origin: RestoreOrigin,
  { onProgress }: RestoreOptions,
): Promise<SnapshotInfo> {
  const stores: FileSnapshotStore[] = []
  try {
    let first: SnapshotInfo | null = null
    for (const { id } of configuration.members) {
      const data = nodePaths(staging, id).data
      const directory = await openDataDirectory(realFiles(), data, {
        clusterId: configuration.clusterId,
        nodeId: nodeId(id),
      })
      const store = await openSnapshots(directory)
      stores.push(store)
      onProgress?.(`writing the state of ${id}`)
      if (first === null) first = await writeState(store, configuration, origin)
      else await copySnapshot(stores[0] as FileSnapshotStore, store, first)
      await beginLog(directory, first)
    }
    return first as SnapshotInfo
  } finally {
    for (const store of stores) await store.close()
  }
}

function openSnapshots({ snapshotDirectory, identity }: DataDirectory): Promise<FileSnapshotStore> {
  const { clusterId } = identity
  return openSnapshotStore({ files: realFiles(), directory: snapshotDirectory, clusterId, nextTurn: setImmediate })
}

/** Writes the snapshot of the new cluster and checks what it holds on the way. */
async function writeState(
  store: FileSnapshotStore,
  { clusterId, clients }: ClusterConfiguration,
  { base, pairs, dataDigest }: RestoreOrigin,
): Promise<SnapshotInfo> {
  const tree = new DigestTree(sha256)
  const spaces = new RestoredSpaces(clients)
  async function* restored(): AsyncGenerator<readonly StatePair[]> {
    for await (const pair of pairs()) yield noted(spaces.take(pair))
    yield noted(spaces.end())
  }
  function noted(some: readonly StatePair[]): readonly StatePair[] {
    for (const { key, value } of some) tree.update(key, value)
    return some
  }
  return store.create({ base, clusterId }, restored(), async () => checkedDigests(tree, dataDigest))
}

function checkedDigests(tree: DigestTree, expected: Uint8Array | null): StateDigests {
  tree.settle(Number.POSITIVE_INFINITY)
  const digests = tree.digests()
  if (expected !== null && !bytesEqual(digests.dataDigest, expected)) {
    throw new KnhkError('Corrupt', 'the data does not come to the digest that the snapshot states')
  }
  return digests
}

/** Piece by piece, checked as a whole at its end, like one that comes from a peer. */
async function copySnapshot(from: FileSnapshotStore, to: FileSnapshotStore, snapshot: SnapshotInfo): Promise<void> {
  const reception = await to.receive(snapshot)
  while (reception.offset < snapshot.bytes) {
    const piece = await from.read(snapshot.id, reception.offset, COPY_PIECE_BYTES)
    if (piece === null || piece.length === 0) throw new KnhkError('Corrupt', 'the snapshot ends too early')
    await reception.write(piece)
  }
  await reception.finish()
}

/** The log begins behind the snapshot, and no vote is older than what it covers. */
async function beginLog({ logDirectory, identity }: DataDirectory, snapshot: SnapshotInfo): Promise<void> {
  const log = await openLog({ files: realFiles(), directory: logDirectory, identity })
  try {
    const { base } = snapshot
    const hardState = { epoch: base.epoch, term: base.term, votedFor: null }
    await log.append([
      { kind: 'hardState', hardState },
      { kind: 'base', base },
    ])
  } finally {
    await log.close()
  }
}
