/**
 * The critical obligations that every configuration has to meet; an overlay whose result breaks one is
 * rejected. Checked over the whole result, not the change alone, so every snapshot of the chain meets
 * them all.
 *
 * Q1 no retrocausation: a case that runs can always move forward to an end (Explicit Termination, 43, or
 * Cancel Case, 20, stays possible; that parents form a chain is in the hash of a snapshot). Q2 types: a
 * guard that the engine knows has a value that it understands. Q3 bounded recursion: runs and calls of at
 * most 8. Q4 service level: 100 ms on the warm path. Q5 resources: 1,024 MiB, 50 % of a processor, 500 ms
 * at the tail. Performance: at most 8 ticks. Doctrine: 256 cases at a time, 64 parallel instances.
 */
import { CASE_DATA_BYTES_MAX } from '../limits.js'
import { MULTI_INSTANCE_PATTERNS, type SettingValue } from './overlay.js'
import { type Refusal, refuse, shortName } from './refusal.js'
import {
  parsePath,
  patternName,
  RESOURCE_BASE_PERCENT,
  type SettingPath,
  type Settings,
  settingFor,
  settingPath,
  sortedSettings,
  TICKS_MAX,
} from './settings.js'

type Obligation = 'Q1' | 'Q2' | 'Q3' | 'Q4' | 'Q5' | 'Performance' | 'Doctrine'

export const CANCEL_CASE_PATTERN = 20
export const EXPLICIT_TERMINATION_PATTERN = 43
/** Cases that run at a time where `resource:concurrency` is at its base. */
export const CONCURRENCY_BASE = 256
/** Instances of one pattern where `resource:parallelism` is at its base. */
const PARALLELISM_BASE = 64
/** Top-level members that `required_data_keys` may name. */
const REQUIRED_KEYS_MAX = 16

/** Resources with a base and a bound of their own, in their unit; others have neither. */
const RESOURCES: ReadonlyMap<string, { readonly base: number; readonly max: number; readonly owner: Obligation }> =
  new Map([
    ['memory', { base: 512, max: 1_024, owner: 'Q5' }],
    ['cpu', { base: 25, max: 50, owner: 'Q5' }],
    ['concurrency', { base: CONCURRENCY_BASE, max: CONCURRENCY_BASE, owner: 'Doctrine' }],
    ['parallelism', { base: PARALLELISM_BASE, max: PARALLELISM_BASE, owner: 'Doctrine' }],
  ])

/** Guards that are numbers, and the obligation that bounds them. */
const NUMBER_GUARDS: ReadonlyMap<string, { readonly max: number; readonly owner: Obligation }> = new Map([
  ['max_run_len', { max: TICKS_MAX, owner: 'Q3' }],
  ['max_call_depth', { max: TICKS_MAX, owner: 'Q3' }],
  ['warm_path_ms', { max: 100, owner: 'Q4' }],
  ['tail_latency_ms', { max: 500, owner: 'Q5' }],
  ['max_case_data_bytes', { max: CASE_DATA_BYTES_MAX, owner: 'Q2' }],
])

/** The first obligation in path order that `settings` do not meet. */
export function obligationRefusal(settings: Settings): Refusal | null {
  for (const [text, value] of sortedSettings(settings)) {
    const path = parsePath(text)
    const owner = brokenBy(settings, path, value)
    if (owner !== null) {
      const setting = shortName(settingPath({ ...path, workflow: null }))
      return refuse('ObligationUnmet', `obligation ${owner} is not met by ${setting}`, { obligation: owner, setting })
    }
  }
  return null
}

/** Null where the setting breaks nothing. */
function brokenBy(settings: Settings, path: SettingPath, value: SettingValue): Obligation | null {
  switch (path.kind) {
    case 'pattern':
      return value === false && !canEnd(settings, path.workflow) ? 'Q1' : null
    case 'guard':
      return brokenByGuard(path.name, value)
    case 'ticks':
      return isWithin(value, TICKS_MAX) ? null : 'Performance'
    case 'instances':
      return isWithin(value, instancesMax(settings, path.workflow)) ? null : 'Doctrine'
    case 'resource':
      return brokenByResource(settings, path, value)
    case 'custom':
      return null
  }
}

function canEnd(settings: Settings, workflow: string | null): boolean {
  return [CANCEL_CASE_PATTERN, EXPLICIT_TERMINATION_PATTERN].some(
    (pattern) => settingFor(settings, { workflow, kind: 'pattern', name: String(pattern) }) === true,
  )
}

function brokenByGuard(name: string, value: SettingValue): Obligation | null {
  const bound = NUMBER_GUARDS.get(name)
  if (bound !== undefined) {
    if (typeof value !== 'number') return 'Q2'
    return isWithin(value, bound.max) ? null : bound.owner
  }
  if (name === 'admission') return value === 'open' || value === 'closed' ? null : 'Q2'
  if (name === 'required_data_keys') {
    return typeof value === 'string' && requiredKeys(value).length <= REQUIRED_KEYS_MAX ? null : 'Q2'
  }
  return null
}

function brokenByResource(settings: Settings, path: SettingPath, value: SettingValue): Obligation | null {
  const known = RESOURCES.get(path.name)
  if (known === undefined) return null
  if (!isWithin(value, Math.floor((known.max * RESOURCE_BASE_PERCENT) / known.base))) return known.owner
  if (path.name !== 'parallelism') return null
  // Fewer parallel instances than a pattern is set to. Where only the instances are a workflow's own, they are checked there.
  const max = instancesMax(settings, path.workflow)
  const fits = MULTI_INSTANCE_PATTERNS.every((pattern) => {
    const instances = settingFor(settings, { workflow: path.workflow, kind: 'instances', name: patternName(pattern) })
    return instances === undefined || isWithin(instances, max)
  })
  return fits ? null : 'Doctrine'
}

function instancesMax(settings: Settings, workflow: string | null): number {
  const percent = settingFor(settings, { workflow, kind: 'resource', name: 'parallelism' })
  return Math.floor((PARALLELISM_BASE * Number(percent ?? RESOURCE_BASE_PERCENT)) / RESOURCE_BASE_PERCENT)
}

/** The names in the value of `required_data_keys`: separated by spaces or commas. */
export function requiredKeys(value: string): readonly string[] {
  return value.split(/[\s,]+/).filter((name) => name !== '')
}

function isWithin(value: SettingValue, max: number): boolean {
  return typeof value === 'number' && value >= 1 && value <= max
}
