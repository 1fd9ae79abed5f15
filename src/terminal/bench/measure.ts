/** `bench`: connects as any command does, measures, and shows the report. */
import { type BenchOptions, type BenchReport, runBench } from '../../client/bench.js'
import { resolveTarget, type Target, type TargetChoice } from '../../cluster/target.js'
import { loadKeyPair } from '../../crypto/key-files.js'
import type { Output } from '../printer.js'
import { sparkline } from '../sparkline.js'
import { latencyPlot } from './plot.js'

const PROGRESS_COLUMNS = 20

export interface MeasureOptions {
  readonly choice: TargetChoice
  /** What the REPL is connected to; null elsewhere. */
  readonly target: Target | null
  readonly run: Omit<BenchOptions, 'client'>
}

export async function measure({ choice, target, run }: MeasureOptions): Promise<BenchReport> {
  const isNamed = Object.values(choice).some((value) => value !== undefined)
  const { configuration, endpoints, keyPath } =
    isNamed || target === null ? await resolveTarget(choice, process.env) : target
  const key = await loadKeyPair(keyPath)
  return runBench({ ...run, client: { configuration, key, ...(endpoints === null ? {} : { endpoints }) } })
}

/** Turns the totals that the generator tells about once a second into a line: rate now, and how it went. */
export function progressText(durationMs: number): (done: number, elapsedMs: number) => string {
  const rates: number[] = []
  let before = { done: 0, elapsedMs: 0 }
  return (done, elapsedMs) => {
    const rate = Math.round(((done - before.done) * 1000) / Math.max(1, elapsedMs - before.elapsedMs))
    before = { done, elapsedMs }
    rates.push(rate)
    if (rates.length > PROGRESS_COLUMNS) rates.shift()
    const seconds = `${Math.round(elapsedMs / 1000)} of ${Math.round(durationMs / 1000)} s`
    return `${seconds}  ${rate} operations/s  ${sparkline(rates, rates.length)}`
  }
}

export function benchOutput(report: BenchReport): Output {
  return {
    value: report,
    text: ({ fields, paint }) => {
      const { p50, p90, p99, max } = report.latencyMs
      const ms = (value: number) => `${value.toFixed(2)} ms`
      const text = fields([
        ['throughput', `${Math.round(report.opsPerSecond)} operations/s`],
        ...(report.rate === null ? [] : [['offered', `${report.rate} operations/s`] as const]),
        ['latency p50', ms(p50)],
        ['latency p90', ms(p90)],
        ['latency p99', ms(p99)],
        ['latency max', ms(max)],
        ['operations', report.operations],
        ['errors', report.errors],
        ['clients', `${report.clients} × pipeline ${report.pipeline} × batch ${report.batch}`],
        ...(report.backlog === 0
          ? []
          : [['not begun', `${report.backlog}: the rate is more than the cluster bears`] as const]),
        ['measured', `${report.durationSeconds.toFixed(1)} s`],
      ])
      const plot = latencyPlot(report.histogram, (bar) => paint('cyan', bar))
      return plot.length === 0 ? text : `${text}\n\n${plot.join('\n')}`
    },
  }
}
