/**
 * The body of a data entry: a count, then each request behind its length, byte for byte as the client
 * encoded it. A leader copies each request once, from the socket into the body; disk, wire and
 * followers handle that same buffer.
 */
import { readU32, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

/** Frames requests into a body: u32 count, then per request u32 length and its bytes. */
export function encodeBody(requests: readonly Uint8Array[]): Uint8Array {
  let length = 4
  for (const request of requests) length += 4 + request.length
  const body = new Uint8Array(length)
  writeU32(body, 0, requests.length)
  let at = 4
  for (const request of requests) {
    writeU32(body, at, request.length)
    body.set(request, at + 4)
    at += 4 + request.length
  }
  return body
}

/** How many requests a body says that it holds. */
export function requestsIn(body: Uint8Array): number {
  return body.length < 4 ? 0 : readU32(body, 0)
}

/** Calls `visit(start, end, ordinal)` for each request. Throws `ProtocolViolation` where the framing is broken. */
export function forEachRequest(body: Uint8Array, visit: (start: number, end: number, ordinal: number) => void): void {
  if (body.length === 0) return
  if (body.length < 4) throw new KnhkError('ProtocolViolation', 'a body is shorter than its count')
  const count = readU32(body, 0)
  let at = 4
  for (let ordinal = 0; ordinal < count; ordinal++) {
    if (body.length - at < 4) throw new KnhkError('ProtocolViolation', 'a body ends inside a request length')
    const length = readU32(body, at)
    const start = at + 4
    if (length > body.length - start) throw new KnhkError('ProtocolViolation', 'a body ends inside a request')
    at = start + length
    visit(start, at, ordinal)
  }
  if (at !== body.length) throw new KnhkError('ProtocolViolation', 'a body has bytes after its last request')
}
