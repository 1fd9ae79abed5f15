/**
 * ΔΣ overlays as programs see them: a proposed change to Σ*, the active configuration that governs how
 * cases are executed. An overlay says what it is about (scope), what it changes, and against which
 * snapshot it was made; it goes through phases and takes effect only when it is promoted.
 */

/** Patterns are the 43 workflow control-flow patterns (van der Aalst and others, workflowpatterns.com), by number. */
export const PATTERN_MAX = 43
export const PATTERNS: readonly number[] = Array.from({ length: PATTERN_MAX }, (_, i) => i + 1)
/** Those with multiple instances. */
export const MULTI_INSTANCE_PATTERNS: readonly number[] = [12, 13, 14, 15]

/** In the order of their codes. */
export const OVERLAY_PHASES = ['Shadow', 'Test', 'Validate', 'Promote', 'Promoted', 'RolledBack'] as const
export type OverlayPhase = (typeof OVERLAY_PHASES)[number]

/** Whether the configuration may change: only in Normal. In the order of their codes. */
export const OVERLAY_MODES = ['Normal', 'Conservative', 'Frozen'] as const
export type OverlayMode = (typeof OVERLAY_MODES)[number]

/** In the order of their codes. */
export const COMPOSITION_STRATEGIES = ['Sequential', 'Parallel', 'Merge'] as const
export type CompositionStrategy = (typeof COMPOSITION_STRATEGIES)[number]

export type SettingValue = string | number | boolean

/** What an overlay is about. Where workflows are named, its changes hold for their cases alone. */
export interface OverlayScope {
  /** Ids of specifications, UUIDs in lower-case text form; none means all. */
  readonly workflows: readonly string[]
  /** 1 … 43. */
  readonly patterns: readonly number[]
  readonly guards: readonly string[]
  /** Labels for people and tools; they select nothing. */
  readonly tags: Readonly<Record<string, string>>
}

export type OverlayChange =
  /** Adds `delta`, an integer, to the instances of the multi-instance patterns in scope. */
  | { readonly type: 'ScaleMultiInstance'; readonly delta: number }
  /** The ticks that the patterns in scope aim at; all patterns of the workflows where none is in scope. */
  | { readonly type: 'AdjustPerformance'; readonly targetTicks: number }
  | { readonly type: 'ModifyGuard'; readonly guardName: string; readonly newValue: SettingValue }
  | { readonly type: 'TogglePattern'; readonly patternId: number; readonly enabled: boolean }
  /** `multiplier` is a whole number of percent of the resource's base. */
  | { readonly type: 'AdjustResources'; readonly resource: string; readonly multiplier: number }
  /** `params` is the text of a JSON object; kept unchanged, and left to programs that read it. */
  | { readonly type: 'Custom'; readonly changeType: string; readonly params: string }

/** In the order of their codes. */
export const CHANGE_TYPES = [
  'ScaleMultiInstance',
  'AdjustPerformance',
  'ModifyGuard',
  'TogglePattern',
  'AdjustResources',
  'Custom',
] as const satisfies readonly OverlayChange['type'][]

/** A scope and the changes inside it. A composed overlay has several, in order. */
export interface OverlayPart {
  readonly scope: OverlayScope
  readonly changes: readonly OverlayChange[]
}

export type OverlayOperation =
  | (OverlayPart & {
      readonly type: 'DeployOverlay'
      readonly overlayId: string
      /** Content hash of the snapshot that it was made against: 64 hex digits. */
      readonly base: string
    })
  | {
      readonly type: 'AdvanceOverlay'
      readonly overlayId: string
      /** The phase after the present one. */
      readonly to: OverlayPhase
    }
  | { readonly type: 'RollbackOverlay'; readonly overlayId: string; readonly reason: string | null }
  | {
      readonly type: 'ComposeOverlays'
      /** Of the new overlay. */
      readonly overlayId: string
      readonly strategy: CompositionStrategy
      /** The overlays that it is made of, in order. */
      readonly overlays: readonly string[]
    }
  | { readonly type: 'SetOverlayMode'; readonly mode: OverlayMode }

/** Names that stand for a snapshot, and so can be no overlay's. */
export const SIGMA_NAMES: readonly string[] = ['genesis', 'active']

/** No way leads out of these, but Promoted has the one back. */
export function isEnded(phase: OverlayPhase): boolean {
  return phase === 'Promoted' || phase === 'RolledBack'
}

/** The phase that follows; null where none does. */
export function phaseAfter(phase: OverlayPhase): OverlayPhase | null {
  return isEnded(phase) ? null : (OVERLAY_PHASES[OVERLAY_PHASES.indexOf(phase) + 1] ?? null)
}
