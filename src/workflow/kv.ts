/**
 * The built-in key-value operations. A record is the index of its last write and the value, so an
 * ordered read and a query can say how new a value is. Decoding is done in place: a put makes one key
 * string and one record, nothing else (docs/performance.md).
 */
import { readU16, readU32, readU64, writeU64 } from '../base/bytes.js'
import type { ApplyContext, Handler } from './handlers.js'
import { KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX } from './limits.js'
import { OK, ok, rejected } from './result-codec.js'
import { binaryString, KV_SPACE } from './state-keys.js'

const KV_RECORD_HEADER_BYTES = 8

const MALFORMED = rejected('InvalidOperation', 'the data of the kv operation is malformed')
const BAD_KEY = rejected('InvalidOperation', `a key has 1 to ${KV_KEY_BYTES_MAX} bytes`)
const BAD_VALUE = rejected('InvalidOperation', `a value has at most ${KV_VALUE_BYTES_MAX} bytes`)
const EXISTED = ok(new Uint8Array([1]))
const DID_NOT_EXIST = ok(new Uint8Array([0]))

/** The value of a stored record, a view. */
export function kvValue(record: Uint8Array): Uint8Array {
  return record.subarray(KV_RECORD_HEADER_BYTES)
}

/** Log index of the write that made a record. */
export function kvIndex(record: Uint8Array): number {
  return readU64(record, 0)
}

function stateKey(bytes: Uint8Array, start: number, length: number): string {
  return binaryString(bytes, start + 2, start + 2 + length, KV_SPACE)
}

/** Length of the key at `start`; −1 where the data is too short for it. */
function keyLength(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 2) return -1
  const length = readU16(bytes, start)
  return length > end - start - 2 ? -1 : length
}

function isKeyLength(length: number): boolean {
  return length > 0 && length <= KV_KEY_BYTES_MAX
}

function newRecord(context: ApplyContext, bytes: Uint8Array, start: number, end: number): Uint8Array {
  const record = context.slab.take(KV_RECORD_HEADER_BYTES + end - start)
  writeU64(record, 0, context.index)
  record.set(bytes.subarray(start, end), KV_RECORD_HEADER_BYTES)
  return record
}

const put: Handler = {
  name: 'kv.put',
  version: 1,
  role: 'writer',
  readOnly: false,
  apply(context, bytes, start, end) {
    const length = keyLength(bytes, start, end)
    const valueAt = start + 6 + length
    if (length < 0 || valueAt > end || readU32(bytes, valueAt - 4) !== end - valueAt) return MALFORMED
    if (!isKeyLength(length)) return BAD_KEY
    if (end - valueAt > KV_VALUE_BYTES_MAX) return BAD_VALUE
    context.state.put(stateKey(bytes, start, length), newRecord(context, bytes, valueAt, end))
    return OK
  },
}

const get: Handler = {
  name: 'kv.get',
  version: 1,
  role: 'reader',
  readOnly: true,
  apply(context, bytes, start, end) {
    const length = keyLength(bytes, start, end)
    if (length < 0 || start + 2 + length !== end) return MALFORMED
    if (!isKeyLength(length)) return BAD_KEY
    const record = context.state.get(stateKey(bytes, start, length))
    return record === undefined ? OK : ok(record)
  },
}

const remove: Handler = {
  name: 'kv.delete',
  version: 1,
  role: 'writer',
  readOnly: false,
  apply(context, bytes, start, end) {
    const length = keyLength(bytes, start, end)
    if (length < 0 || start + 2 + length !== end) return MALFORMED
    if (!isKeyLength(length)) return BAD_KEY
    const key = stateKey(bytes, start, length)
    if (context.state.get(key) === undefined) return DID_NOT_EXIST
    context.state.delete(key)
    return EXISTED
  },
}

const compareAndSet: Handler = {
  name: 'kv.cas',
  version: 1,
  role: 'writer',
  readOnly: false,
  apply(context, bytes, start, end) {
    const length = keyLength(bytes, start, end)
    const flagAt = start + 2 + length
    if (length < 0 || flagAt >= end || (bytes[flagAt] as number) > 1) return MALFORMED
    let at = flagAt + 1
    let expectedAt = -1
    let expectedEnd = -1
    if (bytes[flagAt] === 1) {
      expectedAt = at + 4
      if (expectedAt > end || readU32(bytes, at) > end - expectedAt) return MALFORMED
      expectedEnd = expectedAt + readU32(bytes, at)
      at = expectedEnd
    }
    const valueAt = at + 4
    if (valueAt > end || readU32(bytes, at) !== end - valueAt) return MALFORMED
    if (!isKeyLength(length)) return BAD_KEY
    if (end - valueAt > KV_VALUE_BYTES_MAX || expectedEnd - expectedAt > KV_VALUE_BYTES_MAX) return BAD_VALUE
    const key = stateKey(bytes, start, length)
    const record = context.state.get(key)
    if (!matches(record, bytes, expectedAt, expectedEnd)) return mismatch(record)
    context.state.put(key, newRecord(context, bytes, valueAt, end))
    return OK
  },
}

/** `expectedAt` −1: the key must be absent. */
function matches(record: Uint8Array | undefined, bytes: Uint8Array, expectedAt: number, expectedEnd: number): boolean {
  if (record === undefined || expectedAt < 0) return record === undefined && expectedAt < 0
  const length = record.length - KV_RECORD_HEADER_BYTES
  if (length !== expectedEnd - expectedAt) return false
  for (let i = 0; i < length; i++) if (record[KV_RECORD_HEADER_BYTES + i] !== bytes[expectedAt + i]) return false
  return true
}

function mismatch(record: Uint8Array | undefined): Uint8Array {
  return record === undefined
    ? rejected('CompareMismatch', 'the key is absent', { absent: true, currentIndex: null })
    : rejected('CompareMismatch', 'the current value is not the expected one', {
        absent: false,
        currentIndex: kvIndex(record),
      })
}

export const KV_HANDLERS: readonly Handler[] = [put, get, remove, compareAndSet]
