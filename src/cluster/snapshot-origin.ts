/**
 * A snapshot file as the origin of a new cluster: read and checked as a whole before anything is made
 * of it.
 */
import { fromHex } from '../base/bytes.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { StatePair } from '../node/ports.js'
import { realFiles } from '../storage/real-files.js'
import { walkSnapshot } from '../storage/snapshot-reader.js'
import { type InspectedSnapshot, inspectSnapshot } from '../storage/snapshot-tools.js'
import type { RestoreOrigin } from './restore.js'

export interface SnapshotOrigin {
  readonly inspected: InspectedSnapshot
  readonly origin: RestoreOrigin
}

/** Throws `NotFound`, `Corrupt`, `UnsupportedFormat`. */
export async function snapshotOrigin(path: string): Promise<SnapshotOrigin> {
  const inspected = await inspectSnapshot(realFiles(), path)
  const chain = fromHex(inspected.base.chain)
  const base: LogBase = { ...inspected.base, chain }
  const lineage = {
    clusterId: fromHex(inspected.clusterId),
    index: base.index,
    chain,
    timestampMs: base.timestampMs,
    snapshot: fromHex(inspected.id),
    plan: null,
  }
  return {
    inspected,
    origin: { base, pairs: () => pairsOf(path), dataDigest: fromHex(inspected.dataDigest), lineage },
  }
}

async function* pairsOf(path: string): AsyncGenerator<StatePair> {
  for await (const pairs of walkSnapshot({ files: realFiles(), path, nextTurn: setImmediate })) yield* pairs
}
