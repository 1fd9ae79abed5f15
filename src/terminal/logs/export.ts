/**
 * `log export`: the operations of a node's log as NDJSON, for audits, and to be proposed again elsewhere. The file is
 * there once it is whole.
 */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { access, rename, rm } from 'node:fs/promises'
import { KnhkError } from '../../base/error.js'
import { fileError } from '../../cluster/files.js'
import type { LogView } from '../../storage/look-at-log.js'
import { type CommittedOperation, committedOperations } from '../../workflow/committed-operations.js'
import type { Output } from '../printer.js'

const READ_BYTES = 1024 * 1024

export interface ExportOptions {
  /** The `log` directory of a node. */
  readonly directory: string
  readonly from: number | null
  readonly to: number | null
  readonly out: string
  /** Only the operations themselves, as `propose` takes them; sessions are left out. */
  readonly bare: boolean
  readonly signal: AbortSignal
  readonly onProgress: (index: number) => void
}

export interface ExportReport {
  readonly file: string
  readonly entries: number
  readonly operations: number
  readonly firstIndex: number | null
  readonly lastIndex: number | null
}

/** Throws `Refused` where the file exists, `NotFound` without a log, `Corrupt` at an entry that cannot be read. */
export async function exportLog(options: ExportOptions): Promise<ExportReport> {
  const { out } = options
  const exists = await access(out).then(
    () => true,
    () => false,
  )
  if (exists)
    throw new KnhkError('Refused', `${out} exists already and is never overwritten`, { details: { file: out } })
  const [{ lookAtLog }, { realFiles }] = await Promise.all([
    import('../../storage/look-at-log.js'),
    import('../../storage/real-files.js'),
  ])
  const partial = `${out}.partial-${process.pid}`
  try {
    // A look may be taken again, where the log moved: each one writes the file from its beginning.
    const report = await lookAtLog(realFiles(), options.directory, {}, (view) => writeAll(view, partial, options))
    await rename(partial, out)
    return report
  } finally {
    await rm(partial, { force: true })
  }
}

export function exportOutput(report: ExportReport): Output {
  return {
    value: report,
    ids: [report.file],
    text: ({ fields }) =>
      fields([
        ['file', report.file],
        ['entries', report.entries],
        ['operations', report.operations],
        ['indexes', report.firstIndex === null ? null : `${report.firstIndex} … ${report.lastIndex}`],
      ]),
  }
}

async function writeAll(view: LogView, file: string, options: ExportOptions): Promise<ExportReport> {
  const { reader, replay } = view
  const first = Math.max(options.from ?? 0, view.firstIndex ?? 0)
  const last = Math.min(options.to ?? Number.MAX_SAFE_INTEGER, view.lastIndex ?? -1)
  const stream = createWriteStream(file, { mode: 0o600 })
  const failed = once(stream, 'error').then(([cause]) => {
    throw fileError(file, 'write', cause)
  })
  // Awaited where the stream is; a failure in between must not end the process.
  failed.catch(() => undefined)
  let operations = 0
  for (let index = first; index <= last; ) {
    options.signal.throwIfAborted()
    const entries = await reader.readEntries(replay.positions, index, READ_BYTES)
    if (entries.length === 0) throw new KnhkError('Corrupt', `entry ${index} cannot be read`, { details: { index } })
    for (const entry of entries) {
      if (entry.index > last) break
      for (const one of committedOperations(entry)) {
        const line = lineOf(one, options.bare)
        if (line === null) continue
        operations++
        if (!stream.write(`${line}\n`)) await Promise.race([once(stream, 'drain'), failed])
      }
    }
    index += entries.length
    options.onProgress(Math.min(index - 1, last))
  }
  stream.end()
  await Promise.race([once(stream, 'close'), failed])
  const isEmpty = first > last
  return {
    file: options.out,
    entries: isEmpty ? 0 : last - first + 1,
    operations,
    firstIndex: isEmpty ? null : first,
    lastIndex: isEmpty ? null : last,
  }
}

/** Sessions are made anew where operations are run again, and so are the fences of reads. */
const NOT_REPEATED: readonly (string | null)[] = ['OpenSession', 'CloseSession', 'Fence']

function lineOf(one: CommittedOperation, bare: boolean): string | null {
  if (!bare) return JSON.stringify(one)
  if (one.operation === null || NOT_REPEATED.includes(one.type)) return null
  return JSON.stringify(one.operation)
}
