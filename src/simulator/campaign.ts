/**
 * Runs seed after seed, on several cores, and adds up what they came to. Results are taken in the order
 * of the seeds, so the same seeds give the same report whatever the number of workers, but for the time
 * it took.
 */
import { addFaults, type FaultCounts, noFaults } from './fault-counts.js'
import type { SimProtocol } from './plan.js'
import type { PlanChoice } from './plan-choice.js'
import type { SeedReport } from './seed-report.js'
import { runSeeds, type SeedSource } from './seed-workers.js'

export interface CampaignOptions {
  /** Plain Raft where absent. */
  readonly protocol?: SimProtocol
  /** Members that may lie, as far as the protocol bears as many; 0 if absent. */
  readonly byzantine?: number
  /** Cluster sizes; a seed has the one at its place modulo their number. */
  readonly nodes: readonly number[]
  readonly firstSeed: number
  readonly seeds: number
  /** Threads; 1 runs in this one. */
  readonly workers: number
  /** Hands the trace of every seed to `onSeed`. */
  readonly withTrace?: boolean
  /** Starts no further seed after so long. */
  readonly limitMs?: number
  readonly signal?: AbortSignal
  /** Called in the order of the seeds; the next one waits for it. */
  readonly onSeed?: (report: SeedReport, soFar: CampaignReport) => void | Promise<void>
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
  /** Changes of view, or rounds that failed; null for Raft, which has no views. */
  readonly viewChanges: number | null
  /** Epochs that hybrids entered after their first; null where one protocol runs. */
  readonly switches: number | null
  /** Seeds in which members and clients signed as in production. */
  readonly realSignatures: number
  readonly simulatedSeconds: number
  readonly elapsedSeconds: number
}

/** Rejects with the signal's reason when it fires; what `onSeed` was told of until then has happened. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { nodes, firstSeed, seeds, limitMs = Number.POSITIVE_INFINITY, protocol = 'raft', byzantine = 0 } = options
  const startedMs = performance.now()
  const elapsedMs = () => performance.now() - startedMs
  let report = emptyReport()
  let next = firstSeed
  const source: SeedSource = () => {
    if (next >= firstSeed + seeds || elapsedMs() >= limitMs) return null
    const seed = next++
    return { protocol, byzantine, seed, nodes: nodesOf(nodes, seed) }
  }
  const onSeed = async (one: SeedReport) => {
    report = {
      ...addSeed(report, one, { protocol, byzantine, nodes: one.nodes, seed: one.seed }),
      elapsedSeconds: Math.round(elapsedMs()) / 1000,
    }
    await options.onSeed?.(one, report)
  }
  await runSeeds({ ...options, withTrace: options.withTrace === true, source, onSeed })
  return { ...report, elapsedSeconds: Math.round(elapsedMs()) / 1000 }
}

/** The cluster size of a seed: evenly split, and the same wherever a campaign begins. */
export function nodesOf(nodes: readonly number[], seed: number): number {
  return nodes[seed % nodes.length] as number
}

export function emptyReport(): CampaignReport {
  return {
    seeds: 0,
    counted: 0,
    violations: [],
    commits: 0,
    faults: noFaults(),
    leaderChanges: 0,
    snapshotInstalls: 0,
    viewChanges: null,
    switches: null,
    realSignatures: 0,
    simulatedSeconds: 0,
    elapsedSeconds: 0,
  }
}

/** What two campaigns over different seeds came to together. */
export function addReports(a: CampaignReport, b: CampaignReport): CampaignReport {
  const faults = noFaults()
  addFaults(faults, a.faults)
  addFaults(faults, b.faults)
  const sum = (one: number, other: number) => Math.round((one + other) * 1000) / 1000
  return {
    seeds: a.seeds + b.seeds,
    counted: a.counted + b.counted,
    violations: [...a.violations, ...b.violations],
    commits: a.commits + b.commits,
    faults,
    leaderChanges: a.leaderChanges + b.leaderChanges,
    snapshotInstalls: a.snapshotInstalls + b.snapshotInstalls,
    viewChanges: sumOf(a.viewChanges, b.viewChanges),
    switches: sumOf(a.switches, b.switches),
    realSignatures: a.realSignatures + b.realSignatures,
    simulatedSeconds: sum(a.simulatedSeconds, b.simulatedSeconds),
    elapsedSeconds: sum(a.elapsedSeconds, b.elapsedSeconds),
  }
}

/** Null where neither has any. */
function sumOf(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0)
}

function addSeed(report: CampaignReport, one: SeedReport, choice: PlanChoice): CampaignReport {
  const { seed, violation } = one
  const violations = violation === null ? [] : [{ seed, invariant: violation.invariant, replay: replayLine(choice) }]
  const { commits, leaderChanges, snapshotInstalls, viewChanges, switches } = one
  return addReports(report, {
    ...emptyReport(),
    seeds: 1,
    counted: one.counted ? 1 : 0,
    violations,
    commits,
    faults: one.faults,
    leaderChanges,
    snapshotInstalls,
    viewChanges,
    switches,
    realSignatures: one.realSignatures ? 1 : 0,
    simulatedSeconds: Math.round(one.simulatedMs) / 1000,
  })
}

export function replayLine({ protocol = 'raft', byzantine = 0, nodes, seed }: PlanChoice): string {
  const liars = byzantine === 0 ? '' : ` --byzantine ${byzantine}`
  return `knhk sim replay --protocol ${protocol} --nodes ${nodes}${liars} --seed ${seed}`
}
