/** `cluster health`: one word, what is missing, and how many more faults the cluster would survive. */
import type { CallOptions, Client, ClusterStatus } from '../client/api.js'
import { votersOf } from '../cluster/change-goals.js'
import { caughtUpProblem, healthProblem, leaderProblem } from '../cluster/health.js'
import { parseMembersView } from '../cluster/members.js'
import { byzantineQuorum, majority } from '../consensus/quorum.js'
import type { Output } from './printer.js'
import { requireReachable } from './status-report.js'

export interface HealthLimits {
  /** Null: a member has to have applied all that is committed. */
  readonly lagEntries: number | null
  /** Null: any round-trip time will do. */
  readonly rttMs: number | null
}

export interface HealthReport {
  readonly health: 'healthy' | 'degraded' | 'down'
  readonly problems: readonly string[]
  readonly leader: string | null
  readonly commitIndex: number | null
  readonly members: number
  readonly reachable: number
  /** Voters that can fail from here on before writes stop; null where the voters are not known. */
  readonly moreFaultsTolerated: number | null
}

/** Throws when no member answers. */
export async function lookAtHealth(client: Client, limits: HealthLimits, call: CallOptions): Promise<HealthReport> {
  const status = await client.clusterStatus(call)
  requireReachable(status)
  return healthReport(status, await voterIds(client, call), limits)
}

/** `voters` null: not known. */
export function healthReport(
  status: ClusterStatus,
  voters: readonly string[] | null,
  limits: HealthLimits,
): HealthReport {
  const reachable = status.nodes.filter((node) => node.reachable)
  const alive = voters?.filter((id) => reachable.some((node) => node.id === id)).length ?? null
  const spare = voters === null || alive === null ? null : alive - quorumOf(status.mode, voters.length)
  const problems = problemsOf(status, limits)
  if (spare === 0 && (voters?.length ?? 0) > 1) problems.push('no further failure of a voter is tolerated')
  const down = leaderProblem(status) !== null || (spare !== null && spare < 0)
  return {
    health: down ? 'down' : problems.length > 0 ? 'degraded' : 'healthy',
    problems,
    leader: status.leader,
    commitIndex: status.commitIndex,
    members: status.nodes.length,
    reachable: reachable.length,
    moreFaultsTolerated: spare === null ? null : Math.max(0, spare),
  }
}

export function healthOutput(report: HealthReport): Output {
  const { health, problems, leader, commitIndex, members, reachable, moreFaultsTolerated } = report
  return {
    value: report,
    ids: [health],
    text: ({ fields, paint }) => {
      const style = health === 'healthy' ? 'green' : health === 'degraded' ? 'yellow' : 'red'
      const facts = fields([
        ['leader', leader],
        ['commit', commitIndex],
        ['members', `${reachable} of ${members} answer`],
        ['more faults', moreFaultsTolerated === null ? null : `${moreFaultsTolerated} tolerated`],
      ])
      return [paint(style, health), ...problems.map((problem) => `- ${problem}`), facts].join('\n')
    },
  }
}

async function voterIds(client: Client, call: CallOptions): Promise<string[] | null> {
  const answer = await client.query('cluster.members', {}, { ...call, read: 'local' }).catch(() => null)
  return answer === null ? null : votersOf(parseMembersView(answer.value)).map(({ id }) => id)
}

function problemsOf(status: ClusterStatus, { lagEntries, rttMs }: HealthLimits): string[] {
  const behind = caughtUpProblem(status)
  const health = healthProblem(status)
  const problems: string[] = []
  // With an allowance for lag, being behind is judged by it alone.
  if (health !== null && (lagEntries === null || health !== behind)) problems.push(health)
  for (const node of status.nodes) {
    if (node.disk?.isFull === true) problems.push(`the disk of ${node.id} is full: it accepts no proposals`)
    if (lagEntries !== null && node.lagEntries !== null && node.lagEntries > lagEntries) {
      problems.push(`${node.id} is ${node.lagEntries} entries behind`)
    }
    if (rttMs !== null && node.rttMs !== null && node.rttMs > rttMs) {
      problems.push(`${node.id} is ${node.rttMs.toFixed(1)} ms away from the leader`)
    }
  }
  return problems
}

function quorumOf(mode: string, voters: number): number {
  return mode === 'raft' ? majority(voters) : byzantineQuorum(voters)
}
