/** The names of one kind that a cluster knows, a bounded number, newest first where they have an age. */
import type { Client, QueryOptions } from '../../client/api.js'
import type { ValueKind } from './value-kinds.js'

const VALUES_MAX = 200

interface Source {
  readonly query: string
  /** The answer's field with the rows, and theirs with the name. */
  readonly rows: string
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
}

const SOURCES: Readonly<Record<Exclude<ValueKind, 'node' | 'context'>, Source>> = {
  case: { query: 'case.list', rows: 'cases', name: 'caseId', args: { reverse: true, state: null, specId: null } },
  policy: { query: 'policy.list', rows: 'policies', name: 'policyId', args: {} },
  overlay: { query: 'overlay.list', rows: 'overlays', name: 'overlayId', args: { phase: null, reverse: true } },
  client: { query: 'clients.list', rows: 'clients', name: 'id', args: {} },
}

export type QueriedKind = keyof typeof SOURCES
export const QUERIED_KINDS = Object.keys(SOURCES) as readonly QueriedKind[]

/** Throws what the query throws. */
export async function liveValues(client: Client, kind: QueriedKind, call: QueryOptions): Promise<string[]> {
  const { query, rows, name, args } = SOURCES[kind]
  const { value } = await client.query(query, { ...args, limit: VALUES_MAX, cursor: null }, call)
  return ((value as Record<string, unknown>)[rows] as Record<string, unknown>[]).map((row) => String(row[name]))
}
