/**
 * The one error class of knhk. Every room throws `KnhkError` with a code of `error-codes.ts`; the code
 * decides the exit code, the hint and whether a retry can help, so a message reads the same in the
 * terminal, in JSON and in `knhk explain`.
 */
import { ERROR_CODES, type ErrorCode } from './error-codes.js'

/** Facts about one failure, for JSON output; integers, booleans, strings and null only. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>

export interface KnhkErrorOptions {
  readonly cause?: unknown
  readonly details?: ErrorDetails
  /** What to do next; the code's own hint when absent. */
  readonly hint?: string
}

export class KnhkError extends Error {
  override readonly name = 'KnhkError'
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly hint: string
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: KnhkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    this.hint = options.hint ?? ERROR_CODES[code].hint
    this.retryable = ERROR_CODES[code].retryable
  }
}

/** True when `error` is ours and carries this code. */
export function hasCode(error: unknown, code: ErrorCode): error is KnhkError {
  return error instanceof KnhkError && error.code === code
}
