/**
 * An operation under a request id as bytes, strictly: u8 type, u8 length and request id (ASCII), u32 length and
 * the operation. What it means is in `request-keys.ts`.
 */
import { ByteReader, type ByteWriter, fromUtf8, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { REQUEST_ID_CHARS_MAX } from './limits.js'
import type { OnceOperation, Operation } from './operations.js'

export const ONCE_TYPE = 18

/** Operations that are about sessions, or the log itself, and this one: a request id says nothing to them. */
const NEVER_INSIDE: readonly Operation['type'][] = ['OpenSession', 'CloseSession', 'Fence', 'Once']
const REQUEST_ID = /^[\x21-\x7e]+$/

export function isRequestId(text: string): boolean {
  return text.length <= REQUEST_ID_CHARS_MAX && REQUEST_ID.test(text)
}

/** Appends type and fields; `encoded` is the operation inside. Throws `InvalidArgument` that names the field. */
export function writeOnce(out: ByteWriter, { requestId, operation }: OnceOperation, encoded: Uint8Array): ByteWriter {
  if (!isRequestId(requestId)) {
    throw invalidField('requestId', `is not 1 to ${REQUEST_ID_CHARS_MAX} printable ASCII characters without spaces`)
  }
  if (NEVER_INSIDE.includes(operation.type)) throw invalidField('operation', 'is none that a request id can name')
  return out.u8(ONCE_TYPE).u8(requestId.length).raw(toUtf8(requestId)).bytes(encoded)
}

/** Decodes the fields. Throws `ProtocolViolation`. */
export function readOnce(reader: ByteReader, decode: (bytes: Uint8Array) => Operation): OnceOperation {
  const requestId = readRequestId(reader)
  const bytes = reader.bytes()
  // Looked at before it is decoded, so that nothing nests.
  if (bytes[0] === ONCE_TYPE) throw violation('a request id stands inside another')
  const operation = decode(bytes)
  if (NEVER_INSIDE.includes(operation.type)) throw violation('an operation has a request id that cannot have one')
  return { type: 'Once', requestId, operation }
}

/** The operation inside, where it stands: the machine runs those very bytes. */
export interface OnceFields {
  readonly requestId: string
  readonly start: number
  readonly end: number
}

/** Reads the fields at [start, end), behind the type. Throws `ProtocolViolation`. */
export function readOnceFields(bytes: Uint8Array, start: number, end: number): OnceFields {
  const reader = new ByteReader(bytes.subarray(start, end))
  const requestId = readRequestId(reader)
  const { length } = reader.bytes()
  const from = start + reader.position - length
  reader.end()
  return { requestId, start: from, end: from + length }
}

function readRequestId(reader: ByteReader): string {
  const requestId = fromUtf8(reader.raw(reader.u8()))
  if (!isRequestId(requestId)) throw violation('a request id is malformed')
  return requestId
}

function invalidField(field: string, why: string): KnhkError {
  return new KnhkError('InvalidArgument', `${field} ${why}`, { details: { field } })
}

function violation(message: string): KnhkError {
  return new KnhkError('ProtocolViolation', message)
}
