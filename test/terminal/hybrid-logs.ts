/** What the nodes of a hybrid cluster of cores have on their disks, written as a data directory has it. */
import { ByteWriter } from '../../src/base/bytes.js'
import { type ClusterConfiguration, DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import type { StoreRecord } from '../../src/consensus/core.js'
import { writeLinks } from '../../src/consensus/hybrid/epoch-links.js'
import { epochDirectoryOf } from '../../src/storage/data-directory.js'
import { openEvidenceStore } from '../../src/storage/evidence-store.js'
import { MemoryFiles } from '../../src/storage/memory-files.js'
import { createLog, openLog } from '../../src/storage/open-log.js'
import type { Node } from '../consensus/bft/cluster.js'
import { replicasOf } from '../consensus/bft/keys.js'
import { CLUSTER_ID } from '../consensus/disk.js'

/** No process writes meanwhile. */
export const LOOK = { pause: async (): Promise<void> => undefined }

export function hybridConfiguration(count: number): ClusterConfiguration {
  const genesis = replicasOf(count).members.map(({ id, publicKey, address, zone }) => ({
    id,
    publicKey,
    address,
    zone,
  }))
  return { clusterId: CLUSTER_ID, protocol: 'hybrid', genesis, members: [], clients: [], settings: DEFAULT_SETTINGS }
}

export interface StoredNode extends Pick<Node, 'id' | 'core'> {
  readonly disk: Pick<Node['disk'], 'entries' | 'safety' | 'aborts'>
}

/** The log directory of a node. */
export const logOf = ({ id }: Pick<Node, 'id'>): string => `${id}/log`

/** All of them on one disk. */
export async function storedNodes(nodes: readonly StoredNode[]): Promise<MemoryFiles> {
  const files = new MemoryFiles({ random: () => 0.5 })
  for (const node of nodes) {
    const { entries, safety, aborts } = node.disk
    const directory = logOf(node)
    const identity = { clusterId: CLUSTER_ID, nodeId: node.id, incarnation: new Uint8Array(16) }
    await files.mkdir(node.id)
    await files.mkdir(directory)
    await createLog(files, directory, identity)
    const log = await openLog({ files, directory, identity })
    const records: StoreRecord[] = [{ kind: 'entries', entries }]
    if (safety !== null) records.push({ kind: 'safety', safety })
    await log.append([...records, ...aborts])
    await log.close()
    const kept = await openEvidenceStore(files, epochDirectoryOf(node.id))
    const links = node.core.epochLinks?.() ?? []
    if (links.length === 0) continue
    const out = new ByteWriter(1024)
    writeLinks(out, links)
    await kept.put(new Uint8Array(32), out.finish())
  }
  return files
}
