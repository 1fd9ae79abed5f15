/** The configuration as far as anybody reachable knows it: the leader's word, else the newest committed one. */
import type { Client, ClusterStatus } from '../../client/api.js'
import { type MembersView, membersOf } from '../../cluster/members.js'
import { type SelfReport, selfReport } from '../../cluster/self-reports.js'
import type { Mode } from '../../consensus/types.js'

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
  return { status, reports, views, leader: leaderOf(status, reports) }
}

/** A Raft leader says so itself; of a Byzantine cluster enough members have to. */
function leaderOf(status: ClusterStatus, reports: ReadonlyMap<string, SelfReport>): SelfReport | null {
  if (isByzantine(status.mode)) return status.leader === null ? null : (reports.get(status.leader) ?? null)
  const leading = [...reports.values()].filter(({ role }) => role === 'leader').sort((a, b) => b.term - a.term)
  return leading[0] ?? null
}

/** True for modes in which nobody is believed alone. */
export function isByzantine(mode: Mode): boolean {
  return mode === 'pbft' || mode === 'hotstuff'
}

/** The leader's configuration, else the newest committed one that anybody told; null where nobody did. */
export function bestView({ leader, views }: ClusterLook): MembersView | null {
  const told = leader === null ? undefined : views.get(leader.id)
  const [newest] = [...views.values()].sort((a, b) => Number(b.committed) - Number(a.committed) || b.index - a.index)
  return told ?? newest ?? null
}
