/** `watch changes`: the client's stream of committed operations, as lines. */
import { KnhkError } from '../../base/error.js'
import type { Client } from '../../client/api.js'
import { type Change, watchChanges } from '../../client/changes.js'
import { parseUuid } from '../case-operations.js'
import { type OutputFormat, printable } from '../printer.js'
import { requireReachable } from '../status-report.js'
import { formatLocalTime } from '../times.js'

/** Without a stream everything is in memory at once. */
const DOCUMENT_CHANGES_MAX = 100_000
const CLIENT_CHARACTERS = 8

export interface FollowOptions {
  readonly after: { readonly index: number; readonly position: number } | null
  readonly from: number | null
  readonly type: string | null
  readonly caseId: string | null
  readonly keyPrefix: string | null
  readonly count: number | null
  /** Goes on for ever, beginning at the present; otherwise what there is now. */
  readonly isStream: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** `INDEX:POSITION`, as results name a place. Throws `InvalidArgument`. */
export function parsePlace(text: string): { index: number; position: number } {
  const match = /^(\d{1,15}):(\d{1,9})$/.exec(text)
  if (match === null) {
    throw new KnhkError('InvalidArgument', `--after: ${JSON.stringify(text)} is not of the form INDEX:POSITION`)
  }
  return { index: Number(match[1]), position: Number(match[2]) }
}

/** Throws when no member answers at the beginning, and what `watchChanges` throws. */
export async function* followChanges(client: Client, options: FollowOptions): AsyncGenerator<Change, void> {
  const { signal, after, type, caseId, keyPrefix, isStream } = options
  const caseText = caseId === null ? null : parseUuid(caseId, '--case')
  const status = await client.clusterStatus({ timeoutMs: options.timeoutMs, signal })
  requireReachable(status)
  const begin = options.from ?? (isStream ? (status.commitIndex ?? 0) + 1 : null)
  let left = options.count ?? (isStream ? Number.POSITIVE_INFINITY : DOCUMENT_CHANGES_MAX)
  const changes = watchChanges(client, {
    after,
    ...(begin === null ? {} : { from: begin }),
    ...(type === null ? {} : { type }),
    ...(caseText === null ? {} : { caseId: caseText }),
    ...(keyPrefix === null ? {} : { keyPrefix }),
    once: !isStream,
    signal,
  })
  for await (const change of changes) {
    yield change
    if (--left <= 0) return
  }
}

export function changeLine(change: Change, format: OutputFormat): string {
  if (format === 'ndjson') return JSON.stringify(change)
  const place = `${change.index}:${change.position}`
  if (format === 'id') return place
  const { type: _, ...fields } = change.operation ?? {}
  const what = `${change.type ?? 'unknown'} ${printable(JSON.stringify(fields))}`
  return `${formatLocalTime(change.timestampMs)}  ${place}  ${change.client.slice(0, CLIENT_CHARACTERS)}  ${what}`
}
