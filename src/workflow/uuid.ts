/**
 * UUIDs as text and as the 16 bytes that stand in operations and keys (RFC 9562, section 4). Any
 * version is taken; the text form is lower-case.
 */
import { fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

export const UUID_BYTES = 16
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Reads a UUID, upper- or lower-case; throws `InvalidArgument` that names `field`. */
export function uuidToBytes(text: string, field: string): Uint8Array {
  const lower = text.toLowerCase()
  if (!UUID_TEXT.test(lower)) {
    throw new KnhkError('InvalidArgument', `${field} is not a UUID: ${text.slice(0, 80)}`, { details: { field } })
  }
  return fromHex(lower.replaceAll('-', ''))
}

export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = toHex(bytes)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
