/**
 * Which trace an entry belongs to, told to the other members beside the protocol: a frame of its own, so
 * that what is hashed, stored and replicated stays as it is. Nobody waits for it, and a member that does
 * not know it drops it. Layout: u64 index, u64 term, then the trace context as text, at most 64 bytes.
 * Reference: W3C Trace Context, `traceparent`.
 */
import { readU64, toUtf8, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { logIndex, term } from '../consensus/types.js'
import { type EntryTrace, traceParentOf } from '../telemetry/spans.js'
import { TRACE_BYTES_MAX } from './client-protocol.js'

/** Frame type on links between peers; those of the protocols are below. */
export const TRACE_FRAME = 0x7e
const FIXED_BYTES = 16

export function encodeTrace({ index, term: inTerm, traceparent }: EntryTrace): Uint8Array {
  const text = toUtf8(traceparent)
  const out = new Uint8Array(FIXED_BYTES + text.length)
  writeU64(out, 0, index)
  writeU64(out, 8, inTerm)
  out.set(text, FIXED_BYTES)
  return out
}

/** Null for a context of another form than ours. Throws `ProtocolViolation` for a frame of another size. */
export function decodeTrace(payload: Uint8Array): EntryTrace | null {
  if (payload.length < FIXED_BYTES || payload.length > FIXED_BYTES + TRACE_BYTES_MAX) {
    throw new KnhkError('ProtocolViolation', 'a trace frame is too short or too long')
  }
  const traceparent = traceParentOf(payload.subarray(FIXED_BYTES))
  if (traceparent === null) return null
  return { index: logIndex(readU64(payload, 0)), term: term(readU64(payload, 8)), traceparent }
}
