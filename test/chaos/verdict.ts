/** What a story comes to, and how its history is judged. */
import type { HistoryOperation } from '../../src/simulator/history.js'
import { formatHistory } from '../../src/simulator/history.js'
import { checkLinearizability } from '../../src/simulator/linearizability.js'

/** A promise was broken. */
export class ChaosViolation extends Error {}

/** What the story needs is not here. */
export class ChaosSkipped extends Error {}

export interface StoryResult {
  readonly story: string
  readonly verdict: 'ok' | 'violation' | 'skipped'
  /** Why it was skipped, or what was violated; null when all is well. */
  readonly reason: string | null
  /** Faults that the cluster survived: kills, pauses, partitions, as the story has them. */
  readonly faults: number
  readonly kills: number
  readonly operations: number
  /** Acknowledged writes that were checked against all reads. */
  readonly ackedWrites: number
  /** Longest time between two acknowledged writes, while clients were writing; null without a history. */
  readonly longestGapMs: number | null
  /** What else the story has to tell; null for nothing. */
  readonly note: string | null
  readonly seconds: number
}

const STATES_MAX = 2_000_000
const POLL_MS = 50

/** Throws `ChaosViolation` for a history that is not linearizable, or that is too hard to judge. */
export function judgeHistory(history: readonly HistoryOperation[]): void {
  const judged = checkLinearizability(history, { statesMax: STATES_MAX })
  if (judged.verdict === 'violation')
    throw new ChaosViolation(`key ${judged.key} is not linearizable:\n${formatHistory(judged.window)}`)
  if (judged.verdict === 'undecided') throw new ChaosViolation(`too hard to judge: ${judged.keys.join(', ')}`)
}

export function countAckedWrites(history: readonly HistoryOperation[]): number {
  return history.filter(({ op, outcome }) => op !== 'get' && outcome === 'ok').length
}

/** The longest time without an acknowledged write. */
export function longestGapMs(history: readonly HistoryOperation[]): number | null {
  const ends: bigint[] = []
  for (const { op, outcome, return: end } of history)
    if (op !== 'get' && outcome === 'ok' && end !== null) ends.push(end)
  ends.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  let longest = 0n
  for (let at = 1; at < ends.length; at++) {
    const gap = (ends[at] as bigint) - (ends[at - 1] as bigint)
    if (gap > longest) longest = gap
  }
  return ends.length === 0 ? null : Math.round(Number(longest) / 1e6)
}

/** Polls until `holds`; throws `ChaosViolation` where it does not within the time. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const deadlineMs = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new ChaosViolation(`did not happen within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
