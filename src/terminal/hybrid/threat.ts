/** `cluster threat show`: what members hold against each other, and what at least f + 1 of them agree on. */
import type { CallOptions, Client, ClusterStatus } from '../../client/api.js'
import { THREAT_LEVELS, type ThreatLevel } from '../../consensus/hybrid/threat-model.js'
import { byzantineFaults } from '../../consensus/quorum.js'
import type { Output } from '../printer.js'
import * as schema from '../schema.js'
import { requireReachable } from '../status-report.js'

export interface ThreatOutput {
  /** What f + 1 members see; null where the cluster's protocol has no threat model. */
  readonly level: string | null
  readonly causes: readonly string[]
  /** What the replicated state holds: the evidence that counts. */
  readonly replicated: {
    readonly level: string
    readonly live: readonly {
      readonly id: string
      readonly culprit: string
      readonly epoch: number
      readonly index: number
    }[]
  } | null
  /** Every member, as the others see it. */
  readonly nodes: readonly { readonly id: string; readonly level: string | null; readonly causes: readonly string[] }[]
}

export const THREAT_SCHEMA = schema.record({
  level: schema.nullable(schema.text),
  causes: schema.list(schema.text),
  replicated: schema.nullable(
    schema.record({
      level: schema.text,
      live: schema.list(
        schema.record({ id: schema.text, culprit: schema.text, epoch: schema.integer, index: schema.integer }),
      ),
    }),
  ),
  nodes: schema.list(
    schema.record({ id: schema.text, level: schema.nullable(schema.text), causes: schema.list(schema.text) }),
  ),
})

export async function lookAtThreat(client: Client, call: CallOptions): Promise<ThreatOutput> {
  const status = await client.clusterStatus(call)
  requireReachable(status)
  const seen = threatOf(status)
  if (seen.level === null) return { ...seen, replicated: null }
  const { value } = await client.query('threat.live', {}, { ...call, read: 'local' })
  return { ...seen, replicated: value as ThreatOutput['replicated'] }
}

function threatOf({ threat, nodes }: ClusterStatus): Omit<ThreatOutput, 'replicated'> {
  const reports = nodes.flatMap((node) => (node.threat === null ? [] : [{ by: node.id, ...node.threat }]))
  const needed = byzantineFaults(Math.max(1, nodes.length)) + 1
  const seen = nodes.map(({ id }) => {
    // What a member says of itself counts for nothing.
    const held = reports.filter(({ by }) => by !== id).flatMap(({ nodes: all }) => all.filter((one) => one.id === id))
    const levels = held.map(({ level }) => THREAT_LEVELS.indexOf(level as ThreatLevel)).sort((a, b) => b - a)
    const level = reports.length === 0 ? null : (THREAT_LEVELS[levels[needed - 1] ?? 0] as string)
    return { id, level, causes: [...new Set(held.flatMap(({ causes }) => causes))] }
  })
  return { level: threat, causes: [...new Set(seen.flatMap(({ causes }) => causes))], nodes: seen }
}

function liveText(replicated: ThreatOutput['replicated']): string | null {
  const pieces = replicated?.live ?? []
  return pieces.map(({ id, culprit, epoch }) => `${culprit} in epoch ${epoch} (${id.slice(0, 16)})`).join(', ') || null
}

export function threatOutput(report: ThreatOutput): Output {
  return {
    value: report,
    items: report.nodes,
    ids: report.nodes.filter(({ level }) => level !== null && level !== 'none').map(({ id }) => id),
    text: async ({ fields, table }) =>
      [
        fields([
          ['threat', report.level ?? 'not watched by this protocol'],
          ['causes', report.causes.join(', ') || null],
          ['replicated', report.replicated?.level ?? null],
          ['live evidence', liveText(report.replicated)],
        ]),
        await table(
          ['node', 'level', 'causes'],
          report.nodes.map(({ id, level, causes }) => [id, level ?? '-', causes.join(', ') || '-']),
        ),
      ].join('\n'),
  }
}
