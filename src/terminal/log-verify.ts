/**
 * `log verify`: the log on disk, whole, checked by the code that writes it; with the cluster file at hand
 * also the certificates of its entries.
 */
import { resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import { type ClusterFile, readClusterFile } from '../cluster/cluster-file.js'
import { logDirectory, requireMember } from '../cluster/data-directories.js'
import { clusterPaths } from '../cluster/layout.js'
import type { ProvenLog } from './logs/proven-log.js'
import type { Output } from './printer.js'

export interface ChosenLog {
  /** The log directory. */
  readonly directory: string
  /** Null where only a data directory was named: nothing in it says who the members are. */
  readonly configuration: ClusterFile | null
}

/** The log that is meant. Throws `Usage` or `NotFound`. */
export async function chooseLog(
  dataDir: string | undefined,
  dir: string | undefined,
  node: string | undefined,
): Promise<ChosenLog> {
  if (dataDir !== undefined) return { directory: logDirectory({ dataDir: resolve(dataDir) }), configuration: null }
  if (dir === undefined || node === undefined) {
    throw new KnhkError('Usage', 'which log?', { hint: 'Give --dir DIR and --node ID, or --data-dir DIR.' })
  }
  const root = resolve(dir)
  const configuration = await readClusterFile(clusterPaths(root).clusterFile)
  requireMember(configuration, node)
  return { directory: logDirectory({ dir: root, node }), configuration }
}

export async function verifyStored({ directory, configuration }: ChosenLog): Promise<ProvenLog> {
  const [{ verifyProven }, { realFiles }] = await Promise.all([
    import('./logs/proven-log.js'),
    import('../storage/real-files.js'),
  ])
  return verifyProven(realFiles(), directory, configuration)
}

export function verifyOutput(report: ProvenLog): Output {
  return {
    value: report,
    items: report.problems,
    ids: report.problems.map((problem) => String(problem.index)),
    text: async ({ fields, table, paint }) => {
      const range = report.firstIndex === null ? 'empty' : `${report.firstIndex} … ${report.lastIndex}`
      const verdict = report.ok ? paint('green', 'sound') : paint('red', `damaged: ${report.problems.length} problems`)
      const head = fields([
        ['log', verdict],
        ['indexes', range],
        ['entries', report.entries],
        ['certificates', report.certificates],
        ...(report.certifiedIndex === null ? [] : [['certified up to', report.certifiedIndex] as const]),
        ...(report.repaired.length === 0 ? [] : [['repaired places', report.repaired.length] as const]),
        ...(report.tornTail === null ? [] : [['half-written tail', `${report.tornTail.bytes} bytes`] as const]),
      ])
      if (report.ok) return head
      const rows = report.problems.map(({ index, segment, offset, kind }) => [index, segment, offset, kind])
      return `${head}\n${await table(['index', 'segment', 'offset', 'problem'], rows)}`
    },
  }
}
