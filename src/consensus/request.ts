/**
 * A client request: the unit that a client encodes once (and, under BFT and hybrid, signs), that is a
 * leaf of the batch digest, and that nobody re-encodes on the way.
 *
 * Layout, little-endian: u8 version, u8 signature length (0 or 64), u16 operation count,
 * u32 session offset, u64 session index, u64 first sequence, u64 acked-below, 32 bytes client key;
 * per operation u32 length and its bytes; the signature.
 * The session id is the (index, offset) of the operation that opened it; (0, 0) means none.
 */
import { readU16, readU32, readU64, writeU16, writeU32, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

export const REQUEST_HEADER_BYTES = 64
export const OPERATIONS_PER_REQUEST_MAX = 65_535
const REQUEST_VERSION = 1

export interface SessionId {
  /** Log index of the opening operation; 0 for no session. */
  readonly index: number
  /** Its offset among the operations of that entry. */
  readonly offset: number
}

export const NO_SESSION: SessionId = { index: 0, offset: 0 }

export interface RequestHeader {
  readonly session: SessionId
  /** Sequence number of the first operation; the others count up from it. */
  readonly firstSequence: number
  /** Every sequence number below has been answered to this client. */
  readonly ackedBelow: number
  /** Ed25519 public key, 32 bytes. */
  readonly clientKey: Uint8Array
  readonly operationCount: number
  readonly signatureLength: number
}

/** What a client fills in; the rest follows from the operations. */
export type RequestFields = Omit<RequestHeader, 'operationCount' | 'signatureLength'>

/** Bytes of the unsigned request. Throws `InvalidArgument` for a number of operations out of bounds. */
export function requestLength(operations: readonly Uint8Array[]): number {
  if (operations.length === 0 || operations.length > OPERATIONS_PER_REQUEST_MAX) {
    const message = `a request holds 1 to ${OPERATIONS_PER_REQUEST_MAX} operations, not ${operations.length}`
    throw new KnhkError('InvalidArgument', message)
  }
  let length = REQUEST_HEADER_BYTES
  for (const operation of operations) length += 4 + operation.length
  return length
}

/** Writes an unsigned request at `start`: exactly what is hashed, stored and replicated. */
export function writeRequest(
  out: Uint8Array,
  start: number,
  header: RequestFields,
  operations: readonly Uint8Array[],
): void {
  out[start] = REQUEST_VERSION
  out[start + 1] = 0
  writeU16(out, start + 2, operations.length)
  writeU32(out, start + 4, header.session.offset)
  writeU64(out, start + 8, header.session.index)
  writeU64(out, start + 16, header.firstSequence)
  writeU64(out, start + 24, header.ackedBelow)
  out.set(header.clientKey, start + 32)
  let at = start + REQUEST_HEADER_BYTES
  for (const operation of operations) {
    writeU32(out, at, operation.length)
    out.set(operation, at + 4)
    at += 4 + operation.length
  }
}

/** The unsigned request in a buffer of its own. */
export function encodeRequest(header: RequestFields, operations: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(requestLength(operations))
  writeRequest(out, 0, header, operations)
  return out
}

/**
 * What is wrong with an unsigned request of the client with this key: null when nothing is. Allocates
 * nothing: it runs once per request on a leader.
 */
export function requestProblem(request: Uint8Array, clientKey: Uint8Array): 'malformed' | 'signed' | 'foreign' | null {
  if (request.length < REQUEST_HEADER_BYTES || request[0] !== REQUEST_VERSION) return 'malformed'
  if (request[1] !== 0) return 'signed'
  for (let i = 0; i < 32; i++) if (request[32 + i] !== clientKey[i]) return 'foreign'
  let at = REQUEST_HEADER_BYTES
  let left = readU16(request, 2)
  if (left === 0) return 'malformed'
  for (; left > 0; left--) {
    if (request.length - at < 4) return 'malformed'
    at += 4 + readU32(request, at)
    if (at > request.length) return 'malformed'
  }
  return at === request.length ? null : 'malformed'
}

/** Decodes the header at `start`. Throws `ProtocolViolation`; `clientKey` is a view. */
export function decodeRequestHeader(bytes: Uint8Array, start: number, end: number): RequestHeader {
  if (end - start < REQUEST_HEADER_BYTES)
    throw new KnhkError('ProtocolViolation', 'a request is shorter than its header')
  if (bytes[start] !== REQUEST_VERSION)
    throw new KnhkError('ProtocolViolation', `request version ${bytes[start]} is unknown`)
  const signatureLength = bytes[start + 1] as number
  if (signatureLength !== 0 && signatureLength !== 64)
    throw new KnhkError('ProtocolViolation', 'a signature has 0 or 64 bytes')
  const operationCount = readU16(bytes, start + 2)
  if (operationCount === 0) throw new KnhkError('ProtocolViolation', 'a request without operations')
  return {
    session: { offset: readU32(bytes, start + 4), index: readU64(bytes, start + 8) },
    firstSequence: readU64(bytes, start + 16),
    ackedBelow: readU64(bytes, start + 24),
    clientKey: bytes.subarray(start + 32, start + 64),
    operationCount,
    signatureLength,
  }
}
