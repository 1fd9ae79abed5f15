/**
 * What happens in a simulation, event by event: for `--trace`, the story of a replay and the space-time
 * report. Nothing in it depends on anything but the seed, so equal seeds give equal bytes.
 */
import type { Millis } from '../consensus/types.js'
import type { EventQueue } from './event-queue.js'

/** What a line can say. `send`, `deliver` and `drop` of one message share its `id`. */
export type TraceKind =
  | 'run'
  | 'phase'
  | 'start'
  | 'crash'
  | 'stop'
  | 'pause'
  | 'fault'
  | 'heal'
  | 'role'
  | 'epoch'
  | 'switch'
  | 'commit'
  | 'apply'
  | 'sync'
  | 'send'
  | 'deliver'
  | 'drop'
  | 'call'
  | 'return'
  | 'violation'

export interface TraceEvent {
  readonly atMs: Millis
  readonly kind: TraceKind
  /** The node or client it happens to; null where it concerns all. */
  readonly on: string | null
  readonly fields: TraceFields
}

export type TraceFields = Readonly<Record<string, string | number | boolean | null>>

export class Trace {
  readonly #queue: EventQueue
  readonly #sink: (event: TraceEvent) => void

  constructor(queue: EventQueue, sink: (event: TraceEvent) => void) {
    this.#queue = queue
    this.#sink = sink
  }

  emit(kind: TraceKind, on: string | null, fields: TraceFields = {}): void {
    this.#sink({ atMs: this.#queue.nowMs, kind, on, fields })
  }
}

/** One line of `--trace`, without the line feed. */
export function formatTraceEvent({ atMs, kind, on, fields }: TraceEvent): string {
  return JSON.stringify({ atMs: Math.round(atMs * 1000) / 1000, kind, on, ...fields })
}
