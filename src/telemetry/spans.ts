/**
 * How the recorder says what a span is, without knowing who takes it: the OpenTelemetry SDK where it was
 * asked for, nobody otherwise. Times are on the monotonic clock of the process.
 */
import type { LogIndex, Millis, NodeId, Term } from '../consensus/types.js'
import type { SpanAttributes, SpanName } from './names.js'
import type { Traces } from './observer.js'

/** A trace context in the text form of W3C Trace Context (`traceparent`), at most 64 bytes. */
export type TraceParent = string

export interface OpenSpan<Name extends SpanName> {
  readonly traceparent: TraceParent
  readonly traceId: string
  readonly spanId: string
  end(attributes: SpanAttributes[Name], endMs: Millis, failed?: boolean): void
}

export interface SpanSink {
  /** Null where the span is not sampled. The first of `parents` is the parent, the others are links. */
  begin<Name extends SpanName>(name: Name, startMs: Millis, parents: readonly TraceParent[]): OpenSpan<Name> | null
}

/** Which trace an entry of the log belongs to. */
export interface EntryTrace {
  readonly index: LogIndex
  readonly term: Term
  readonly traceparent: TraceParent
}

/** Carries trace contexts between nodes, beside the protocol: what gets lost is missed by nobody. */
export interface TraceLinks {
  /** Tells all connected members; leaves with the next flush. */
  sendTrace(trace: EntryTrace): void
  onTrace: (from: NodeId, trace: EntryTrace) => void
}

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

export function isTraceParent(text: string): boolean {
  return TRACEPARENT.test(text) && !text.startsWith('00-00000000000000000000000000000000')
}

/** Null for bytes that are no context of the form we read. */
export function traceParentOf(bytes: Uint8Array): TraceParent | null {
  const text = String.fromCharCode(...bytes)
  return isTraceParent(text) ? text : null
}

/** The contexts among what clients sent; what is none of ours to read is left out. */
export function traceParents(traces: Traces): TraceParent[] {
  return traces.map(traceParentOf).filter((one) => one !== null)
}
