/** `log verify`: the log on disk, whole, checked by the code that writes it. */
import { resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import { readClusterFile } from '../cluster/cluster-file.js'
import { logDirectory, requireMember } from '../cluster/data-directories.js'
import { clusterPaths } from '../cluster/layout.js'
import type { VerifiedLog } from '../storage/log-verify.js'
import type { Output } from './printer.js'

/** The log directory that is meant. Throws `Usage` or `NotFound`. */
export async function chooseLog(
  dataDir: string | undefined,
  dir: string | undefined,
  node: string | undefined,
): Promise<string> {
  if (dataDir !== undefined) return logDirectory({ dataDir: resolve(dataDir) })
  if (dir === undefined || node === undefined) {
    throw new KnhkError('Usage', 'which log?', { hint: 'Give --dir DIR and --node ID, or --data-dir DIR.' })
  }
  const root = resolve(dir)
  requireMember(await readClusterFile(clusterPaths(root).clusterFile), node)
  return logDirectory({ dir: root, node })
}

export async function verifyStored(directory: string): Promise<VerifiedLog> {
  const [{ verifyLog }, { realFiles }] = await Promise.all([
    import('../storage/log-verify.js'),
    import('../storage/real-files.js'),
  ])
  return verifyLog(realFiles(), directory)
}

export function verifyOutput(report: VerifiedLog): Output {
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
        ...(report.repaired.length === 0 ? [] : [['repaired places', report.repaired.length] as const]),
        ...(report.tornTail === null ? [] : [['half-written tail', `${report.tornTail.bytes} bytes`] as const]),
      ])
      if (report.ok) return head
      const rows = report.problems.map(({ index, segment, offset, kind }) => [index, segment, offset, kind])
      return `${head}\n${await table(['index', 'segment', 'offset', 'problem'], rows)}`
    },
  }
}
