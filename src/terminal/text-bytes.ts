/**
 * Keys and values on the command line: UTF-8 texts, or base64 with --base64.
 */
import { fromUtf8, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'

export function bytesOfText(text: string, base64: boolean, field: string): Uint8Array {
  if (!base64) return toUtf8(text)
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) {
    throw new KnhkError('InvalidArgument', `${field} is not base64`, { details: { field } })
  }
  return Uint8Array.from(bytes)
}

/** Throws `InvalidArgument` where the bytes are no UTF-8 and `base64` is off. */
export function textOfBytes(bytes: Uint8Array, base64: boolean, field: string): string {
  if (base64) return Buffer.from(bytes).toString('base64')
  try {
    return fromUtf8(bytes)
  } catch {
    throw new KnhkError('InvalidArgument', `${field} is not UTF-8 text`, {
      hint: 'Ask again with --base64.',
      details: { field },
    })
  }
}
