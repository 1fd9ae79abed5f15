/** `log diff`: the first index at which two logs part. */

import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { readClusterFile } from '../../cluster/cluster-file.js'
import { requireMember } from '../../cluster/data-directories.js'
import { errnoOf } from '../../cluster/files.js'
import { clusterPaths, nodePaths } from '../../cluster/layout.js'
import type { ComparedLogs, ComparedPlace, ComparedSide } from '../../storage/log-compare.js'
import type { Output, TextTools } from '../printer.js'

interface DiffPlace {
  readonly epoch: number
  readonly term: number
  readonly kind: string | null
  readonly timestampMs: number
  readonly chain: string
  readonly batchDigest: string | null
}

interface DiffSide extends ComparedSide {
  readonly log: string
}

export interface DiffReport {
  readonly equal: boolean
  readonly from: number
  readonly to: number
  readonly compared: number
  readonly partsAt: number | null
  readonly beforeCommonRange: boolean
  readonly differs: readonly string[]
  readonly a: DiffSide
  readonly b: DiffSide
  readonly placeA: DiffPlace | null
  readonly placeB: DiffPlace | null
}

/** A data directory, or with `dir` the name of a node. Throws `NotFound`. */
export async function chooseDiffLog(name: string, dir: string | undefined): Promise<string> {
  if (dir !== undefined && /^[a-z0-9-]{1,64}$/.test(name)) {
    const root = resolve(dir)
    requireMember(await readClusterFile(clusterPaths(root).clusterFile), name)
    return join(nodePaths(root, name).data, 'log')
  }
  const path = resolve(name)
  const log = join(path, 'log')
  const isThere = await stat(log).then(
    (status) => status.isDirectory(),
    (error) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false
      throw error
    },
  )
  if (isThere) return log
  throw new KnhkError('NotFound', `${path} is no data directory: it holds no log`, {
    hint: 'Name data directories, or nodes of a local cluster with --dir DIR.',
    details: { path },
  })
}

export async function diffLogs(names: readonly [string, string], dir: string | undefined): Promise<DiffReport> {
  const [{ compareLogs }, { realFiles }] = await Promise.all([
    import('../../storage/log-compare.js'),
    import('../../storage/real-files.js'),
  ])
  const [a, b] = [await chooseDiffLog(names[0], dir), await chooseDiffLog(names[1], dir)]
  return reportOf(names, await compareLogs(realFiles(), a, b))
}

function reportOf(names: readonly [string, string], compared: ComparedLogs): DiffReport {
  const { from, to, partsAt, beforeCommonRange, differs, a, b, placeA, placeB } = compared
  return {
    equal: partsAt === null,
    from,
    to,
    compared: (partsAt ?? to) - from + 1,
    partsAt,
    beforeCommonRange,
    differs,
    a: { log: names[0], ...a },
    b: { log: names[1], ...b },
    placeA: presentPlace(placeA),
    placeB: presentPlace(placeB),
  }
}

function presentPlace(place: ComparedPlace | null): DiffPlace | null {
  if (place === null) return null
  const { epoch, term, kind, timestampMs, chain, batchDigest } = place
  return {
    epoch,
    term,
    kind: kind ?? null,
    timestampMs,
    chain: toHex(chain),
    batchDigest: batchDigest === undefined ? null : toHex(batchDigest),
  }
}

export function diffOutput(report: DiffReport): Output {
  return {
    value: report,
    ids: report.partsAt === null ? [] : [String(report.partsAt)],
    text: async (tools) => [verdict(report, tools), ...rangeLines(report), await places(report, tools)].join('\n'),
  }
}

function verdict({ equal, partsAt, beforeCommonRange, differs, to }: DiffReport, { paint }: TextTools): string {
  if (equal) return paint('green', `Equal up to ${to}.`)
  if (beforeCommonRange) {
    return paint('red', `They parted before ${partsAt}, in what one of them has compacted away.`)
  }
  return paint('red', `They part at ${partsAt}: ${differs.join(', ')}.`)
}

function rangeLines({ a, b, from, to }: DiffReport): string[] {
  const lines: string[] = []
  for (const side of [a, b]) {
    const end = side.lastIndex ?? side.baseIndex
    if (side.baseIndex > 0) lines.push(`${side.log} is compacted up to ${side.baseIndex}.`)
    if (end > to) lines.push(`${side.log} goes on to ${end}.`)
    else if (end === to) lines.push(`${side.log} ends at ${end}.`)
  }
  return [...lines, `Compared: ${from} … ${to}.`]
}

async function places({ equal, placeA, placeB, a, b }: DiffReport, { table }: TextTools): Promise<string> {
  if (equal) return ''
  const row = (name: string, place: DiffPlace | null) =>
    place === null
      ? [name, 'unreadable', null, null, null]
      : [name, place.epoch, place.term, place.kind, place.chain.slice(0, 16)]
  return table(['log', 'epoch', 'term', 'kind', 'chain'], [row(a.log, placeA), row(b.log, placeB)])
}
