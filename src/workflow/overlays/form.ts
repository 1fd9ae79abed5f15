/**
 * The form of an overlay's fields: sizes, names, ranges. One set of rules for the client, which refuses
 * before anything is sent, and for apply, which trusts nobody. What a well-formed overlay may mean is
 * another question: see changes.ts and obligations.ts.
 */
import { toUtf8 } from '../../base/bytes.js'
import { checkJson } from '../json-check.js'
import {
  CHANGES_MAX,
  COMPOSED_MAX,
  DELTA_MAX,
  MULTIPLIER_PERCENT_MAX,
  NAME_CHARS_MAX,
  PARAMS_BYTES_MAX,
  REASON_BYTES_MAX,
  SCOPE_ITEMS_MAX,
  TAGS_MAX,
  TICKS_ARGUMENT_MAX,
  VALUE_BYTES_MAX,
} from './limits.js'
import {
  type OverlayChange,
  type OverlayOperation,
  type OverlayScope,
  PATTERN_MAX,
  type SettingValue,
  SIGMA_NAMES,
} from './overlay.js'

/** What is wrong with an operation: the field and a short text; null when nothing is. */
export interface FormProblem {
  readonly field: string
  readonly problem: string
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$/
const SIGMA = /^[0-9a-f]{64}$/
/** Half of a surrogate pair alone: no UTF-8 can carry it. */
const LONE_SURROGATE = /\p{Surrogate}/u
const NAME_RULE = `has to be 1 to ${NAME_CHARS_MAX} letters, digits or . _ : / - and begin with a letter or digit`

export function isSigma(text: string): boolean {
  return SIGMA.test(text)
}

export function operationProblem(operation: OverlayOperation): FormProblem | null {
  switch (operation.type) {
    case 'DeployOverlay':
      if (!isSigma(operation.base)) return at('base', 'has to be 64 lower-case hex digits')
      return idProblem(operation.overlayId) ?? scopeProblem(operation.scope) ?? changesProblem(operation.changes)
    case 'AdvanceOverlay':
      return idProblem(operation.overlayId)
    case 'RollbackOverlay':
      // 'genesis' is understood here, so that the state machine can say why not.
      if (operation.reason !== null && !isText(operation.reason, REASON_BYTES_MAX))
        return at('reason', `has to be a text of at most ${REASON_BYTES_MAX} bytes`)
      return isName(operation.overlayId) ? null : at('overlayId', NAME_RULE)
    case 'ComposeOverlays': {
      const { overlays } = operation
      if (overlays.length < 2 || overlays.length > COMPOSED_MAX)
        return at('overlays', `has to name 2 to ${COMPOSED_MAX}`)
      if (hasDuplicates(overlays)) return at('overlays', 'names one twice')
      return idProblem(operation.overlayId) ?? firstProblem(overlays, idProblem)
    }
    case 'SetOverlayMode':
      return null
  }
}

function idProblem(overlayId: string): FormProblem | null {
  if (!isName(overlayId)) return at('overlayId', NAME_RULE)
  if (SIGMA_NAMES.includes(overlayId) || isSigma(overlayId)) return at('overlayId', 'is the name of a snapshot')
  return null
}

function scopeProblem({ workflows, patterns, guards, tags }: OverlayScope): FormProblem | null {
  for (const [field, items] of [
    ['scope.workflows', workflows],
    ['scope.patterns', patterns],
    ['scope.guards', guards],
  ] as const) {
    if (items.length > SCOPE_ITEMS_MAX) return at(field, `has over ${SCOPE_ITEMS_MAX} items`)
    if (hasDuplicates(items)) return at(field, 'names something twice')
  }
  if (!patterns.every(isPattern)) return at('scope.patterns', `has to hold numbers of 1 to ${PATTERN_MAX}`)
  if (!guards.every(isName)) return at('scope.guards', NAME_RULE)
  const labels = Object.entries(tags)
  if (labels.length > TAGS_MAX) return at('scope.tags', `has over ${TAGS_MAX} tags`)
  const areSound = labels.every(([name, value]) => isName(name) && isText(value, VALUE_BYTES_MAX))
  return areSound ? null : at('scope.tags', NAME_RULE)
}

function changesProblem(changes: readonly OverlayChange[]): FormProblem | null {
  if (changes.length > CHANGES_MAX) return at('changes', `has over ${CHANGES_MAX} changes`)
  return firstProblem(changes, changeProblem)
}

function changeProblem(change: OverlayChange): FormProblem | null {
  switch (change.type) {
    case 'ScaleMultiInstance':
      return isInteger(change.delta, -DELTA_MAX, DELTA_MAX) ? null : range('delta', -DELTA_MAX, DELTA_MAX)
    case 'AdjustPerformance':
      return isInteger(change.targetTicks, 1, TICKS_ARGUMENT_MAX) ? null : range('targetTicks', 1, TICKS_ARGUMENT_MAX)
    case 'ModifyGuard':
      if (!isName(change.guardName)) return at('guardName', NAME_RULE)
      return isValue(change.newValue)
        ? null
        : at('newValue', `has to be true, false, an integer or a text of at most ${VALUE_BYTES_MAX} bytes`)
    case 'TogglePattern':
      return isPattern(change.patternId) ? null : range('patternId', 1, PATTERN_MAX)
    case 'AdjustResources':
      if (!isName(change.resource)) return at('resource', NAME_RULE)
      return isInteger(change.multiplier, 1, MULTIPLIER_PERCENT_MAX)
        ? null
        : at('multiplier', `has to be a whole number of percent, 1 to ${MULTIPLIER_PERCENT_MAX}`)
    case 'Custom': {
      if (!isName(change.changeType)) return at('changeType', NAME_RULE)
      if (!isText(change.params, PARAMS_BYTES_MAX)) return at('params', `is over ${PARAMS_BYTES_MAX} bytes`)
      const check = checkJson(toUtf8(change.params))
      return check.ok && check.kind === 'object' ? null : at('params', 'is not a JSON object')
    }
  }
}

/** The form of all names: of overlays, guards, resources, tags and custom changes. */
export function isName(text: string): boolean {
  return NAME.test(text)
}

function isPattern(value: number): boolean {
  return isInteger(value, 1, PATTERN_MAX)
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max
}

function isText(text: string, bytesMax: number): boolean {
  return !LONE_SURROGATE.test(text) && toUtf8(text).length <= bytesMax
}

function isValue(value: SettingValue): boolean {
  if (typeof value === 'string') return isText(value, VALUE_BYTES_MAX)
  return typeof value === 'boolean' || Number.isSafeInteger(value)
}

function hasDuplicates(items: readonly (string | number)[]): boolean {
  return new Set(items).size !== items.length
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T) => FormProblem | null): FormProblem | null {
  for (const item of items) {
    const problem = problemOf(item)
    if (problem !== null) return problem
  }
  return null
}

function range(field: string, min: number, max: number): FormProblem {
  return at(field, `has to be an integer of ${min} to ${max}`)
}

function at(field: string, problem: string): FormProblem {
  return { field, problem }
}
