/**
 * What the changes of an overlay come to: whether each lies inside its scope, whether two contradict
 * each other, and the settings after them.
 */
import { CHANGES_MAX, EFFECTS_MAX, SETTINGS_MAX } from './limits.js'
import {
  MULTI_INSTANCE_PATTERNS,
  type OverlayChange,
  type OverlayPart,
  type OverlayScope,
  PATTERNS,
  type SettingValue,
} from './overlay.js'
import { type Refusal, refuse, shortName } from './refusal.js'
import { patternName, type SettingPath, type Settings, settingFor, settingPath } from './settings.js'

/** Counted over the whole cluster, so no workflow can have a value of its own. */
export const CLUSTER_WIDE_RESOURCE = 'concurrency'

/** Empty scope, empty changes, or a change that touches what the scope does not name. */
export function scopeRefusal({ scope, changes }: OverlayPart): Refusal | null {
  if (isEmptyScope(scope)) return refuse('EmptyScope', 'the scope of the overlay is empty')
  if (changes.length === 0) return refuse('EmptyChanges', 'the overlay changes nothing')
  for (const [change, one] of changes.entries()) {
    if (isInScope(one, scope)) continue
    const message = `change ${change + 1}, ${one.type}, is outside the scope`
    return refuse('ChangeOutsideScope', message, { change, type: one.type })
  }
  return null
}

function isEmptyScope({ workflows, patterns, guards, tags }: OverlayScope): boolean {
  return workflows.length + patterns.length + guards.length + Object.keys(tags).length === 0
}

function isInScope(change: OverlayChange, scope: OverlayScope): boolean {
  switch (change.type) {
    case 'ScaleMultiInstance':
    case 'AdjustPerformance':
      return touchedPatterns(change, scope).length > 0
    case 'ModifyGuard':
      return scope.guards.includes(change.guardName)
    case 'TogglePattern':
      return scope.patterns.includes(change.patternId)
    case 'AdjustResources':
      return change.resource !== CLUSTER_WIDE_RESOURCE || scope.workflows.length === 0
    case 'Custom':
      return true
  }
}

function touchedPatterns(
  change: OverlayChange & { readonly type: 'ScaleMultiInstance' | 'AdjustPerformance' },
  { patterns, workflows }: OverlayScope,
): readonly number[] {
  if (change.type === 'ScaleMultiInstance') return MULTI_INSTANCE_PATTERNS.filter((one) => patterns.includes(one))
  return patterns.length === 0 && workflows.length > 0 ? PATTERNS : patterns
}

/**
 * Two changes that say different things about one matter: the same guard, pattern, resource or custom
 * type twice, or two performance targets, whatever their scopes.
 */
export function conflictRefusal(parts: readonly OverlayPart[]): Refusal | null {
  const seen = new Set<string>()
  for (const change of parts.flatMap((part) => part.changes)) {
    const matter = matterOf(change)
    if (matter === null) continue
    if (seen.has(matter)) return conflict(matter)
    seen.add(matter)
  }
  return null
}

/** `matter`: what two changes are about. */
export function conflict(matter: string): Refusal {
  const short = shortName(matter)
  return refuse('ConflictingChanges', `two changes conflict about ${short}`, { matter: short })
}

/** What a change sets; null where changes of its kind add up. */
function matterOf(change: OverlayChange): string | null {
  switch (change.type) {
    case 'ScaleMultiInstance':
      return null
    case 'AdjustPerformance':
      return 'performance'
    case 'ModifyGuard':
      return `guard:${change.guardName}`
    case 'TogglePattern':
      return `pattern:${change.patternId}`
    case 'AdjustResources':
      return `resource:${change.resource}`
    case 'Custom':
      return `custom:${change.changeType}`
  }
}

/** More changes, or more settings, than one overlay and one configuration may have. */
export function sizeRefusal(parts: readonly OverlayPart[]): Refusal | null {
  const changes = parts.reduce((sum, part) => sum + part.changes.length, 0)
  if (changes > CHANGES_MAX) return refuse('OverlayLimit', `over ${CHANGES_MAX} changes`, { changes })
  const effects = parts.reduce((sum, part) => sum + effectCount(part), 0)
  return effects > EFFECTS_MAX ? refuse('OverlayLimit', `over ${EFFECTS_MAX} settings touched`, { effects }) : null
}

function effectCount({ scope, changes }: OverlayPart): number {
  const each = changes.reduce((sum, change) => sum + settingsOf(change, scope).length, 0)
  return each * Math.max(1, scope.workflows.length)
}

/** The paths of the settings that a part writes. */
export function touchedPaths({ scope, changes }: OverlayPart): string[] {
  return changes.flatMap((change) => touchedBy(change, scope)).map(settingPath)
}

function touchedBy(change: OverlayChange, scope: OverlayScope): readonly SettingPath[] {
  const workflows = scope.workflows.length === 0 ? [null] : scope.workflows
  return settingsOf(change, scope).flatMap((one) => workflows.map((workflow) => ({ ...one, workflow })))
}

function settingsOf(change: OverlayChange, scope: OverlayScope): readonly Omit<SettingPath, 'workflow'>[] {
  switch (change.type) {
    case 'ScaleMultiInstance':
      return touchedPatterns(change, scope).map((one) => ({ kind: 'instances', name: patternName(one) }))
    case 'AdjustPerformance':
      return touchedPatterns(change, scope).map((one) => ({ kind: 'ticks', name: patternName(one) }))
    case 'ModifyGuard':
      return [{ kind: 'guard', name: change.guardName }]
    case 'TogglePattern':
      return [{ kind: 'pattern', name: patternName(change.patternId) }]
    case 'AdjustResources':
      return [{ kind: 'resource', name: change.resource }]
    case 'Custom':
      return [{ kind: 'custom', name: change.changeType }]
  }
}

/** The settings after the parts, in order. Bounded by `sizeRefusal`, which comes first. */
export function applyParts(base: Settings, parts: readonly OverlayPart[]): Settings {
  const settings = new Map(base)
  for (const { scope, changes } of parts) {
    for (const change of changes) {
      for (const path of touchedBy(change, scope)) {
        settings.set(settingPath(path), newValue(change, settingFor(settings, path)))
      }
    }
  }
  return settings
}

function newValue(change: OverlayChange, before: SettingValue | undefined): SettingValue {
  switch (change.type) {
    case 'ScaleMultiInstance':
      return Number(before ?? 0) + change.delta
    case 'AdjustPerformance':
      return change.targetTicks
    case 'ModifyGuard':
      return change.newValue
    case 'TogglePattern':
      return change.enabled
    case 'AdjustResources':
      return change.multiplier
    case 'Custom':
      return change.params
  }
}

export function settingsRefusal(settings: Settings): Refusal | null {
  return settings.size > SETTINGS_MAX
    ? refuse('OverlayLimit', `over ${SETTINGS_MAX} settings`, { settings: settings.size })
    : null
}
