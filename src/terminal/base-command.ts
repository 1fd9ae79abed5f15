/**
 * What every command shares: output in the form that was asked for, one clear error with the
 * documented exit code, cancellation by Ctrl-C, and the notes on stderr. oclif's own --json is not
 * used: it loses exit codes and prints the parser's state.
 */
import { Command } from '@oclif/core/command'
import type { FlagInput, Input, ParserOutput } from '@oclif/core/interfaces'
import { KnhkError } from '../base/error.js'
import { cancellation } from './cancellation.js'
import { type Paint, painter, wantsColour } from './colours.js'
import type { Configurable } from './config-file.js'
import { errorJson, errorText, reportError, SIGNAL_EXIT, type StopSignal } from './error-report.js'
import { splitRepeated, withVariables } from './flag-variables.js'
import { outputFlags } from './flags.js'
import { OUTPUT_FORMATS, type Output, type OutputFormat, render } from './printer.js'
import type { JsonSchema } from './schema.js'
import { type CommandSession, sessionOf } from './session.js'
import { type Progress, startProgress } from './spinner.js'

/** What running a command can change: nothing, the cluster or files, or something hard to undo. */
export type Impact = 'read' | 'write' | 'dangerous'

/** Parsed flags or arguments by name. */
type Values = Record<string, unknown>

interface Settings {
  readonly format: OutputFormat
  readonly quiet: boolean
  readonly verbose: boolean
  readonly noColour: boolean
}

export abstract class BaseCommand extends Command {
  static override baseFlags: FlagInput = outputFlags
  static impact: Impact = 'read'
  /** Running it again changes nothing more. */
  static idempotent = true
  /** Besides 0, 2 (usage), 70 (defect) and 130 (Ctrl-C), which every command has. */
  static exitCodes: readonly number[] = []
  /** Of the JSON result. */
  static schema: JsonSchema | null = null

  /** Flags that stand on the command line, as opposed to defaults and the environment. */
  protected given: ReadonlySet<string> = new Set()
  readonly #controller = cancellation()
  #settings: Settings | null = null
  #stoppedBy: StopSignal | null = null
  #removeHandlers: () => void = () => undefined

  /** Fires on Ctrl-C; goes into every call that can wait. */
  protected get signal(): AbortSignal {
    return this.session?.signal ?? this.#controller.signal
  }

  /** The REPL that runs this command, null in a process of its own. */
  protected get session(): CommandSession | null {
    return sessionOf(this.config)
  }

  protected get format(): OutputFormat {
    return this.#current().format
  }

  protected get verbose(): boolean {
    return this.#current().verbose
  }

  protected override async init(): Promise<void> {
    await super.init()
    if (this.session !== null) return
    this.stopOn('SIGINT')
    const { variablesOfConfigFile } = await import('./config-file.js')
    Object.assign(process.env, await variablesOfConfigFile(process.env, () => configurable(this.config.commands)))
  }

  /** From now on this signal cancels the work; a second one ends the process at once. */
  protected stopOn(name: StopSignal): void {
    const stop = () => {
      this.#stoppedBy = name
      this.#controller.abort(new KnhkError('Aborted', 'interrupted'))
    }
    process.once(name, stop)
    const before = this.#removeHandlers
    this.#removeHandlers = () => {
      before()
      process.removeListener(name, stop)
    }
  }

  protected override async parse<F extends Values, B extends Values, A extends Values>(
    options?: Input<F, B, A>,
    argv?: string[],
  ): Promise<ParserOutput<F, B, A>> {
    const id = this.id ?? ''
    const flags = withVariables(id, { ...options?.flags } as FlagInput)
    const baseFlags = withVariables(id, { ...this.ctor.baseFlags, ...options?.baseFlags } as FlagInput)
    const parsed = await super.parse({ ...options, flags, baseFlags } as Input<F, B, A>, argv)
    splitRepeated({ ...baseFlags, ...flags }, parsed.flags)
    this.given = new Set(parsed.raw.flatMap((token) => (token.type === 'flag' ? [token.flag] : [])))
    const values = parsed.flags as Values
    const named =
      this.given.has('output') || this.session === null ? (values.output as OutputFormat | undefined) : undefined
    this.#settings = {
      format: values.json === true ? 'json' : (named ?? this.session?.format ?? 'table'),
      quiet: values.quiet === true,
      verbose: values.verbose === true,
      noColour: values['no-color'] === true,
    }
    return parsed
  }

  /** Prints a result on stdout in the form that was asked for. */
  protected async print(output: Output): Promise<void> {
    await this.write(await render(output, this.format, this.paintFor(process.stdout)))
  }

  /** Writes to stdout and waits until it is taken, so that a slow reader slows us down. */
  protected async write(text: string): Promise<void> {
    if (text === '') return
    await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()))
  }

  /** A note for people on stderr; silent with --quiet. */
  protected note(text: string): void {
    if (!this.#current().quiet) process.stderr.write(`${text}\n`)
  }

  protected async progress(text: string): Promise<Progress> {
    return startProgress(text, !this.#current().quiet && !this.#current().noColour)
  }

  protected get paint(): Paint {
    return this.paintFor(process.stderr)
  }

  /** Ends with this code after everything is printed; only for codes that are no error. */
  protected endWith(exitCode: number): void {
    process.exitCode = exitCode
  }

  /** Waits for what has no end of its own: Ctrl-C is how it ends, so that is no error; the exit code says it. */
  protected async untilInterrupted(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (!this.signal.aborted) throw error
      if (this.session === null) this.endWith(SIGNAL_EXIT[this.#stoppedBy ?? 'SIGINT'])
    }
  }

  protected override async catch(thrown: unknown): Promise<void> {
    const names = Object.keys({ ...this.ctor.baseFlags, ...this.ctor.flags })
    const report = reportError(thrown, names, this.#stoppedBy)
    process.exitCode = report.exitCode
    if (this.session?.failed(report) === true) return
    const { format, verbose } = this.#current()
    const json = errorJson(report.error)
    if (format === 'json') await this.write(`${JSON.stringify(json, null, 2)}\n`)
    else if (format === 'ndjson') await this.write(`${JSON.stringify(json)}\n`)
    else process.stderr.write(`${errorText(report, { verbose, paint: this.paintFor(process.stderr) })}\n`)
  }

  protected override async finally(_error: Error | undefined): Promise<void> {
    this.#removeHandlers()
  }

  protected paintFor(stream: NodeJS.WriteStream): Paint {
    const forbidden = this.#current().noColour
    return painter(wantsColour({ isTTY: stream.isTTY === true, environment: process.env, forbidden }))
  }

  /** Before the flags are parsed, or when they cannot be, what the words themselves say. */
  #current(): Settings {
    if (this.#settings !== null) return this.#settings
    const end = this.argv.indexOf('--')
    const words = end === -1 ? this.argv : this.argv.slice(0, end)
    const named =
      words.flatMap((word, i) => {
        if (word === '--output' || word === '-o') return [words[i + 1]]
        return word.startsWith('--output=') ? [word.slice('--output='.length)] : []
      })[0] ?? process.env.KNHK_OUTPUT
    const format = OUTPUT_FORMATS.find((one) => one === named)
    return {
      format: words.includes('--json') ? 'json' : (format ?? this.session?.format ?? 'table'),
      quiet: words.includes('--quiet') || words.includes('-q'),
      verbose: words.includes('--verbose'),
      noColour: words.includes('--no-color'),
    }
  }
}

/** What a configuration file may set. */
function configurable(commands: readonly Command.Cached[]): Configurable[] {
  return commands.map(({ id, flags }) => ({
    id: id.replaceAll(':', ' '),
    flags: Object.fromEntries(Object.entries(flags).map(([name, { env }]) => [name, env === undefined ? {} : { env }])),
  }))
}
