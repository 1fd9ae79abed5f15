/** `node status`: the processes of this machine beside what the nodes themselves answer. */
import type { CallOptions, Client } from '../client/api.js'
import { requireMember } from '../cluster/data-directories.js'
import { nodePaths } from '../cluster/layout.js'
import { runningPid } from '../cluster/processes.js'
import type { Target } from '../cluster/target.js'

export interface NodeReport {
  readonly id: string
  readonly address: string
  /** Null where it does not run, or not on this machine. */
  readonly pid: number | null
  /** Null for a cluster that is not local. */
  readonly running: boolean | null
  readonly reachable: boolean
  readonly role: string | null
  readonly term: number | null
  readonly lastIndex: number | null
  readonly commitIndex: number | null
  readonly appliedIndex: number | null
  readonly version: string | null
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
      .map(async ({ id, address, reachable, role, term, lastIndex, commitIndex, appliedIndex, version, error }) => {
        const { dir } = target
        const pid = dir === null ? null : await runningPid(dir, id)
        const paths = dir === null ? null : nodePaths(dir, id)
        return {
          id,
          address,
          pid,
          running: dir === null ? null : pid !== null,
          reachable,
          role,
          term,
          lastIndex,
          commitIndex,
          appliedIndex,
          version,
          dataDir: paths?.data ?? null,
          logFile: paths?.log ?? null,
          errorCode: error?.code ?? null,
        }
      }),
  )
}
