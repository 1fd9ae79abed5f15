/**
 * One session of the REPL: the connection that all its commands share, and the running of statements,
 * one after the other, by the very commands of the command line.
 */
import type { Config } from '@oclif/core/config'
import { KnhkError } from '../../base/error.js'
import type { TargetChoice } from '../../cluster/target.js'
import { cancellation } from '../cancellation.js'
import { type Connection, openConnection } from '../connection.js'
import { type ErrorReport, reportError } from '../error-report.js'
import type { OutputFormat } from '../printer.js'
import { type CommandSession, withSession } from '../session.js'
import { unknownCommand } from '../usage-errors.js'

/** Commands that take a process for themselves, or put an end to the key that the session is connected with. */
const OWN_PROCESS: readonly string[] = ['repl', 'node:start', 'keys:rotate']
const ID_WORDS_MAX = 3

export interface StatementOutcome {
  readonly exitCode: number
  /** What failed and is not yet printed; null otherwise. */
  readonly unreported: ErrorReport | null
  /** What failed, printed or not. */
  readonly report: ErrorReport | null
}

export interface ReplSessionOptions {
  readonly config: Config
  readonly connection: Connection
  readonly format: OutputFormat
  /** Errors are left to the caller instead of printed by the command. */
  readonly keepErrors: boolean
  /** Ends the command that runs, for good. */
  readonly signal: AbortSignal
}

/** Gives the next line of the session's input to a command that reads lines. */
export type LineReader = (prompt: string, signal: AbortSignal) => Promise<string | null>

const NO_LINES: LineReader = async () => null

export class ReplSession implements CommandSession {
  readonly config: Config
  format: OutputFormat
  connection: Connection
  /** Set by who owns the input. */
  lineReader: LineReader = NO_LINES
  readonly #keepErrors: boolean
  readonly #outer: AbortSignal
  #controller = cancellation()
  #failed: ErrorReport | null = null
  #isRunning = false

  constructor(options: ReplSessionOptions) {
    this.config = withSession(options.config, this)
    this.connection = options.connection
    this.format = options.format
    this.#keepErrors = options.keepErrors
    this.#outer = options.signal
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  readLine(prompt: string): Promise<string | null> {
    return this.lineReader(prompt, this.signal)
  }

  failed(report: ErrorReport): boolean {
    this.#failed = report
    return this.#keepErrors
  }

  /** Cancels the command that runs; the session goes on. */
  cancel(): void {
    this.#controller.abort(new KnhkError('Aborted', 'interrupted'))
  }

  /** Connects to another cluster. The old connection stays when the new one cannot be made. */
  async use(choice: TargetChoice): Promise<void> {
    const connection = await openConnection(choice, process.env)
    await this.connection.close()
    this.connection = connection
  }

  /** Runs one command; never throws for a command that fails. */
  async run(words: readonly string[]): Promise<StatementOutcome> {
    this.#controller = cancellation()
    this.#failed = null
    this.#isRunning = true
    const stop = () => this.cancel()
    this.#outer.addEventListener('abort', stop, { once: true })
    if (this.#outer.aborted) stop()
    const exitCode = process.exitCode
    process.exitCode = undefined
    try {
      const unreported = await this.#dispatch(words)
      const failed = this.#failed as ErrorReport | null
      const report = unreported ?? failed
      const code = report?.exitCode ?? Number(process.exitCode ?? 0)
      return { exitCode: code, report, unreported: unreported ?? (this.#keepErrors ? failed : null) }
    } finally {
      this.#isRunning = false
      this.#outer.removeEventListener('abort', stop)
      // A failed command leaves its code behind: the next one must not inherit it.
      process.exitCode = exitCode
    }
  }

  async #dispatch(words: readonly string[]): Promise<ErrorReport | null> {
    const line = words[0] === 'knhk' ? words.slice(1) : words
    if (line.length === 0) return null
    try {
      if (line[0] === 'help' || wantsHelp(line) || this.#isTopic(line)) {
        await this.#help(line)
        return null
      }
      const { id, args } = this.#find(line)
      if (OWN_PROCESS.includes(id)) {
        throw new KnhkError('Usage', `${id.replaceAll(':', ' ')} needs a process of its own`, {
          hint: 'Run it outside the REPL.',
        })
      }
      await this.config.runCommand(id, args)
      return null
    } catch (error) {
      return reportError(error)
    }
  }

  #find(line: readonly string[]): { id: string; args: string[] } {
    for (let count = Math.min(ID_WORDS_MAX, line.length); count > 0; count--) {
      const id = line.slice(0, count).join(':')
      const command = this.config.findCommand(id)
      if (command !== undefined) return { id, args: line.slice(count) }
    }
    throw unknownCommand(
      line,
      this.config.commands.map((command) => command.id.replaceAll(':', ' ')),
    )
  }

  #isTopic(line: readonly string[]): boolean {
    return (
      line.length === 1 &&
      this.config.findCommand(line[0] as string) === undefined &&
      this.config.findTopic(line[0] as string) !== undefined
    )
  }

  async #help(line: readonly string[]): Promise<void> {
    const { loadHelpClass } = await import('@oclif/core/help')
    const Help = await loadHelpClass(this.config)
    const subject = line.filter((word) => !word.startsWith('-') && word !== 'help')
    const known = subject.length === 0 || this.#isTopic(subject)
    const argv = known ? subject : [this.#find(subject).id]
    await new Help(this.config, { all: false }).showHelp(argv)
  }
}

function wantsHelp(line: readonly string[]): boolean {
  const end = line.indexOf('--')
  const flags = end === -1 ? line : line.slice(0, end)
  return flags.includes('--help') || flags.includes('-h')
}
