/** The payload of an OpenSession result: u64 index and u32 offset of the opening operation. */
import { ByteReader, writeU32, writeU64 } from '../base/bytes.js'
import type { SessionId } from '../consensus/request.js'
import { ok } from './result-codec.js'

/** The encoded result of the operation that opened a session. */
export function encodeSessionId(id: SessionId): Uint8Array {
  const payload = new Uint8Array(12)
  writeU64(payload, 0, id.index)
  writeU32(payload, 8, id.offset)
  return ok(payload)
}

/** Reads the payload of an OpenSession result. Throws `ProtocolViolation`. */
export function decodeSessionId(payload: Uint8Array): SessionId {
  const reader = new ByteReader(payload)
  const id = { index: reader.u64(), offset: reader.u32() }
  reader.end()
  return id
}
