/**
 * What a command finds when it runs inside the REPL instead of in a process of its own: a connection
 * that stays open, a signal that Ctrl-C fires, and a listener for its error. It travels on the
 * configuration object that oclif hands to every command.
 */
import type { Config } from '@oclif/core/config'
import type { Target } from '../cluster/target.js'
import type { Connection } from './connection.js'
import type { ErrorReport } from './error-report.js'
import type { OutputFormat } from './printer.js'

const SESSION = Symbol('knhk session')

export interface CommandSession {
  /** Fires when the command that runs now is to end. */
  readonly signal: AbortSignal
  /** The form of output where a command names none. */
  readonly format: OutputFormat
  readonly target: Target
  readonly connection: Connection
  /** Told about a failed command; true when the session reports the error itself. */
  failed(report: ErrorReport): boolean
}

type ConfigWithSession = Config & { [SESSION]?: CommandSession }

export function attachSession(config: Config, session: CommandSession): void {
  ;(config as ConfigWithSession)[SESSION] = session
}

/** Null in a process of its own. */
export function sessionOf(config: Config): CommandSession | null {
  return (config as ConfigWithSession)[SESSION] ?? null
}
