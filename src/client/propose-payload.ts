/** The payload of a propose frame, written once: room for the frame's header, then the request. */
import { type RequestFields, requestLength, writeRequest } from '../consensus/request.js'
import { PROPOSE_HEADER_BYTES } from '../transport/client-protocol.js'

export function proposePayload(header: RequestFields, operations: readonly Uint8Array[]): Uint8Array {
  // Not zeroed: every byte is written here or by the channel.
  const payload = Buffer.allocUnsafe(PROPOSE_HEADER_BYTES + requestLength(operations))
  writeRequest(payload, PROPOSE_HEADER_BYTES, header, operations)
  return payload
}
