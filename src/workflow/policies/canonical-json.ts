/**
 * The one text of a JSON value: keys in the order of their UTF-16 units, no white space, integers only
 * (after RFC 8785, without its floating point). Equal values have equal bytes, so policies can be
 * hashed, compared and signed.
 */
import { assert } from '../../base/assert.js'
import type { Json } from './policy.js'

export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    assert(Number.isSafeInteger(value), 'a number in a policy is an integer')
    return String(value + 0)
  }
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as Json)}`).join(',')}}`
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
