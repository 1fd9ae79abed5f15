/** The payload of a propose frame, written once: room for the frame's number, the trace, then the request. */
import { NO_SESSION, type RequestFields, requestLength, writeRequest } from '../consensus/request.js'
import { PROPOSE_HEADER_BYTES } from '../transport/client-protocol.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import type { Operation } from '../workflow/operations.js'

const NO_TRACE = new Uint8Array(0)

/** `trace` is a trace context of at most 64 bytes; `requestOf` finds the request behind it. */
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

/** The same of an operation outside any session. */
export function barePayload(operation: Operation, firstSequence: number, clientKey: Uint8Array): Uint8Array {
  return proposePayload({ session: NO_SESSION, firstSequence, ackedBelow: 0, clientKey }, [encodeOperation(operation)])
}
