/** The configuration as far as anybody reachable knows it: the leader's word, else the newest committed one. */
import type { Client, ClusterStatus } from '../../client/api.js'
import { type MembersView, membersOf } from '../../cluster/members.js'
import { type SelfReport, selfReport } from '../../cluster/self-reports.js'

export interface ClusterLook {
  readonly status: ClusterStatus
  /** Those that answered, by id. */
  readonly reports: ReadonlyMap<string, SelfReport>
  readonly views: ReadonlyMap<string, MembersView>
  /** Null while nobody that is reachable leads. */
  readonly leader: SelfReport | null
}

/** Asks every member. What does not answer is left out; nothing is thrown for it. */
export async function lookAtCluster(
  client: Client,
  call: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ClusterLook> {
  const status = await client.clusterStatus(call)
  const reports = new Map<string, SelfReport>()
  const views = new Map<string, MembersView>()
  await Promise.all(
    status.nodes
      .filter(({ reachable }) => reachable)
      .map(async ({ id }) => {
        const both = await Promise.all([
          selfReport(client, id, call.timeoutMs),
          membersOf(client, id, call.timeoutMs),
        ]).catch(() => null)
        if (both === null) return
        reports.set(id, both[0])
        views.set(id, both[1])
      }),
  )
  const leading = [...reports.values()].filter(({ role }) => role === 'leader').sort((a, b) => b.term - a.term)
  return { status, reports, views, leader: leading[0] ?? null }
}

/** The leader's configuration, else the newest committed one that anybody told; null where nobody did. */
export function bestView({ leader, views }: ClusterLook): MembersView | null {
  const told = leader === null ? undefined : views.get(leader.id)
  const [newest] = [...views.values()].sort((a, b) => Number(b.committed) - Number(a.committed) || b.index - a.index)
  return told ?? newest ?? null
}
