/** The payload of a propose frame, written once: room for the frame's number, the trace, then the request. */
import { type RequestFields, requestLength, writeRequest } from '../consensus/request.js'
import { PROPOSE_HEADER_BYTES } from '../transport/client-protocol.js'

const NO_TRACE = new Uint8Array(0)

/** `trace` is a trace context of at most 64 bytes. */
export function proposePayload(
  header: RequestFields,
  operations: readonly Uint8Array[],
  trace: Uint8Array = NO_TRACE,
): Uint8Array {
  const start = PROPOSE_HEADER_BYTES + trace.length
  // Not zeroed: every byte is written here or by the channel.
  const payload = Buffer.allocUnsafe(start + requestLength(operations))
  payload[PROPOSE_HEADER_BYTES - 1] = trace.length
  payload.set(trace, PROPOSE_HEADER_BYTES)
  writeRequest(payload, start, header, operations)
  return payload
}
