/** The JSON of the overlay commands, and the answers of the queries behind them. */
import * as schema from '../schema.js'

const maybeText = schema.nullable(schema.text)
const maybeInteger = schema.nullable(schema.integer)

const SUMMARY = {
  overlayId: schema.text,
  phase: schema.text,
  base: schema.text,
  sigma: schema.text,
  composition: schema.nullable(schema.record({ strategy: schema.text, overlays: schema.list(schema.text) })),
  changes: schema.integer,
  reason: maybeText,
  createdAtMs: schema.integer,
  createdIndex: schema.integer,
  updatedAtMs: schema.integer,
  updatedIndex: schema.integer,
}

export const OVERLAY_LIST_SCHEMA = schema.record({ overlays: schema.list(schema.record(SUMMARY)), cursor: maybeText })

export const OVERLAY_SCHEMA = schema.record({
  ...SUMMARY,
  parts: schema.list(
    schema.record({
      scope: schema.record({
        workflows: schema.list(schema.text),
        patterns: schema.list(schema.integer),
        guards: schema.list(schema.text),
        tags: schema.anything,
      }),
      changes: schema.list(schema.anything),
    }),
  ),
  steps: schema.list(
    schema.record({
      phase: schema.text,
      index: schema.integer,
      position: schema.integer,
      atMs: schema.integer,
      actor: maybeText,
      actorKey: schema.text,
    }),
  ),
})

export const SIGMA_SCHEMA = schema.record({
  sigma: schema.text,
  parent: maybeText,
  settings: schema.list(schema.record({ path: schema.text, value: schema.anything })),
})

export const SIGMA_CHAIN_SCHEMA = schema.record({
  activeSigma: schema.text,
  mode: schema.text,
  height: schema.integer,
  openOverlays: schema.integer,
  snapshots: schema.list(
    schema.record({
      sigma: schema.text,
      parent: maybeText,
      overlayId: maybeText,
      settings: schema.integer,
      promotedIndex: maybeInteger,
      promotedAtMs: maybeInteger,
    }),
  ),
  cursor: maybeText,
})

export const SIGMA_DIFF_SCHEMA = schema.record({
  from: schema.text,
  to: schema.text,
  changes: schema.list(schema.record({ path: schema.text, from: schema.anything, to: schema.anything })),
})

export const SIGMA_HISTORY_SCHEMA = schema.record({
  moves: schema.list(
    schema.record({
      index: schema.integer,
      position: schema.integer,
      from: schema.text,
      to: schema.text,
      overlayId: schema.text,
      atMs: schema.integer,
      actor: maybeText,
      actorKey: schema.text,
    }),
  ),
  cursor: maybeText,
})

export const OVERLAY_MODE_SCHEMA = schema.record({
  mode: schema.text,
  activeSigma: schema.text,
  height: schema.integer,
  openOverlays: schema.integer,
})

export interface OverlaySummary {
  readonly overlayId: string
  readonly phase: string
  readonly base: string
  readonly sigma: string
  readonly composition: { readonly strategy: string; readonly overlays: readonly string[] } | null
  readonly changes: number
  readonly reason: string | null
  readonly createdAtMs: number
  readonly createdIndex: number
  readonly updatedAtMs: number
  readonly updatedIndex: number
}

export interface OverlayAnswer extends OverlaySummary {
  readonly parts: readonly { readonly scope: Readonly<Record<string, unknown>>; readonly changes: readonly unknown[] }[]
  readonly steps: readonly {
    readonly phase: string
    readonly index: number
    readonly position: number
    readonly atMs: number
    readonly actor: string | null
  }[]
}

export interface SigmaSnapshot {
  readonly sigma: string
  readonly parent: string | null
  readonly overlayId: string | null
  readonly settings: number
  readonly promotedIndex: number | null
  readonly promotedAtMs: number | null
}

export interface SigmaMove {
  readonly index: number
  readonly position: number
  readonly from: string
  readonly to: string
  readonly overlayId: string
  readonly atMs: number
  readonly actor: string | null
}

/** The governance that every page of the chain begins with. */
export interface SigmaState {
  readonly activeSigma: string
  readonly mode: string
  readonly height: number
  readonly openOverlays: number
}

/** A content hash for people: enough of it to tell one from another. */
export function shortSigma(sigma: string | null): string | null {
  return sigma === null ? null : sigma.slice(0, 12)
}
