/**
 * Client requests that a backup passes on to the primary before it suspects it: the client may have left
 * the primary out, and then the primary is not to blame (Castro and Liskov, section 4.4, has backups relay
 * to the primary too). Drivers talk to each other with it; no core sees it.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'

export interface ForwardRequests {
  readonly type: 'forwardRequests'
  /** Signed requests, framed like the body of an entry. */
  readonly body: Uint8Array
}

export const FORWARD_CODE = 0x6f

export function encodeForward({ body }: ForwardRequests): Uint8Array {
  return new ByteWriter(5 + body.length).u8(FORWARD_CODE).bytes(body).finish()
}

/** Throws `ProtocolViolation`. */
export function decodeForward(bytes: Uint8Array): ForwardRequests {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== FORWARD_CODE) throw new KnhkError('ProtocolViolation', 'not a message that forwards requests')
  const body = reader.bytes()
  reader.end()
  return { type: 'forwardRequests', body }
}
