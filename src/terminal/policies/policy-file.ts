/**
 * `policy apply`: from a file to the operation. Three forms mean the same: { policyId, policy }, a policy
 * with its `id` beside it, and a doctrine rule as it stands in a handbook, with dates.
 */
import { KnhkError } from '../../base/error.js'
import { operationFromJson } from '../../workflow/operation-json.js'
import type { Operation } from '../../workflow/operations.js'
import { readOperationFile } from '../operation-file.js'

type Fields = Readonly<Record<string, unknown>>

/** `id` wins over the file's. Throws `NotFound`, `InvalidFile`, or `InvalidArgument` that names the field. */
export async function policyFromFile(path: string, id: string | undefined): Promise<Operation> {
  const { type, policyId, id: ownId, policy, ...rest } = await readOperationFile(path)
  const isWrapped = policy !== undefined
  if (isWrapped && type !== undefined && type !== 'ApplyPolicy') throw invalidFile(path, 'its type is not ApplyPolicy')
  const named = id ?? policyId ?? ownId
  if (named === undefined) throw invalidFile(path, 'it has no policyId', 'Write one into the file, or give --id ID.')
  const fields = isWrapped
    ? { ...rest, policy: withDates(policy) }
    : { policy: withDates({ ...flatType(type, rest), ...rest }) }
  return operationFromJson({ type: 'ApplyPolicy', policyId: named, ...fields })
}

/** A rule needs no type: its constraint says that it is one. */
function flatType(type: unknown, rest: Fields): Fields {
  if (type !== undefined) return { type }
  return rest.constraint === undefined ? {} : { type: 'Rule' }
}

/** `effectiveDate` and `expires` as people write them become milliseconds. */
function withDates(policy: unknown): unknown {
  if (typeof policy !== 'object' || policy === null) return policy
  const { effectiveDate, expires, ...rest } = policy as Fields
  return {
    ...rest,
    ...dateField('effectiveDate', 'effectiveDateMs', effectiveDate),
    ...dateField('expires', 'expiresMs', expires),
  }
}

function dateField(name: string, target: string, value: unknown): Fields {
  if (value === undefined) return {}
  if (value === null) return { [target]: null }
  // Without a zone it is UTC, as all times of rules are.
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(String(value))
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2] ?? '00:00'}${match[3] ?? 'Z'}`)
  if (!Number.isSafeInteger(ms)) {
    throw new KnhkError('InvalidArgument', `${name} is not a date such as 2026-01-31 or 2026-01-31T08:00Z`, {
      details: { field: name },
    })
  }
  return { [target]: ms }
}

function invalidFile(path: string, why: string, hint?: string): KnhkError {
  return new KnhkError('InvalidFile', `${path} is no policy: ${why}`, {
    details: { path },
    ...(hint === undefined ? {} : { hint }),
  })
}
