/**
 * Runs seed after seed and adds up what they came to. The same seeds give the same report, but for the
 * time it took.
 */
import type { Sha256 } from '../consensus/entry.js'
import { addFaults, type FaultCounts, noFaults } from './fault-counts.js'
import { runSeed, type SeedResult } from './run-seed.js'

export interface CampaignOptions {
  readonly nodes: number
  readonly firstSeed: number
  readonly seeds: number
  readonly sha256: Sha256
  /** Starts no further seed after so long. */
  readonly limitMs?: number
  readonly signal?: AbortSignal
  readonly onSeed?: (result: SeedResult, done: number) => void
}

export interface Violation {
  readonly seed: number
  readonly invariant: string
  /** The command line that runs this seed again. */
  readonly replay: string
}

export interface CampaignReport {
  /** Seeds run. */
  readonly seeds: number
  /** Of them, those with at least 200 commits, 5 faults and the liveness phases. */
  readonly counted: number
  readonly violations: readonly Violation[]
  readonly commits: number
  readonly faults: Readonly<FaultCounts>
  readonly leaderChanges: number
  readonly snapshotInstalls: number
  /** Null: Raft has no views, and one protocol does not switch. */
  readonly viewChanges: number | null
  readonly switches: number | null
  readonly simulatedSeconds: number
  readonly elapsedSeconds: number
}

/** Rejects with the signal's reason when it fires between two seeds. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { nodes, firstSeed, seeds, sha256, limitMs = Number.POSITIVE_INFINITY } = options
  const startedMs = performance.now()
  const totals = { seeds: 0, counted: 0, commits: 0, leaderChanges: 0, simulatedMs: 0 }
  const faults = noFaults()
  const violations: Violation[] = []
  for (let seed = firstSeed; seed < firstSeed + seeds && performance.now() - startedMs < limitMs; seed++) {
    options.signal?.throwIfAborted()
    const result = await runSeed({ seed, nodes, sha256 })
    totals.seeds++
    if (result.counted) totals.counted++
    totals.commits += result.commits
    totals.leaderChanges += result.leaderChanges
    totals.simulatedMs += result.simulatedMs
    addFaults(faults, result.faults)
    if (result.violation !== null)
      violations.push({ seed, invariant: result.violation.invariant, replay: replayLine(nodes, seed) })
    options.onSeed?.(result, totals.seeds)
  }
  const { simulatedMs, ...counts } = totals
  return {
    seeds: counts.seeds,
    counted: counts.counted,
    violations,
    commits: counts.commits,
    faults,
    leaderChanges: counts.leaderChanges,
    // Raft keeps its whole log for now: nobody needs a snapshot to catch up.
    snapshotInstalls: 0,
    viewChanges: null,
    switches: null,
    simulatedSeconds: Math.round(simulatedMs) / 1000,
    elapsedSeconds: Math.round(performance.now() - startedMs) / 1000,
  }
}

function replayLine(nodes: number, seed: number): string {
  return `knhk sim run --protocol raft --nodes ${nodes} --seed ${seed} --seeds 1`
}
