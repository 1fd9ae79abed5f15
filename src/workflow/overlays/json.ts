/**
 * Operations about overlays as JSON (and the YAML of overlay files, which has the same fields):
 * { "type": "DeployOverlay", "overlayId", "base", "scope": { "workflows"?, "patterns"?, "guards"?, "tags"? },
 * "changes": [...] } · { "type": "AdvanceOverlay", "overlayId", "to" } · { "type": "RollbackOverlay",
 * "overlayId", "reason"? } · { "type": "ComposeOverlays", "overlayId", "strategy", "overlays" } ·
 * { "type": "SetOverlayMode", "mode" }. Strict, as operation-json.ts; `docs/workflow/overlays.md` has examples.
 */
import {
  allowFields,
  asObject,
  invalid,
  isAbsent,
  type JsonObject,
  readChoice,
  readInteger,
  readList,
  readText,
} from '../json-fields.js'
import { uuidFromBytes, uuidToBytes } from '../uuid.js'
import {
  CHANGES_MAX,
  COMPOSED_MAX,
  DELTA_MAX,
  MULTIPLIER_PERCENT_MAX,
  SCOPE_ITEMS_MAX,
  TICKS_ARGUMENT_MAX,
} from './limits.js'
import {
  CHANGE_TYPES,
  COMPOSITION_STRATEGIES,
  OVERLAY_MODES,
  OVERLAY_PHASES,
  type OverlayChange,
  type OverlayOperation,
  type OverlayScope,
  PATTERN_MAX,
  type SettingValue,
} from './overlay.js'

/** Reads a parsed JSON object whose type is one of `OverlayOperation`. Throws `InvalidArgument`. */
export function readOverlayJson(object: JsonObject): OverlayOperation {
  switch (object.type) {
    case 'DeployOverlay':
      allowFields(object, ['type', 'overlayId', 'base', 'scope', 'changes'])
      return {
        type: 'DeployOverlay',
        overlayId: readText(object, 'overlayId'),
        base: readText(object, 'base').toLowerCase(),
        scope: readScope(asObject(object.scope, 'scope')),
        changes: readList(object, 'changes', 0, CHANGES_MAX).map((change) => readChange(asObject(change, 'a change'))),
      }
    case 'AdvanceOverlay':
      allowFields(object, ['type', 'overlayId', 'to'])
      return {
        type: 'AdvanceOverlay',
        overlayId: readText(object, 'overlayId'),
        to: readChoice(object, 'to', OVERLAY_PHASES),
      }
    case 'RollbackOverlay': {
      allowFields(object, ['type', 'overlayId', 'reason'])
      const reason = isAbsent(object, 'reason') ? null : readText(object, 'reason')
      return { type: 'RollbackOverlay', overlayId: readText(object, 'overlayId'), reason }
    }
    case 'ComposeOverlays':
      allowFields(object, ['type', 'overlayId', 'strategy', 'overlays'])
      return {
        type: 'ComposeOverlays',
        overlayId: readText(object, 'overlayId'),
        strategy: readChoice(object, 'strategy', COMPOSITION_STRATEGIES),
        overlays: readTexts(object, 'overlays', 2, COMPOSED_MAX),
      }
    default:
      allowFields(object, ['type', 'mode'])
      return { type: 'SetOverlayMode', mode: readChoice(object, 'mode', OVERLAY_MODES) }
  }
}

/** The JSON of an operation, as `readOverlayJson` takes it. */
export function overlayToJson(operation: OverlayOperation): JsonObject {
  if (operation.type === 'DeployOverlay') return { ...operation, changes: operation.changes.map(changeToJson) }
  if (operation.type !== 'RollbackOverlay' || operation.reason !== null) return operation
  const { reason: _, ...rest } = operation
  return rest
}

/** A change with the parameters of a custom one as JSON instead of its text. */
export function changeToJson(change: OverlayChange): JsonObject {
  return change.type === 'Custom' ? { ...change, params: JSON.parse(change.params) as unknown } : change
}

/** A list that is absent is empty; whether all of them may be is for the state machine to say. */
function readScope(scope: JsonObject): OverlayScope {
  allowFields(scope, ['workflows', 'patterns', 'guards', 'tags'])
  const patterns = isAbsent(scope, 'patterns') ? [] : readList(scope, 'patterns', 0, SCOPE_ITEMS_MAX)
  return {
    workflows: readNames(scope, 'workflows').map((id) => uuidFromBytes(uuidToBytes(id, 'workflows'))),
    patterns: patterns.map((pattern) => readInteger({ patterns: pattern }, 'patterns', 1, PATTERN_MAX)),
    guards: readNames(scope, 'guards'),
    tags: readTags(scope),
  }
}

/** An object of texts, or a list of names. */
function readTags(scope: JsonObject): Readonly<Record<string, string>> {
  if (isAbsent(scope, 'tags')) return {}
  if (Array.isArray(scope.tags)) return Object.fromEntries(readNames(scope, 'tags').map((name) => [name, '']))
  const tags = asObject(scope.tags, 'tags')
  return Object.fromEntries(Object.keys(tags).map((name) => [name, readText(tags, name)]))
}

function readChange(change: JsonObject): OverlayChange {
  const type = readChoice(change, 'type', CHANGE_TYPES)
  switch (type) {
    case 'ScaleMultiInstance':
      allowFields(change, ['type', 'delta'])
      return { type, delta: readInteger(change, 'delta', -DELTA_MAX, DELTA_MAX) }
    case 'AdjustPerformance':
      allowFields(change, ['type', 'targetTicks'])
      return { type, targetTicks: readInteger(change, 'targetTicks', 1, TICKS_ARGUMENT_MAX) }
    case 'ModifyGuard':
      allowFields(change, ['type', 'guardName', 'newValue'])
      return { type, guardName: readText(change, 'guardName'), newValue: readValue(change) }
    case 'TogglePattern':
      allowFields(change, ['type', 'patternId', 'enabled'])
      if (typeof change.enabled !== 'boolean') throw invalid('enabled', 'is neither true nor false')
      return { type, patternId: readInteger(change, 'patternId', 1, PATTERN_MAX), enabled: change.enabled }
    case 'AdjustResources':
      allowFields(change, ['type', 'resource', 'multiplier'])
      return {
        type,
        resource: readText(change, 'resource'),
        multiplier: readInteger(change, 'multiplier', 1, MULTIPLIER_PERCENT_MAX),
      }
    case 'Custom': {
      allowFields(change, ['type', 'changeType', 'params'])
      const params = isAbsent(change, 'params') ? {} : asObject(change.params, 'params')
      return { type, changeType: readText(change, 'changeType'), params: JSON.stringify(params) }
    }
  }
}

function readValue(change: JsonObject): SettingValue {
  const { newValue } = change
  if (typeof newValue === 'boolean' || typeof newValue === 'string') return newValue
  return readInteger(change, 'newValue', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
}

function readNames(scope: JsonObject, field: string): string[] {
  return isAbsent(scope, field) ? [] : readTexts(scope, field, 0, SCOPE_ITEMS_MAX)
}

function readTexts(object: JsonObject, field: string, min: number, max: number): string[] {
  return readList(object, field, min, max).map((item) => readText({ [field]: item }, field))
}
