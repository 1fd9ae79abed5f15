/** What one seed came to, as it goes from a worker to the campaign: plain data. */
import { sha256 } from '../crypto/sha256.js'
import type { PlanChoice } from './plan-choice.js'
import { runSeed, type SeedResult } from './run-seed.js'
import { formatTraceEvent } from './trace.js'

export interface SeedReport extends Omit<SeedResult, 'history'> {
  /** Every event as a line; null where nobody asked. */
  readonly trace: string | null
}

export type SeedTask = PlanChoice

export async function reportSeed(task: SeedTask, withTrace: boolean): Promise<SeedReport> {
  const lines: string[] = []
  const onTrace = withTrace
    ? { onTrace: (event: Parameters<typeof formatTraceEvent>[0]) => void lines.push(formatTraceEvent(event)) }
    : {}
  const { history: _history, ...result } = await runSeed({ ...task, sha256, ...onTrace })
  return { ...result, trace: withTrace ? `${lines.join('\n')}\n` : null }
}
