/** `sim replay` and `sim shrink`: one run, told, traced, drawn or made smaller. */
import { writeFile } from 'node:fs/promises'
import { KnhkError } from '../base/error.js'
import { REPLICAS_MIN } from '../consensus/bft/replicas.js'
import { sha256 } from '../crypto/sha256.js'
import { formatCase, readCase } from '../simulator/case-file.js'
import type { FaultCounts } from '../simulator/fault-counts.js'
import type { RunPlan, SimProtocol } from '../simulator/plan.js'
import { planOf } from '../simulator/plan-choice.js'
import { runPlan } from '../simulator/run-seed.js'
import { type Shrunk, shrink } from '../simulator/shrink.js'
import { SpaceTime } from '../simulator/space-time.js'
import { spaceTimePage } from '../simulator/space-time-page.js'
import { spaceTimePicture } from '../simulator/space-time-picture.js'
import { Story } from '../simulator/story.js'
import { formatTraceEvent } from '../simulator/trace.js'
import type { Output } from './printer.js'

export interface ReplayReport {
  readonly seed: number
  readonly nodes: number
  readonly violation: { readonly invariant: string; readonly detail: string } | null
  readonly counted: boolean
  readonly commits: number
  readonly faults: Readonly<FaultCounts>
  readonly leaderChanges: number
  readonly snapshotInstalls: number
  readonly viewChanges: number | null
  readonly switches: number | null
  readonly realSignatures: boolean
  readonly simulatedSeconds: number
  readonly story: readonly string[]
}

export interface ReplayOptions {
  readonly plan: RunPlan
  /** Files to write. */
  readonly trace?: string
  readonly report?: string
}

/** The plan that is meant: that of a file, or that of a seed. Throws `Usage` or `InvalidFile`. */
export async function choosePlan(
  file: string | undefined,
  choice: {
    readonly protocol: SimProtocol
    readonly seed: number | undefined
    readonly nodes: number | undefined
    readonly byzantine: number
  },
): Promise<RunPlan> {
  const { protocol, seed, nodes = protocol === 'raft' ? 3 : 4, byzantine } = choice
  if (file !== undefined) {
    if (seed !== undefined || choice.nodes !== undefined)
      throw new KnhkError('Usage', 'a file says which seed and how many nodes: give the file alone')
    return readCase(file)
  }
  if (seed === undefined)
    throw new KnhkError('Usage', 'which run?', { hint: 'Give --seed S and --nodes N, or a FILE.' })
  expectBearable({ protocol, nodes: [nodes], byzantine })
  return planOf({ protocol, seed, nodes, byzantine })
}

/** Throws `InvalidArgument` for clusters that cannot be. */
export function expectBearable(choice: {
  readonly protocol: SimProtocol
  readonly nodes: readonly number[]
  readonly byzantine: number
}): void {
  const { protocol, nodes, byzantine } = choice
  if (protocol === 'raft' && byzantine > 0) {
    throw new KnhkError('InvalidArgument', 'plain Raft bears no Byzantine nodes: --byzantine is 0', {
      hint: 'Lying nodes are simulated with the Byzantine protocols only.',
    })
  }
  if (protocol !== 'raft' && nodes.some((count) => count < REPLICAS_MIN))
    throw new KnhkError('InvalidArgument', `a Byzantine protocol takes ${REPLICAS_MIN} members or more`)
}

/** Throws `InvalidFile` where a file cannot be written. */
export async function replayPlan({ plan, trace, report }: ReplayOptions): Promise<ReplayReport> {
  const story = new Story()
  const diagram = report === undefined ? null : new SpaceTime()
  const lines: string[] = []
  const result = await runPlan({
    plan,
    sha256,
    onTrace: (event) => {
      story.add(event)
      diagram?.add(event)
      if (trace !== undefined) lines.push(`${formatTraceEvent(event)}\n`)
    },
  })
  if (trace !== undefined) await writeFile(trace, lines.join('')).catch(cannotWrite(trace))
  if (diagram !== null && report !== undefined) {
    const title = `seed ${result.seed}, ${result.nodes} nodes`
    const drawn = diagram.diagram()
    const page = report.endsWith('.svg') ? (spaceTimePicture(title, drawn) ?? noSwitch()) : spaceTimePage(title, drawn)
    await writeFile(report, page).catch(cannotWrite(report))
  }
  const { simulatedMs, history: _history, ...figures } = result
  return { ...figures, simulatedSeconds: Math.round(simulatedMs) / 1000, story: story.lines() }
}

export async function shrinkPlan(
  plan: RunPlan,
  options: { readonly runsMax: number; readonly signal: AbortSignal; readonly onSmaller: (text: string) => void },
): Promise<Shrunk> {
  return shrink({
    plan,
    run: (smaller) => runPlan({ plan: smaller, sha256 }),
    runsMax: options.runsMax,
    signal: options.signal,
    onSmaller: ({ faults, faultsForMs }, runs) =>
      options.onSmaller(`${faults.length} faults in ${faultsForMs} ms after ${runs} runs`),
  })
}

/** Throws `InvalidFile`. */
export async function saveCase(path: string, plan: RunPlan): Promise<void> {
  await writeFile(path, formatCase(plan)).catch(cannotWrite(path))
}

export function replayOutput(report: ReplayReport): Output {
  return {
    value: report,
    items: report.story.map((line) => ({ line })),
    ids: [String(report.seed)],
    text: async ({ fields, paint }) => {
      const { violation } = report
      const verdict = violation === null ? paint('green', 'no violation') : paint('red', violation.invariant)
      const figures = fields([
        ['verdict', verdict],
        ['commits', report.commits],
        ['leader changes', report.leaderChanges],
        ...(report.switches === null ? [] : [['switches', report.switches] as const]),
        ['simulated', `${report.simulatedSeconds.toFixed(1)} s`],
      ])
      return [...report.story, '', figures].join('\n')
    },
  }
}

export interface ShrinkReport {
  readonly seed: number
  readonly nodes: number
  /** Null where the run breaks no promise. */
  readonly invariant: string | null
  readonly faults: number
  readonly faultsForMs: number
  readonly clients: number
  readonly runs: number
  readonly file: string | null
  readonly replay: string | null
}

export function shrinkReport({ plan, invariant, runs }: Shrunk, file: string | null): ShrinkReport {
  return {
    seed: plan.seed,
    nodes: plan.nodes,
    invariant,
    faults: plan.faults.length,
    faultsForMs: plan.faultsForMs,
    clients: plan.clients,
    runs,
    file,
    replay: file === null ? null : `knhk sim replay ${file}`,
  }
}

export function shrinkOutput(report: ShrinkReport): Output {
  return {
    value: report,
    ids: [String(report.seed)],
    text: async ({ fields, paint }) => {
      if (report.invariant === null) return 'The run breaks no promise: there is nothing to make smaller.'
      return fields([
        ['breaks', paint('red', report.invariant)],
        ['faults', `${report.faults} within ${report.faultsForMs} ms`],
        ['clients', report.clients],
        ['runs', report.runs],
        ['replay', report.replay ?? ''],
      ])
    },
  }
}

function noSwitch(): never {
  throw new KnhkError('InvalidArgument', 'this run changes no protocol: there is nothing to draw', {
    hint: 'A report that ends in .html draws any run.',
  })
}

function cannotWrite(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new KnhkError('InvalidFile', `${path} cannot be written`, { cause })
  }
}
