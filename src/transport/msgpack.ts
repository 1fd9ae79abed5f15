/**
 * Plain data in msgpack, for what is never hashed, signed or stored: queries, their answers, details.
 * Neither records nor extension types are spoken, so the bytes hold data and nothing else.
 */
import { Packr, Unpackr } from 'msgpackr'
import { KnhkError } from '../base/error.js'

const packr = new Packr({ useRecords: false, moreTypes: false })
const unpackr = new Unpackr({ useRecords: false, moreTypes: false, mapsAsObjects: true })

export function packValue(value: unknown): Uint8Array {
  return packr.pack(value)
}

/** Throws `ProtocolViolation`. */
export function unpackValue(bytes: Uint8Array): unknown {
  try {
    return unpackr.unpack(bytes)
  } catch (cause) {
    throw new KnhkError('ProtocolViolation', 'a value is not valid msgpack', { cause })
  }
}

/** Throws `ProtocolViolation` where the bytes are no record. */
export function unpackRecord(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  const value = unpackValue(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new KnhkError('ProtocolViolation', `${what} are not a record`)
  }
  return value as Readonly<Record<string, unknown>>
}
