/**
 * Joining overlays that were made against the same snapshot into one. Sequential: one after the other,
 * the later wins. Parallel: nothing in common, so the order does not matter. Merge: scopes may overlap,
 * but no two changes contradict each other. Pure: parts in, parts or a refusal out.
 */
import { conflict, conflictRefusal, touchedPaths } from './changes.js'
import { type CompositionStrategy, MULTI_INSTANCE_PATTERNS, type OverlayPart, type OverlayScope } from './overlay.js'
import { type Refusal, refuse } from './refusal.js'

export type Composition =
  | { readonly parts: readonly OverlayPart[]; readonly refusal: null }
  | { readonly parts: null; readonly refusal: Refusal }

/** `overlays` has the parts of each overlay, in the order of the composition. */
export function compose(strategy: CompositionStrategy, overlays: readonly (readonly OverlayPart[])[]): Composition {
  const refusal = compositionRefusal(strategy, overlays)
  return refusal === null ? { parts: overlays.flat(), refusal } : { parts: null, refusal }
}

function compositionRefusal(
  strategy: CompositionStrategy,
  overlays: readonly (readonly OverlayPart[])[],
): Refusal | null {
  switch (strategy) {
    case 'Sequential':
      return null
    case 'Parallel': {
      const scopes = overlays.map((parts) => parts.map((part) => part.scope))
      const field = firstOverlap(scopes)
      if (field !== null) return refuse('OverlappingScopes', 'the scopes overlap', { field })
      // Resources and custom changes need nothing in the scope: disjoint scopes alone do not part them.
      return sharedSettingRefusal(overlays)
    }
    case 'Merge':
      return conflictBetween(overlays)
  }
}

function sharedSettingRefusal(overlays: readonly (readonly OverlayPart[])[]): Refusal | null {
  const seen = new Set<string>()
  for (const parts of overlays) {
    const own = new Set(parts.flatMap(touchedPaths))
    for (const path of own) {
      if (seen.has(path)) return conflict(path)
      seen.add(path)
    }
  }
  return null
}

/** A conflict between overlays; inside one, its own composition has decided. */
function conflictBetween(overlays: readonly (readonly OverlayPart[])[]): Refusal | null {
  for (const [i, one] of overlays.entries()) {
    for (const other of overlays.slice(i + 1)) {
      for (const a of one) {
        for (const b of other) {
          const refusal = conflictRefusal([a, b]) ?? scaleRefusal(a, b)
          if (refusal !== null) return refusal
        }
      }
    }
  }
  return null
}

/**
 * Instances that one overlay scales for all workflows and another for some: what the latter adds to
 * depends on which comes first, so they do not merge.
 */
function scaleRefusal(a: OverlayPart, b: OverlayPart): Refusal | null {
  if ((a.scope.workflows.length === 0) === (b.scope.workflows.length === 0)) return null
  const patterns = scaledPatterns(b)
  const pattern = scaledPatterns(a).find((one) => patterns.includes(one))
  return pattern === undefined ? null : conflict(`instances:${pattern}`)
}

function scaledPatterns({ scope, changes }: OverlayPart): readonly number[] {
  if (!changes.some((change) => change.type === 'ScaleMultiInstance')) return []
  return MULTI_INSTANCE_PATTERNS.filter((pattern) => scope.patterns.includes(pattern))
}

/** The field of the scope in which two overlays meet; null when they are disjoint. */
function firstOverlap(scopes: readonly (readonly OverlayScope[])[]): keyof OverlayScope | null {
  for (const field of ['workflows', 'patterns', 'guards'] as const) {
    const seen = new Set<string | number>()
    for (const own of scopes) {
      const items = new Set(own.flatMap((scope): readonly (string | number)[] => scope[field]))
      for (const item of items) {
        if (seen.has(item)) return field
        seen.add(item)
      }
    }
  }
  return null
}
