/** `log inspect`: entries of one node's log, asked over its link or read from its data directory. */
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hasCode, KnhkError } from '../base/error.js'
import type { CallOptions } from '../client/api.js'
import { logDirectory, requireMember } from '../cluster/data-directories.js'
import type { InspectedEntry, InspectedLog } from '../storage/log-inspect.js'
import type { Connection } from './connection.js'
import type { Output } from './printer.js'
import { formatLocalTime } from './times.js'

/** A node answers at most this many at a time. */
const PAGE_ENTRIES = 1_000

export interface InspectRange {
  readonly from: number | undefined
  readonly to: number | undefined
  readonly limit: number
  /** Only entries of this kind; null for all. */
  readonly kind: string | null
}

/** Entries of a stored log that are looked at for one of a kind. */
const STORED_ENTRIES_MAX = 100_000
const FOLLOW_POLL_MS = 200

/** Read-only. Throws `NotFound` where there is no log. */
export async function inspectStored(dataDir: string, range: InspectRange): Promise<InspectedLog> {
  const [{ inspectLog }, { realFiles }] = await Promise.all([
    import('../storage/log-inspect.js'),
    import('../storage/real-files.js'),
  ])
  const { from, to, limit, kind } = range
  const found = await inspectLog(realFiles(), logDirectory({ dataDir: resolve(dataDir) }), {
    limit: kind === null ? limit : STORED_ENTRIES_MAX,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  })
  return { ...found, entries: found.entries.filter(ofKind(kind)).slice(0, limit) }
}

/**
 * Asks the node; reads its directory when it cannot be reached and the cluster is on this machine.
 * Throws `Usage` without a node, `NotFound` for an unknown one, `Unreachable`.
 */
export async function inspectLive(
  { client, target }: Connection,
  node: string | null,
  range: InspectRange,
  call: CallOptions,
): Promise<InspectedLog> {
  if (node === null) throw new KnhkError('Usage', 'which log?', { hint: 'Give --node ID, or --data-dir DIR.' })
  requireMember(target.configuration, node)
  try {
    return await inspectPages(async (from, limit) => {
      const args = { from, to: range.to ?? null, limit }
      return (await client.query('log.inspect', args, { ...call, read: 'local', node })).value as InspectedLog
    }, range)
  } catch (error) {
    if (target.dir === null || !(hasCode(error, 'Unreachable') || hasCode(error, 'DeadlineExceeded'))) throw error
    const { nodePaths } = await import('../cluster/layout.js')
    return inspectStored(nodePaths(target.dir, node).data, range)
  }
}

/**
 * The entries of a running node as they are appended, from `from` or its present end on, until the signal. An entry
 * that is not committed yet may be replaced by another; those that are applied are not. So applied ones are shown.
 */
export async function* followEntries(
  { client, target }: Connection,
  node: string | null,
  range: Pick<InspectRange, 'from' | 'kind'>,
  call: CallOptions,
): AsyncGenerator<InspectedEntry, void> {
  if (node === null) throw new KnhkError('Usage', 'which log?', { hint: 'Give --node ID.' })
  requireMember(target.configuration, node)
  const query = { ...call, read: 'local', node } as const
  let from = range.from ?? null
  for (;;) {
    const status = (await client.query('node.status', {}, query)).value as { appliedIndex: number }
    from ??= status.appliedIndex + 1
    if (from <= status.appliedIndex) {
      const args = { from, to: status.appliedIndex, limit: PAGE_ENTRIES }
      const page = (await client.query('log.inspect', args, query)).value as InspectedLog
      yield* page.entries.filter(ofKind(range.kind))
      from = (page.entries.at(-1)?.index ?? status.appliedIndex) + 1
    } else await delay(FOLLOW_POLL_MS, undefined, call.signal === undefined ? {} : { signal: call.signal })
  }
}

/** One line, for `--follow`. */
export function entryLine(entry: InspectedEntry): string {
  const { index, term, kind, timestampMs, operations, bytes, chain } = entry
  const facts = [`${operations} operations`, `${bytes} bytes`, `chain ${chain.slice(0, 12)}`]
  return `${formatLocalTime(timestampMs)}  ${index}  term ${term}  ${kind}  ${facts.join('  ')}`
}

export function inspectOutput(log: InspectedLog): Output {
  return {
    value: log,
    items: log.entries,
    ids: log.entries.map((entry) => String(entry.index)),
    text: async ({ table, paint }) => {
      const rows = log.entries.map((entry) => [
        entry.index,
        entry.epoch,
        entry.term,
        entry.kind,
        formatLocalTime(entry.timestampMs),
        entry.operations,
        entry.bytes,
        entry.chain.slice(0, 12),
      ])
      const listed = await table(['index', 'epoch', 'term', 'kind', 'time', 'operations', 'bytes', 'chain'], rows)
      const range =
        log.firstIndex === null ? 'The log is empty.' : `The log holds ${log.firstIndex} … ${log.lastIndex}.`
      const torn =
        log.tornTail === null
          ? ''
          : ` Its last frame is half written (${log.tornTail.bytes} bytes); opening cuts it off.`
      return `${listed}\n${paint('dim', range + torn)}`
    },
  }
}

async function inspectPages(
  ask: (from: number | null, limit: number) => Promise<InspectedLog>,
  range: InspectRange,
): Promise<InspectedLog> {
  const entries: InspectedEntry[] = []
  let from = range.from ?? null
  for (;;) {
    const wanted = range.kind === null ? Math.min(PAGE_ENTRIES, range.limit - entries.length) : PAGE_ENTRIES
    const page = await ask(from, wanted)
    entries.push(...page.entries.filter(ofKind(range.kind)).slice(0, range.limit - entries.length))
    const last = page.entries.at(-1)
    if (last === undefined || page.entries.length < wanted || entries.length >= range.limit) return { ...page, entries }
    from = last.index + 1
  }
}

function ofKind(kind: string | null): (entry: InspectedEntry) => boolean {
  return (entry) => kind === null || entry.kind === kind
}
