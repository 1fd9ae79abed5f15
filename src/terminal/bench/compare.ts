/**
 * `bench compare`: two reports of `bench --json`, figure by figure. A figure that is worse by more than the
 * tolerance makes it a regression; reports of different load are not compared at all.
 */
import { readFile } from 'node:fs/promises'
import { KnhkError } from '../../base/error.js'
import { fileError } from '../../cluster/files.js'
import type { Output } from '../printer.js'

const REPORT_BYTES_MAX = 4 * 1024 * 1024

/** What has to be equal for two reports to mean the same. */
const LOAD_FIELDS = ['clients', 'pipeline', 'batch', 'valueSize', 'readShare', 'rate'] as const

export interface ComparedFigure {
  readonly name: string
  readonly a: number
  readonly b: number
  /** (b − a) / a; null where a is 0. */
  readonly change: number | null
  readonly worse: boolean
}

export interface Comparison {
  readonly tolerance: number
  readonly regression: boolean
  readonly figures: readonly ComparedFigure[]
}

/** What is compared; `higher` is better where that is said, lower elsewhere. */
const FIGURES: readonly { readonly name: string; readonly path: readonly string[]; readonly higher?: true }[] = [
  { name: 'opsPerSecond', path: ['opsPerSecond'], higher: true },
  { name: 'p50', path: ['latencyMs', 'p50'] },
  { name: 'p90', path: ['latencyMs', 'p90'] },
  { name: 'p99', path: ['latencyMs', 'p99'] },
  { name: 'max', path: ['latencyMs', 'max'] },
  { name: 'errors', path: ['errors'] },
]
/** One slow operation decides it: shown, not judged. */
const NOT_JUDGED = 'max'

type Report = Readonly<Record<string, unknown>>

/** Throws `NotFound`, `InvalidFile`, and `InvalidArgument` where the loads differ. */
export async function compareReports(fileA: string, fileB: string, tolerance: number): Promise<Comparison> {
  const [a, b] = await Promise.all([readReport(fileA), readReport(fileB)])
  for (const field of LOAD_FIELDS) {
    if (a[field] !== b[field]) {
      throw new KnhkError('InvalidArgument', `the loads differ: ${field} is ${a[field]} and ${b[field]}`, {
        hint: 'Measure both with the same flags.',
        details: { field },
      })
    }
  }
  const figures = FIGURES.map(({ name, path, higher }): ComparedFigure => {
    const [x, y] = [figure(a, path, fileA), figure(b, path, fileB)]
    const change = x === 0 ? null : (y - x) / x
    const loss = higher === true ? x - y : y - x
    const worse = name !== NOT_JUDGED && loss > tolerance * x
    return { name, a: x, b: y, change, worse }
  })
  return { tolerance, regression: figures.some((one) => one.worse), figures }
}

export function comparisonOutput(comparison: Comparison): Output {
  const { figures, regression, tolerance } = comparison
  return {
    value: comparison,
    items: figures,
    ids: figures.flatMap((figure) => (figure.worse ? [figure.name] : [])),
    text: async ({ table, paint }) => {
      const rows = figures.map(({ name, a, b, change, worse }) => [
        name,
        rounded(a),
        rounded(b),
        change === null ? '-' : `${change >= 0 ? '+' : '−'}${Math.abs(100 * change).toFixed(1)} %`,
        worse ? 'worse' : '',
      ])
      const verdict = regression
        ? paint('red', `worse by more than ${100 * tolerance} %`)
        : paint('green', `nothing is worse by more than ${100 * tolerance} %`)
      return `${await table(['figure', 'A', 'B', 'change', ''], rows)}\n${verdict}`
    },
  }
}

async function readReport(file: string): Promise<Report> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw fileError(file, 'read', cause)
  })
  if (text.length > REPORT_BYTES_MAX) throw notAReport(file)
  try {
    const report = JSON.parse(text) as Report | null
    if (typeof report !== 'object' || report === null) throw notAReport(file)
    return report
  } catch (cause) {
    throw cause instanceof KnhkError ? cause : notAReport(file)
  }
}

function figure(report: Report, path: readonly string[], file: string): number {
  let value: unknown = report
  for (const name of path) value = (value as Report | undefined)?.[name]
  if (typeof value !== 'number' || !Number.isFinite(value)) throw notAReport(file)
  return value
}

function notAReport(file: string): KnhkError {
  return new KnhkError('InvalidFile', `${file} is no report of \`knhk bench --json\``, { details: { path: file } })
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100
}
