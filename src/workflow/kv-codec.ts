/**
 * The data of the built-in key-value operations. put: u16 key length, key, u32 value length, value;
 * get, delete: u16 key length, key; cas: as put with, between key and value, u8 1 and the expected
 * value behind its u32 length, or u8 0 for "the key must be absent".
 */
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX } from './limits.js'
import type { KvOperation, Operation } from './operations.js'

/** The Custom operation that carries `kv`. Throws `InvalidArgument` where a size is over its limit. */
export function kvOperation(kv: KvOperation): Operation & { readonly type: 'Custom' } {
  checkKey(kv.key)
  const out = new ByteWriter(32 + kv.key.length).u16(kv.key.length).raw(kv.key)
  if (kv.operation === 'kv.cas') {
    out.u8(kv.expected === null ? 0 : 1)
    if (kv.expected !== null) out.bytes(checkValue(kv.expected, 'expected'))
  }
  if (kv.operation === 'kv.put' || kv.operation === 'kv.cas') out.bytes(checkValue(kv.value, 'value'))
  return { type: 'Custom', operation: kv.operation, data: out.finish() }
}

/** Decodes the data of a kv operation strictly, without the size limits; null for any other name. Throws `ProtocolViolation`. */
export function decodeKv(operation: string, data: Uint8Array): KvOperation | null {
  if (!isKvName(operation)) return null
  const reader = new ByteReader(data)
  const key = reader.raw(reader.u16())
  const expected = operation === 'kv.cas' && reader.flag() ? reader.bytes() : null
  const value = operation === 'kv.put' || operation === 'kv.cas' ? reader.bytes() : null
  reader.end()
  if (operation === 'kv.get' || operation === 'kv.delete') return { operation, key }
  if (value === null) throw new KnhkError('Bug', 'put and cas read a value')
  return operation === 'kv.put' ? { operation, key, value } : { operation, key, expected, value }
}

export function isKvName(name: string): name is KvOperation['operation'] {
  return name === 'kv.put' || name === 'kv.get' || name === 'kv.delete' || name === 'kv.cas'
}

function checkKey(key: Uint8Array): void {
  if (key.length === 0 || key.length > KV_KEY_BYTES_MAX) {
    throw new KnhkError('InvalidArgument', `a key has 1 to ${KV_KEY_BYTES_MAX} bytes, not ${key.length}`, {
      details: { field: 'key' },
    })
  }
}

function checkValue(value: Uint8Array, field: string): Uint8Array {
  if (value.length > KV_VALUE_BYTES_MAX) {
    throw new KnhkError('InvalidArgument', `${field} has ${value.length} bytes, over ${KV_VALUE_BYTES_MAX}`, {
      details: { field },
    })
  }
  return value
}
