/**
 * What a campaign has done so far, in a file, so that its minutes add up over several runs: the engine
 * it ran, the seeds, the counts. A record of another engine is refused: seeds that another engine
 * survived say nothing about this one.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { KnhkError } from '../base/error.js'
import { systemErrorCode } from '../storage/files.js'
import { addReports, type CampaignReport, emptyReport } from './campaign.js'
import { FAULT_IDS } from './fault-counts.js'

export interface SeedRange {
  readonly from: number
  /** Included. */
  readonly to: number
  readonly nodes: readonly number[]
}

export interface CampaignRecord {
  readonly version: 1
  readonly build: string
  readonly protocol: string
  readonly byzantine: number
  readonly ranges: readonly SeedRange[]
  readonly report: CampaignReport
}

const RECORD_BYTES_MAX = 16 << 20

export function newRecord(build: string, protocol: string, byzantine: number): CampaignRecord {
  return { version: 1, build, protocol, byzantine, ranges: [], report: emptyReport() }
}

/** Null where there is no such file. Throws `InvalidFile`. */
export async function readRecord(path: string): Promise<CampaignRecord | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return null
    throw new KnhkError('InvalidFile', `${path} cannot be read`, { cause })
  }
  const record = text.length > RECORD_BYTES_MAX ? null : parseJson(text)
  if (!isRecord(record)) throw new KnhkError('InvalidFile', `${path} is not the record of a campaign`)
  return record
}

/** Throws `InvalidFile` where the record is of another engine or of another kind of campaign. */
export function expectSameCampaign(path: string, record: CampaignRecord, now: CampaignRecord): void {
  if (record.build !== now.build) {
    throw new KnhkError('InvalidFile', `${path} records another build of the engine`, {
      hint: 'What it counts does not hold for this one: begin a new record.',
    })
  }
  if (record.protocol !== now.protocol || record.byzantine !== now.byzantine) {
    throw new KnhkError('InvalidFile', `${path} records a campaign of another protocol`)
  }
}

/** The first seed that the record has not run, not below `first`. */
export function nextSeed(record: CampaignRecord, first: number): number {
  return record.ranges.reduce((next, { to }) => Math.max(next, to + 1), first)
}

/** The record with the `report` of the seeds from `from` on added. */
export function extendRecord(
  record: CampaignRecord,
  from: number,
  nodes: readonly number[],
  report: CampaignReport,
): CampaignRecord {
  if (report.seeds === 0) return record
  const ranges = [...record.ranges]
  const before = ranges.at(-1)
  const to = from + report.seeds - 1
  if (before !== undefined && before.to + 1 === from && before.nodes.join() === nodes.join())
    ranges[ranges.length - 1] = { ...before, to }
  else ranges.push({ from, to, nodes })
  return { ...record, ranges, report: addReports(record.report, report) }
}

/** Replaces the file as a whole, so that it is never half written. Throws `InvalidFile`. */
export async function writeRecord(path: string, record: CampaignRecord): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    await writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`)
    await rename(temporary, path)
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} cannot be written`, { cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is CampaignRecord {
  if (typeof value !== 'object' || value === null) return false
  const { version, build, protocol, byzantine, ranges, report } = value as Partial<CampaignRecord>
  const isHead = version === 1 && typeof build === 'string' && typeof protocol === 'string' && isCount(byzantine)
  return isHead && Array.isArray(ranges) && ranges.every(isRange) && isReport(report)
}

function isRange(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { from, to, nodes } = value as Partial<SeedRange>
  return isCount(from) && isCount(to) && to >= from && Array.isArray(nodes) && nodes.every(isCount)
}

function isReport(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const report = value as Partial<CampaignReport>
  const { seeds, counted, commits, leaderChanges, snapshotInstalls, simulatedSeconds, elapsedSeconds } = report
  const { realSignatures, faults, violations } = report
  const areCounts = [seeds, counted, commits, leaderChanges, snapshotInstalls, realSignatures].every(isCount)
  const areTimes = [simulatedSeconds, elapsedSeconds].every((time) => typeof time === 'number' && time >= 0)
  const areFaults = typeof faults === 'object' && FAULT_IDS.every((id) => isCount(faults[id]))
  return areCounts && areTimes && areFaults && Array.isArray(violations)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
