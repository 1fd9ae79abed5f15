/** Which of the committed operations a stream of changes is about: by type, case, or prefix of a key. */
import type { CommittedOperation } from './committed-operations.js'

export interface ChangeFilter {
  /** Operation types, as in their JSON; null for all but the opening and closing of sessions and the fences of reads. */
  readonly type: string | null
  /** Lower-case UUID. */
  readonly caseId: string | null
  readonly keyPrefix: string | null
}

const SILENT_TYPES: readonly (string | null)[] = ['OpenSession', 'CloseSession', 'Fence']

export function matchesFilter(
  committed: Pick<CommittedOperation, 'type' | 'operation'>,
  filter: ChangeFilter,
): boolean {
  const { type, operation } = committed
  // Under a request id it is what it is without one.
  if (type === 'Once' && filter.type !== 'Once' && operation !== null) return matchesFilter(insideOf(operation), filter)
  if (filter.type === null ? SILENT_TYPES.includes(type) : type !== filter.type) return false
  if (filter.caseId !== null && operation?.caseId !== filter.caseId) return false
  if (filter.keyPrefix === null) return true
  const data = operation?.data
  const key = typeof data === 'object' && data !== null && 'key' in data ? data.key : null
  return type === 'Custom' && typeof key === 'string' && key.startsWith(filter.keyPrefix)
}

function insideOf({ operation }: Readonly<Record<string, unknown>>): Pick<CommittedOperation, 'type' | 'operation'> {
  const inside = operation as NonNullable<CommittedOperation['operation']>
  return { type: inside.type as CommittedOperation['type'], operation: inside }
}
