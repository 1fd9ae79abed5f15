/**
 * What a configuration holds: settings by path, such as `pattern:20`, `guard:admission`, or, for the
 * cases of one workflow alone, `workflow:UUID/pattern:20`. One flat, sorted map makes hash, difference
 * and merge of configurations plain, and every path is bounded ASCII, so text order is byte order.
 */
import { MULTI_INSTANCE_PATTERNS, PATTERNS, type SettingValue } from './overlay.js'

export type SettingKind = 'custom' | 'guard' | 'instances' | 'pattern' | 'resource' | 'ticks'

export type Settings = ReadonlyMap<string, SettingValue>

export interface SettingPath {
  /** UUID in text form; null where the setting holds for all. */
  readonly workflow: string | null
  readonly kind: SettingKind
  readonly name: string
}

const WORKFLOW_PREFIX = 'workflow:'
const UUID_CHARS = 36

/** The Chatman constant: most ticks of one step, and the length and depth that runs and calls may have. */
export const TICKS_MAX = 8
const GENESIS_INSTANCES = 8
/** A resource at its base, in percent. */
export const RESOURCE_BASE_PERCENT = 100

export function settingPath({ workflow, kind, name }: SettingPath): string {
  const path = `${kind}:${name}`
  return workflow === null ? path : `${WORKFLOW_PREFIX}${workflow}/${path}`
}

/** The parts of a path that `settingPath` made. */
export function parsePath(path: string): SettingPath {
  const isScoped = path.startsWith(WORKFLOW_PREFIX)
  const workflow = isScoped ? path.slice(WORKFLOW_PREFIX.length, WORKFLOW_PREFIX.length + UUID_CHARS) : null
  const rest = isScoped ? path.slice(WORKFLOW_PREFIX.length + UUID_CHARS + 1) : path
  const colon = rest.indexOf(':')
  return { workflow, kind: rest.slice(0, colon) as SettingKind, name: rest.slice(colon + 1) }
}

/** Pattern numbers have two digits in paths, so that they sort as numbers. */
export function patternName(pattern: number): string {
  return String(pattern).padStart(2, '0')
}

/** The setting as it holds for a workflow: its own, or the one of all. */
export function settingFor(settings: Settings, { workflow, kind, name }: SettingPath): SettingValue | undefined {
  const own = workflow === null ? undefined : settings.get(settingPath({ workflow, kind, name }))
  return own ?? settings.get(settingPath({ workflow: null, kind, name }))
}

/** In path order, which is the order of everything that is hashed or listed. */
export function sortedSettings(settings: Settings): (readonly [string, SettingValue])[] {
  return [...settings].sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * The configuration that every cluster begins with: all patterns, the doctrine's bounds, and guards that
 * hinder nobody.
 */
export function genesisSettings(): Settings {
  const settings = new Map<string, SettingValue>()
  const set = (kind: SettingKind, name: string, value: SettingValue) =>
    settings.set(settingPath({ workflow: null, kind, name }), value)
  for (const pattern of PATTERNS) {
    set('pattern', patternName(pattern), true)
    set('ticks', patternName(pattern), TICKS_MAX)
  }
  for (const pattern of MULTI_INSTANCE_PATTERNS) set('instances', patternName(pattern), GENESIS_INSTANCES)
  for (const resource of ['cpu', 'memory', 'parallelism']) set('resource', resource, RESOURCE_BASE_PERCENT)
  for (const [name, value] of GENESIS_GUARDS) set('guard', name, value)
  return settings
}

const GENESIS_GUARDS: readonly (readonly [string, SettingValue])[] = [
  ['admission', 'open'],
  ['max_call_depth', TICKS_MAX],
  ['max_case_data_bytes', 1_048_576],
  ['max_run_len', TICKS_MAX],
  ['required_data_keys', ''],
  ['tail_latency_ms', 500],
  ['warm_path_ms', 100],
]

export interface SettingDifference {
  readonly path: string
  /** Null where there is no such setting. */
  readonly from: SettingValue | null
  readonly to: SettingValue | null
}

/** What is different in `to`, in path order. */
export function settingsDifference(from: Settings, to: Settings): SettingDifference[] {
  const paths = [...new Set([...from.keys(), ...to.keys()])].sort()
  return paths.flatMap((path) => {
    const [before, after] = [from.get(path) ?? null, to.get(path) ?? null]
    return before === after ? [] : [{ path, from: before, to: after }]
  })
}
