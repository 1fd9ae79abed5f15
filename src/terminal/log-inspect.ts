/** `log inspect`: entries of one node's log, asked over its link or read from its data directory. */
import { resolve } from 'node:path'
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
}

/** Read-only. Throws `NotFound` where there is no log. */
export async function inspectStored(dataDir: string, range: InspectRange): Promise<InspectedLog> {
  const [{ inspectLog }, { realFiles }] = await Promise.all([
    import('../storage/log-inspect.js'),
    import('../storage/real-files.js'),
  ])
  const { from, to, limit } = range
  return inspectLog(realFiles(), logDirectory({ dataDir: resolve(dataDir) }), {
    limit,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  })
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
    const wanted = Math.min(PAGE_ENTRIES, range.limit - entries.length)
    const page = await ask(from, wanted)
    entries.push(...page.entries)
    const last = page.entries.at(-1)
    if (last === undefined || page.entries.length < wanted || entries.length >= range.limit) return { ...page, entries }
    from = last.index + 1
  }
}
