/** One run as a file: its plan, written by `sim shrink` and read by `sim replay`. */
import { readFile } from 'node:fs/promises'
import { KnhkError } from '../base/error.js'
import { LIES } from './byzantine/lies.js'
import { type PlannedFault, type RunPlan, SIM_PROTOCOLS, STRIKES, ZONE_STRIKE, zoneAt } from './plan.js'

const CASE_BYTES_MAX = 4 << 20
const NODES_MAX = 31
const SPARES_MAX = 9
/** Clocks at most twice as fast as time. */
const SPEEDS_BELOW = 2001
/** Nodes within a second of each other. */
const PLACES_BELOW_MS = 1001
const VERSION = 3
const NUMBERS = [
  'seed',
  'nodes',
  'spares',
  'leaseDriftMs',
  'electionTimeoutMaxMs',
  'clients',
  'keys',
  'thinkMaxMs',
  'flushIntervalMs',
  'tailEntriesMax',
  'messageEntriesMax',
  'segmentBytesMax',
  'snapshotEntries',
  'trailingEntries',
  'snapshotPieceBytes',
  'faultsForMs',
  'commitsMin',
  'requestTimeoutMs',
  'checkpointInterval',
] as const satisfies readonly (keyof RunPlan)[]

export function formatCase(plan: RunPlan): string {
  return `${JSON.stringify({ version: VERSION, plan }, null, 2)}\n`
}

/** Throws `InvalidFile`. */
export async function readCase(path: string): Promise<RunPlan> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} cannot be read`, { cause })
  }
  try {
    if (text.length > CASE_BYTES_MAX) throw new Error('it is too long')
    return parseCase(JSON.parse(text))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new KnhkError('InvalidFile', `${path} is not a case of the simulator: ${reason}`, { cause })
  }
}

function parseCase(value: unknown): RunPlan {
  const { version, plan } = record(value)
  const fields = record(plan)
  if (version !== VERSION || !SIM_PROTOCOLS.some((name) => name === fields.protocol))
    throw new Error('its version or protocol is unknown')
  for (const name of NUMBERS) if (!isCount(fields[name])) throw new Error(`${name} is not a whole number`)
  const { nodes, spares } = fields as { nodes: number; spares: number }
  const all = nodes + spares
  if (nodes < 1 || nodes > NODES_MAX) throw new Error(`nodes is not 1 to ${NODES_MAX}`)
  const { faults, healing, left, clockSpeeds, placesMs } = fields
  if (spares > SPARES_MAX) throw new Error(`spares is not 0 to ${SPARES_MAX}`)
  if (!isOrdinals(clockSpeeds, SPEEDS_BELOW) || clockSpeeds.length !== all || clockSpeeds.includes(0))
    throw new Error('clockSpeeds does not give every clock a speed')
  if (!isOrdinals(placesMs, PLACES_BELOW_MS) || placesMs.length !== all)
    throw new Error('placesMs does not give every node a place')
  if (fields.zones !== undefined && !isZonePlan(fields.zones, placesMs)) throw new Error('zones are of no place')
  if (!isOrdinals(healing, all) || new Set(healing).size !== all) throw new Error('healing does not name every node')
  if (!isOrdinals(left, 4)) throw new Error('left says how nodes are left with 0 to 3')
  if (!Array.isArray(faults) || !faults.every((fault) => isFault(fault, all))) throw new Error('a fault is unknown')
  const { liars, lastLies, verifyMaxMs, realSignatures = false } = fields
  if (!isOrdinals(liars, all)) throw new Error('liars are not nodes')
  const isLastLie = (lie: unknown) => lie === null || LIES.some((one) => one === lie)
  if (!Array.isArray(lastLies) || !lastLies.every(isLastLie)) throw new Error('a lie is unknown')
  if (typeof verifyMaxMs !== 'number' || !(verifyMaxMs >= 0)) throw new Error('verifyMaxMs is no time')
  if (typeof realSignatures !== 'boolean') throw new Error('realSignatures is neither true nor false')
  return { ...fields, realSignatures } as unknown as RunPlan
}

function isFault(value: unknown, nodes: number): value is PlannedFault {
  const { atMs, strike, target, detail } = record(value)
  const isTarget = target === 'leader' || (isCount(target) && target < nodes)
  return isCount(atMs) && [...STRIKES, ZONE_STRIKE].some((one) => one === strike) && isTarget && isCount(detail)
}

function isZonePlan(value: unknown, placesMs: readonly number[]): boolean {
  const { commitsApart, preferred } = record(value)
  return typeof commitsApart === 'boolean' && (preferred === null || placesMs.some((at) => zoneAt(at) === preferred))
}

function isOrdinals(value: unknown, below: number): value is number[] {
  return Array.isArray(value) && value.every((one) => isCount(one) && one < below)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not an object')
  return value as Readonly<Record<string, unknown>>
}
