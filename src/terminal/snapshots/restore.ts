/** `snapshot restore`: a new cluster from a snapshot file. */
import { resolve } from 'node:path'
import { requireEmpty } from '../../cluster/new-directory.js'
import { restoreCluster } from '../../cluster/restore.js'
import { type SnapshotOrigin, snapshotOrigin } from '../../cluster/snapshot-origin.js'
import type { ProtocolName } from '../../consensus/types.js'
import { madeCluster, type NewClusterPlan, type NewClusterReport } from '../new-cluster-report.js'

export interface PlannedRestore {
  readonly plan: NewClusterPlan
  readonly origin: SnapshotOrigin['origin']
}

/** Reads and checks the file. Throws `NotFound`, `Corrupt`, `Refused` where `dir` is not empty. */
export async function planRestore(
  file: string,
  options: { readonly dir: string; readonly nodes: number; readonly protocol: ProtocolName },
): Promise<PlannedRestore> {
  const dir = resolve(options.dir)
  await requireEmpty(dir)
  const { inspected, origin } = await snapshotOrigin(resolve(file))
  const { nodes, protocol } = options
  const { base, lineage } = origin
  return { plan: { dir, nodes, protocol, base, dataDigest: inspected.dataDigest, lineage }, origin }
}

export async function applyRestore(
  { plan, origin }: PlannedRestore,
  onProgress: (text: string) => void,
): Promise<NewClusterReport> {
  const { dir, nodes, protocol } = plan
  return madeCluster(plan, await restoreCluster({ dir, nodes, protocol, origin, onProgress }))
}
