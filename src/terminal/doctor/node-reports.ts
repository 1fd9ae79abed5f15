/** What each node tells `doctor`: whether it is ready and why not, its version, and how its clock stands. */
import type { Client } from '../../client/api.js'
import { type NotReadyReport, notReadyOf } from '../../cluster/self-reports.js'

export interface DoctorReport {
  readonly id: string
  readonly version: string
  readonly http: string | null
  readonly notReady: readonly NotReadyReport[]
  /** Its wall clock against ours, in milliseconds, and how far that can be wrong; null where it tells no time. */
  readonly clock: { readonly offsetMs: number; readonly uncertaintyMs: number } | null
}

/** Those of `nodes` that answer. */
export async function doctorReports(
  client: Client,
  nodes: readonly string[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, DoctorReport>> {
  const reports = await Promise.all(nodes.map((node) => askNode(client, node, timeoutMs).catch(() => null)))
  return new Map(reports.flatMap((report) => (report === null ? [] : [[report.id, report] as const])))
}

async function askNode(client: Client, node: string, timeoutMs: number): Promise<DoctorReport> {
  const sentMs = Date.now()
  const { value } = await client.query('node.status', {}, { read: 'local', node, timeoutMs })
  const answeredMs = Date.now()
  const fields = value as Readonly<Record<string, unknown>>
  const wallMs = typeof fields.wallMs === 'number' ? fields.wallMs : null
  const uncertaintyMs = (answeredMs - sentMs) / 2
  return {
    id: node,
    version: typeof fields.version === 'string' ? fields.version : 'unknown',
    http: typeof fields.http === 'string' ? fields.http : null,
    notReady: notReadyOf(fields),
    clock: wallMs === null ? null : { offsetMs: Math.round(wallMs - sentMs - uncertaintyMs), uncertaintyMs },
  }
}
