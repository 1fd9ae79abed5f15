/**
 * Why an overlay is rejected, before it becomes the bytes of a result. The pure rules of this folder
 * return one of these, or null. Texts are short: a result takes at most 160 bytes, which `refusalResult`
 * checks, because sessions keep every result of an operation that writes.
 */
import { assert } from '../../base/assert.js'
import { toUtf8 } from '../../base/bytes.js'
import type { ErrorDetails } from '../../base/error.js'
import type { ErrorCode } from '../../base/error-codes.js'
import { SMALL_RESULT_BYTES } from '../limits.js'
import { rejected } from '../result-codec.js'

export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly details: ErrorDetails
}

/** Names from the client are cut to this many bytes of UTF-8. */
const NAME_BYTES_MAX = 24

export function refuse(code: ErrorCode, message: string, details: ErrorDetails = {}): Refusal {
  return { code, message, details }
}

/** A name for a message or a detail. By bytes, not characters: a result has a fixed room. */
export function shortName(name: string): string {
  let bytes = 0
  let cut = ''
  for (const character of name) {
    bytes += toUtf8(character).length
    if (bytes > NAME_BYTES_MAX) return `${cut}…`
    cut += character
  }
  return name
}

export function refusalResult({ code, message, details }: Refusal): Uint8Array {
  const result = rejected(code, message, details)
  assert(result.length <= SMALL_RESULT_BYTES, `the rejection ${code} is short`)
  return result
}
