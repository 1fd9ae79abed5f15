/**
 * The part of Σ* that governs the execution of cases, enforced in apply: pattern 20 (Cancel Case) and 43
 * (Explicit Termination), the guards admission, max_case_data_bytes and required_data_keys, and the
 * resource concurrency. Everything else in Σ* is published by queries, for the programs that run tasks.
 *
 * Read once after a start and after each move of Σ*; a configuration that forbids nothing costs a case
 * one comparison.
 */
import { checkJson } from '../json-check.js'
import { CASE_DATA_BYTES_MAX } from '../limits.js'
import type { CaseState } from '../operations.js'
import type { StatePort } from '../state-keys.js'
import { uuidFromBytes } from '../uuid.js'
import { CLUSTER_WIDE_RESOURCE } from './changes.js'
import { CANCEL_CASE_PATTERN, CONCURRENCY_BASE, EXPLICIT_TERMINATION_PATTERN, requiredKeys } from './obligations.js'
import type { SettingValue } from './overlay.js'
import { refusalResult, refuse, shortName } from './refusal.js'
import { parsePath, RESOURCE_BASE_PERCENT, type SettingKind, type Settings, settingFor } from './settings.js'
import { OverlayStore } from './store.js'

/** What holds for the cases of one workflow. */
interface CaseRules {
  readonly admits: boolean
  readonly dataBytesMax: number
  readonly requiredKeys: readonly string[]
  readonly canCancel: boolean
  readonly canComplete: boolean
}

interface Rules {
  readonly all: CaseRules
  /** Those with values of their own, by id in text form. */
  readonly workflows: ReadonlyMap<string, CaseRules>
  /** Cases that may run at a time; null for no bound. */
  readonly runningMax: number | null
}

const NOT_ADMITTED = refusalResult(refuse('GuardViolation', 'no new cases are admitted', { guard: 'admission' }))
const CANNOT_CANCEL = patternDisabled(CANCEL_CASE_PATTERN)
const CANNOT_COMPLETE = patternDisabled(EXPLICIT_TERMINATION_PATTERN)

export class ActiveRules {
  readonly #store: OverlayStore
  /** Undefined before the first use and after Σ* moved; null where nothing is forbidden. */
  #rules: Rules | null | undefined

  constructor(state: StatePort) {
    this.#store = new OverlayStore(state)
  }

  /** Σ* has become another. */
  forget(): void {
    this.#rules = undefined
  }

  /** The rejection of a new case; null where it may be created. `data` is a JSON object. */
  refuseNewCase(specId: Uint8Array, data: Uint8Array): Uint8Array | null {
    const rules = this.#current()
    if (rules === null) return null
    const { admits, dataBytesMax, requiredKeys: names } = rulesFor(rules, specId)
    if (!admits) return NOT_ADMITTED
    if (data.length > dataBytesMax) {
      const details = { guard: 'max_case_data_bytes', bytes: data.length, max: dataBytesMax }
      return refusalResult(refuse('GuardViolation', 'the case data is too large', details))
    }
    return names.length === 0 ? null : refuseMissingKey(names, data)
  }

  /** The rejection of a legal transition; null where it may happen. `running` is the number of cases that run now. */
  refuseTransition(specId: Uint8Array, to: CaseState, running: number): Uint8Array | null {
    const rules = this.#current()
    if (rules === null) return null
    if (to === 'running') {
      const { runningMax } = rules
      if (runningMax === null || running < runningMax) return null
      return refusalResult(refuse('ConcurrencyLimit', 'too many cases run', { running, max: runningMax }))
    }
    if (to === 'cancelled') return rulesFor(rules, specId).canCancel ? null : CANNOT_CANCEL
    return to === 'completed' && !rulesFor(rules, specId).canComplete ? CANNOT_COMPLETE : null
  }

  #current(): Rules | null {
    if (this.#rules === undefined) {
      this.#rules = readRules(this.#store.snapshot(this.#store.governance().head).snapshot.settings)
    }
    return this.#rules
  }
}

function rulesFor(rules: Rules, specId: Uint8Array): CaseRules {
  return rules.workflows.size === 0 ? rules.all : (rules.workflows.get(uuidFromBytes(specId)) ?? rules.all)
}

function refuseMissingKey(names: readonly string[], data: Uint8Array): Uint8Array | null {
  const check = checkJson(data)
  if (!check.ok) return null
  const missing = names.find((name) => !check.members.has(name))
  if (missing === undefined) return null
  const key = shortName(missing)
  return refusalResult(
    refuse('GuardViolation', `the case data lacks the key ${key}`, { guard: 'required_data_keys', key }),
  )
}

function readRules(settings: Settings): Rules | null {
  const named = new Set([...settings.keys()].flatMap((path) => parsePath(path).workflow ?? []))
  const all = caseRules(settings, null)
  const workflows = new Map([...named].map((workflow) => [workflow, caseRules(settings, workflow)]))
  const percent = settings.get(`resource:${CLUSTER_WIDE_RESOURCE}`)
  const runningMax =
    percent === undefined ? null : Math.max(1, Math.floor((CONCURRENCY_BASE * Number(percent)) / RESOURCE_BASE_PERCENT))
  const isFree = runningMax === null && [all, ...workflows.values()].every(refusesNothing)
  return isFree ? null : { all, workflows, runningMax }
}

function caseRules(settings: Settings, workflow: string | null): CaseRules {
  const value = (kind: SettingKind, name: string | number): SettingValue | undefined =>
    settingFor(settings, { workflow, kind, name: String(name) })
  return {
    admits: value('guard', 'admission') !== 'closed',
    dataBytesMax: Number(value('guard', 'max_case_data_bytes') ?? CASE_DATA_BYTES_MAX),
    requiredKeys: requiredKeys(String(value('guard', 'required_data_keys') ?? '')),
    canCancel: value('pattern', CANCEL_CASE_PATTERN) !== false,
    canComplete: value('pattern', EXPLICIT_TERMINATION_PATTERN) !== false,
  }
}

function refusesNothing({ admits, dataBytesMax, requiredKeys: names, canCancel, canComplete }: CaseRules): boolean {
  return admits && canCancel && canComplete && names.length === 0 && dataBytesMax >= CASE_DATA_BYTES_MAX
}

function patternDisabled(patternId: number): Uint8Array {
  return refusalResult(refuse('PatternDisabled', `pattern ${patternId} is disabled`, { patternId }))
}
