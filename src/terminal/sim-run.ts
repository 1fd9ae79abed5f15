/** `sim run`: what a campaign of the simulator came to, with its record, trace and report. */
import { type FileHandle, open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { KnhkError } from '../base/error.js'
import { engineBuildId } from '../simulator/build-id.js'
import { type CampaignReport, nodesOf, runCampaign } from '../simulator/campaign.js'
import {
  type CampaignRecord,
  expectSameCampaign,
  extendRecord,
  newRecord,
  nextSeed,
  readRecord,
  writeRecord,
} from '../simulator/campaign-record.js'
import type { SimProtocol } from '../simulator/plan.js'
import { planOf } from '../simulator/plan-choice.js'
import type { ScenarioResult } from '../simulator/scenario/index.js'
import type { SeedReport } from '../simulator/seed-report.js'
import type { Output } from './printer.js'
import { expectBearable, replayPlan } from './sim-replay.js'

export interface SimRunOptions {
  readonly protocol: SimProtocol
  readonly nodes: readonly number[]
  readonly byzantine: number
  readonly firstSeed: number
  readonly seeds: number
  readonly limitMs?: number
  /** As many as there are cores if absent. */
  readonly workers?: number
  readonly resume?: string
  readonly trace?: string
  readonly report?: string
  readonly signal: AbortSignal
  readonly onSeed: (report: SeedReport, soFar: CampaignReport) => void
}

/** The record is written at least so often, so that an interrupted campaign loses little. */
const RECORD_EVERY_MS = 10_000

/** Throws `InvalidArgument` for what no cluster is, `InvalidFile` for a record of another engine. */
export async function simulate(options: SimRunOptions): Promise<CampaignReport> {
  const { protocol, nodes, byzantine } = options
  expectBearable(options)
  const record = options.resume === undefined ? null : await openRecord(options.resume, protocol, byzantine)
  const firstSeed = record === null ? options.firstSeed : nextSeed(record, options.firstSeed)
  const trace = options.trace === undefined ? null : await openForWriting(options.trace)
  try {
    const done = new Progress(options.resume ?? null, record, firstSeed, nodes)
    let shown: number | null = null
    const report = await runCampaign({
      ...options,
      firstSeed,
      workers: options.workers ?? availableParallelism(),
      withTrace: trace !== null,
      onSeed: async (one, soFar) => {
        if (shown === null && one.violation !== null) shown = one.seed
        await trace?.appendFile(one.trace ?? '')
        options.onSeed(one, soFar)
        await done.saw(soFar)
      },
    }).catch(async (error: unknown) => {
      await done.save()
      throw error
    })
    if (options.report !== undefined) {
      const seed = shown ?? firstSeed
      await replayPlan({
        plan: planOf({ protocol, byzantine, seed, nodes: nodesOf(nodes, seed) }),
        report: options.report,
      })
    }
    return await done.finish(report)
  } finally {
    await trace?.close()
  }
}

/** Keeps the record up to what is done. */
class Progress {
  readonly #path: string | null
  readonly #record: CampaignRecord | null
  readonly #firstSeed: number
  readonly #nodes: readonly number[]
  #latest: CampaignReport | null = null
  #savedMs = performance.now()

  constructor(path: string | null, record: CampaignRecord | null, firstSeed: number, nodes: readonly number[]) {
    this.#path = path
    this.#record = record
    this.#firstSeed = firstSeed
    this.#nodes = nodes
  }

  async saw(report: CampaignReport): Promise<void> {
    this.#latest = report
    if (performance.now() - this.#savedMs >= RECORD_EVERY_MS) await this.save()
  }

  async save(): Promise<void> {
    if (this.#path === null || this.#record === null || this.#latest === null) return
    await writeRecord(this.#path, extendRecord(this.#record, this.#firstSeed, this.#nodes, this.#latest))
    this.#savedMs = performance.now()
  }

  /** The report with all that the record held before. */
  async finish(report: CampaignReport): Promise<CampaignReport> {
    this.#latest = report
    await this.save()
    if (this.#record === null) return report
    return extendRecord(this.#record, this.#firstSeed, this.#nodes, report).report
  }
}

async function openRecord(path: string, protocol: SimProtocol, byzantine: number): Promise<CampaignRecord> {
  const fresh = newRecord(await engineBuildId(), protocol, byzantine)
  const record = await readRecord(path)
  if (record !== null) expectSameCampaign(path, record, fresh)
  return record ?? fresh
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w')
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} cannot be written`, { cause })
  }
}

/** What `sim run` prints: of a campaign, or of one scenario. */
export interface SimReport extends CampaignReport {
  /** Null for a campaign. */
  readonly scenario: ScenarioResult | null
}

export function simulationOutput(report: SimReport): Output {
  return {
    value: report,
    items: report.violations,
    ids: report.violations.map(({ seed }) => String(seed)),
    text: async ({ fields, paint }) => {
      const struck = Object.entries(report.faults).filter(([, count]) => count > 0)
      const isClean = report.violations.length === 0
      const head = fields([
        ['verdict', isClean ? paint('green', 'no violation') : paint('red', `${report.violations.length} violations`)],
        ['seeds', `${report.seeds}, of which ${report.counted} count`],
        ['commits', report.commits],
        ['leader changes', report.leaderChanges],
        ['snapshot installs', report.snapshotInstalls],
        ...(report.viewChanges === null ? [] : [['view changes', report.viewChanges] as const]),
        ...(report.switches === null ? [] : [['switches', report.switches] as const]),
        ...(report.realSignatures === 0 ? [] : [['with Ed25519', `${report.realSignatures} seeds`] as const]),
        ['faults', struck.map(([id, count]) => `${id} ${count}`).join(', ')],
        ['simulated', `${report.simulatedSeconds.toFixed(1)} s in ${report.elapsedSeconds.toFixed(1)} s`],
      ])
      if (isClean) return head
      // A whole line each, so that it can be copied.
      const lines = report.violations.map(
        ({ seed, invariant, replay }) => `seed ${seed} breaks ${invariant}: ${replay}`,
      )
      return [head, ...lines].join('\n')
    },
  }
}
