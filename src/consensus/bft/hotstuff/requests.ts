/** The requests that a body frames, one by one. */
import { forEachRequest } from '../../request-body.js'

/** Views into `body`. Throws `ProtocolViolation` where the framing is broken. */
export function requestBodies(body: Uint8Array): Uint8Array[] {
  const requests: Uint8Array[] = []
  forEachRequest(body, (start, end) => requests.push(body.subarray(start, end)))
  return requests
}
