/**
 * What a command finds when it runs inside the REPL instead of in a process of its own: a connection
 * that stays open, a signal that Ctrl-C fires, and a listener for its error. It travels in the options
 * of the configuration, which oclif copies into the one that each command gets.
 */
import type { Config } from '@oclif/core/config'
import type { Connection } from './connection.js'
import type { ErrorReport } from './error-report.js'
import type { OutputFormat } from './printer.js'

const SESSION = Symbol('knhk session')

export interface CommandSession {
  /** Fires when the command that runs now is to end. */
  readonly signal: AbortSignal
  /** The form of output where a command names none. */
  readonly format: OutputFormat
  readonly connection: Connection
  /** The next line of the session's own input, for a command that reads lines; null at their end. */
  readLine(prompt: string): Promise<string | null>
  /** Told about a failed command; true when the session reports the error itself. */
  failed(report: ErrorReport): boolean
}

/** A view of `config` whose commands run in `session`; `config` itself stays as it is. */
export function withSession(config: Config, session: CommandSession): Config {
  const options = { ...config.options, [SESSION]: session }
  return Object.create(config, { options: { value: options, enumerable: true } }) as Config
}

/** Null in a process of its own. */
export function sessionOf(config: Config): CommandSession | null {
  return (config.options as { [SESSION]?: CommandSession })[SESSION] ?? null
}
