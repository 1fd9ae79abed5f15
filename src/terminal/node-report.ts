/** `node status`: the processes of this machine beside what the nodes themselves answer. */
import { KnhkError } from '../base/error.js'
import type { CallOptions, Client, NodeStatus } from '../client/api.js'
import { readClusterFile } from '../cluster/cluster-file.js'
import { requireMember } from '../cluster/data-directories.js'
import { readTextIfThere } from '../cluster/files.js'
import { clusterPaths, type NodePaths, nodePaths } from '../cluster/layout.js'
import { runningPid } from '../cluster/processes.js'
import type { Target } from '../cluster/target.js'

export interface NodeReport {
  readonly id: string
  readonly address: string
  /** Null where it does not run, or not on this machine. */
  readonly pid: number | null
  /** Null for a node that has no files on this machine. */
  readonly running: boolean | null
  readonly reachable: boolean
  readonly role: string | null
  readonly term: number | null
  readonly lastIndex: number | null
  readonly commitIndex: number | null
  readonly appliedIndex: number | null
  readonly version: string | null
  /** As of its last look at it. */
  readonly disk: NodeStatus['disk']
  readonly dataDir: string | null
  readonly logFile: string | null
  readonly errorCode: string | null
}

/** `only` null: all members. Throws `NotFound` for an unknown one. */
export async function nodeReports(
  client: Client,
  target: Target,
  only: string | null,
  call: CallOptions,
): Promise<NodeReport[]> {
  if (only !== null) requireMember(target.configuration, only)
  const { nodes } = await client.clusterStatus(call)
  return Promise.all(
    nodes
      .filter((node) => only === null || node.id === only)
      .map(
        async ({ id, address, reachable, role, term, lastIndex, commitIndex, appliedIndex, version, disk, error }) => {
          const paths = await localPaths(target.dir, id)
          const pid = target.dir === null || paths === null ? null : await runningPid(target.dir, id)
          return {
            id,
            address,
            pid,
            running: paths === null ? null : pid !== null,
            reachable,
            role,
            term,
            lastIndex,
            commitIndex,
            appliedIndex,
            version,
            disk,
            dataDir: paths?.data ?? null,
            logFile: paths?.log ?? null,
            errorCode: error?.code ?? null,
          }
        },
      ),
  )
}

/** Null for a node that has no files on this machine. */
async function localPaths(dir: string | null, id: string): Promise<NodePaths | null> {
  if (dir === null) return null
  const paths = nodePaths(dir, id)
  return (await readTextIfThere(`${paths.key}.pub`)) === null ? null : paths
}

/** Throws `NotFound` unless `dir` holds a cluster with this node: a member, or one that was. */
export async function requireLocalNode(dir: string, id: string): Promise<void> {
  const { members } = await readClusterFile(clusterPaths(dir).clusterFile)
  if (members.some((member) => member.id === id) || (await runningPid(dir, id)) !== null) return
  throw new KnhkError('NotFound', `${dir} has no node ${JSON.stringify(id)}`, {
    hint: `Nodes: ${members.map((member) => member.id).join(', ')}.`,
    details: { node: id },
  })
}

/** How much is used, and how much there is for it; null where it is not known. */
export function diskText(disk: NodeStatus['disk']): string | null {
  if (disk === null) return null
  const { usedBytes, quotaBytes, freeBytes, isFull } = disk
  const left = quotaBytes === null ? `${inMiB(freeBytes)} free` : `of ${inMiB(quotaBytes)}`
  return `${inMiB(usedBytes)} ${left}${isFull ? ', full' : ''}`
}

function inMiB(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`
}
