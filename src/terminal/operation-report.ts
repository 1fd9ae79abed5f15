/**
 * One operation from the command line to its result: the documented JSON where it was applied, a
 * KnhkError with its place in the log where the state machine rejected it.
 */
import { KnhkError } from '../base/error.js'
import type { CallOptions, Client, Session, SettledOperation } from '../client/api.js'
import type { Operation, ResultWarning } from '../workflow/operations.js'
import { isRepeated, underRequestId } from './request-id.js'
import * as schema from './schema.js'
import { textOfBytes } from './text-bytes.js'

export interface OperationReport {
  readonly index: number
  readonly position: number
  readonly epoch: number
  readonly mode: string
  readonly assurance: string
  /** An earlier run applied it, under the same request id; the place and the result are those of then. */
  readonly alreadyApplied: boolean
  /** What the operation came to, with texts instead of bytes. */
  readonly result: Readonly<Record<string, string | number | boolean | null | readonly ResultWarning[]>>
}

export const OPERATION_SCHEMA = schema.record({
  index: schema.integer,
  position: schema.integer,
  epoch: schema.integer,
  mode: schema.text,
  assurance: schema.text,
  alreadyApplied: schema.flag,
  result: schema.anything,
})

/** Exit codes of a command that writes: rejections, not found, the cluster's state, permission, conflicts. */
export const WRITE_EXIT_CODES: readonly number[] = [1, 4, 5, 6, 7, 8, 9]
export const READ_EXIT_CODES: readonly number[] = [4, 5, 6, 7, 8]

/** Submits one operation. Throws `InvalidArgument`, the rejection, or what kept it from being answered. */
export async function submitOperation(
  client: Client,
  operation: Operation,
  options: CallOptions & { readonly base64?: boolean; readonly requestId?: string | undefined },
): Promise<OperationReport> {
  // A malformed operation is the caller's mistake whether or not the cluster can be reached.
  const { encodeOperation } = await import('../workflow/operation-codec.js')
  const sent = underRequestId(operation, options.requestId)
  encodeOperation(sent)
  const settled = await client.submitOnce(sent, options)
  if (!settled.outcome.ok) throw rejection(settled)
  return reportOf(operation, settled, settled.session, options.base64 ?? false)
}

/** `settled` was applied, now or under its request id before `session` was opened. */
export async function reportOf(
  operation: Operation,
  settled: SettledOperation,
  session: Session['id'],
  base64 = false,
): Promise<OperationReport> {
  const { decodeResult } = await import('../workflow/result-data.js')
  const { index, position, epoch, mode, assurance } = settled
  const data = decodeResult(operation, settled.outcome) ?? {}
  const result = Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? textOfBytes(value, base64, name) : value,
    ]),
  )
  return { index, position, epoch, mode, assurance, alreadyApplied: isRepeated(settled, session), result }
}

/** Where in the log, and what rules the operation violated without being blocked: for people. */
export function placeText({ index, alreadyApplied, result }: OperationReport): string {
  const warnings = Array.isArray(result.warnings) ? (result.warnings as readonly ResultWarning[]) : []
  const told = warnings.map(({ policyId, enforcement }) => `${policyId} (${enforcement})`)
  return `(${alreadyApplied ? 'already applied at ' : ''}index ${index})${told.length === 0 ? '' : `; against ${told.join(', ')}`}`
}

/** The error of an operation that was rejected. */
export function rejection({ outcome, index, position }: SettledOperation): KnhkError {
  if (outcome.ok) throw new KnhkError('Bug', 'an operation that was applied is no rejection')
  return new KnhkError(outcome.code, outcome.message, { details: { ...outcome.details, index, position } })
}
