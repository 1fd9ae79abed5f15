/**
 * Turns anything that was thrown into one report: code, message, hint, exit code. People get
 * `Error [CODE]: what` and what to do next; machines get the same fields as JSON. Stack traces and
 * internals stay out unless --verbose asks.
 */
import { KnhkError } from '../base/error.js'
import { ERROR_CODES } from '../base/error-codes.js'
import { columnsOf, folded } from './fold.js'
import { usageError } from './usage-errors.js'

export interface ErrorReport {
  readonly error: KnhkError
  readonly exitCode: number
  /** The stack of a defect, for --verbose; null for errors that are not ours to mend. */
  readonly stack: string | null
}

/** The contract of an error in JSON. */
export interface ErrorJson {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly details: KnhkError['details']
    readonly hint: string
    readonly retryable: boolean
  }
}

export const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const
export type StopSignal = keyof typeof SIGNAL_EXIT

/**
 * `flags` are the known flag names of the command, for suggestions; `stoppedBy` is the signal that
 * cancelled the work, if one did.
 */
export function reportError(
  thrown: unknown,
  flags: readonly string[] = [],
  stoppedBy: StopSignal | null = null,
): ErrorReport {
  const error = toKnhkError(thrown, flags)
  const exitCode =
    error.code === 'Aborted' && stoppedBy !== null ? SIGNAL_EXIT[stoppedBy] : ERROR_CODES[error.code].exit
  return { error, exitCode, stack: error.code === 'Bug' ? stackOf(thrown) : null }
}

export function errorJson({ code, message, details, hint, retryable }: KnhkError): ErrorJson {
  return { error: { code, message, details, hint, retryable } }
}

export interface ErrorTextOptions {
  readonly verbose: boolean
  readonly paint: (style: 'red' | 'dim', text: string) => string
}

/** One clear error for people: what, then what to do next. */
export function errorText({ error, stack }: ErrorReport, { verbose, paint }: ErrorTextOptions): string {
  const columns = columnsOf(process.stderr)
  const head = `Error [${error.code}]:`
  const lines = [folded(`${head} ${error.message}`, columns).replace(head, paint('red', head))]
  const why = causeText(error)
  if (why !== null) lines.push(folded(why, columns, '  '))
  lines.push(paint('dim', folded(error.hint, columns, '  ')))
  if (stack !== null) lines.push(verbose ? stack : '  Run with --verbose for the stack.')
  return lines.join('\n')
}

function toKnhkError(thrown: unknown, flags: readonly string[]): KnhkError {
  if (thrown instanceof KnhkError) return withoutParserWords(thrown)
  const usage = usageError(thrown, flags)
  if (usage !== null) return usage
  if (isAbort(thrown)) return new KnhkError('Aborted', 'interrupted', { cause: thrown })
  const message = thrown instanceof Error ? oneLine(thrown.message) : 'something that is not an error was thrown'
  return new KnhkError('Bug', `unexpected: ${message}`, { cause: thrown })
}

/** The flag parser writes its own words around the message of an error that a flag's reader throws. */
function withoutParserWords(error: KnhkError): KnhkError {
  const match = /^Parsing (--[a-z0-9-]+) \n\t([\s\S]*)\nSee more help with --help$/.exec(error.message)
  if (match === null) return error
  return new KnhkError(error.code, `${match[1]}: ${match[2]}`, { details: error.details, hint: error.hint })
}

function causeText({ cause, message }: KnhkError): string | null {
  if (!(cause instanceof KnhkError) || message.includes(cause.message)) return null
  return oneLine(cause.message)
}

function isAbort(thrown: unknown): boolean {
  const name = thrown instanceof Error ? thrown.name : ''
  // ExitPromptError: the person left a prompt with Ctrl-C.
  return name === 'AbortError' || name === 'ExitPromptError' || name === 'AbortPromptError'
}

function stackOf(thrown: unknown): string | null {
  const parts: string[] = []
  for (let error: unknown = thrown; error instanceof Error && parts.length < 5; error = error.cause) {
    parts.push(error.stack ?? error.message)
  }
  return parts.length === 0 ? null : parts.join('\ncaused by: ')
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
