/** The trace context that travels beside a request. Reference: W3C Trace Context, `traceparent`. */
import { toUtf8 } from '../base/bytes.js'
import { isTraceParent } from '../telemetry/spans.js'

/** Empty for a text that is no context of the form that nodes read. */
export function traceBytes(traceparent: string | undefined): Uint8Array {
  return traceparent !== undefined && isTraceParent(traceparent) ? toUtf8(traceparent) : new Uint8Array(0)
}
