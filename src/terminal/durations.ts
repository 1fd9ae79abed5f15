/**
 * Durations as people write them: `10` (seconds), `500ms`, `2.5s`, `2m`, `1h`.
 */
import { KnhkError } from '../base/error.js'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Timers of the platform end here: 2^31 − 1 ms, about 24 days. */
export const DURATION_MS_MAX = 2_147_483_647

/** Whole milliseconds, at least 1. Throws `InvalidArgument`. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,10}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/.exec(text.trim())
  const ms = match === null ? Number.NaN : Math.round(Number(match[1]) * (UNIT_MS[match[2] ?? 's'] as number))
  if (!(ms >= 1 && ms <= DURATION_MS_MAX)) {
    throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is not a duration such as 10, 500ms, 2m or 1h`)
  }
  return ms
}

/** The shortest exact form that `parseDuration` reads back. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const size = UNIT_MS[unit] as number
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
