/** `bench`: connects as any command does, measures, and shows the report. */
import { type BenchOptions, type BenchReport, runBench } from '../client/bench.js'
import { resolveTarget, type Target, type TargetChoice } from '../cluster/target.js'
import { loadKeyPair } from '../crypto/key-files.js'
import type { Output } from './printer.js'

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

export function benchOutput(report: BenchReport): Output {
  return {
    value: report,
    text: ({ fields }) => {
      const { p50, p90, p99, max } = report.latencyMs
      const ms = (value: number) => `${value.toFixed(2)} ms`
      return fields([
        ['throughput', `${Math.round(report.opsPerSecond)} operations/s`],
        ['latency p50', ms(p50)],
        ['latency p90', ms(p90)],
        ['latency p99', ms(p99)],
        ['latency max', ms(max)],
        ['operations', report.operations],
        ['errors', report.errors],
        ['clients', `${report.clients} × pipeline ${report.pipeline} × batch ${report.batch}`],
        ['measured', `${report.durationSeconds.toFixed(1)} s`],
      ])
    },
  }
}
