/**
 * Opens the REPL: connects, then reads statements from --eval, a file, piped input or a person.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Config } from '@oclif/core/config'
import { KnhkError } from '../../base/error.js'
import { fileError } from '../../cluster/files.js'
import type { TargetChoice } from '../../cluster/target.js'
import { painter, wantsColour } from '../colours.js'
import { openConnection } from '../connection.js'
import { type ErrorReport, errorJson, errorText } from '../error-report.js'
import type { OutputFormat } from '../printer.js'
import type { DotContext } from './dot-commands.js'
import { History } from './history.js'
import { runInteractive } from './interactive.js'
import { ReplSession } from './repl-session.js'
import { runScript, runTexts } from './script.js'

export interface ReplOptions {
  readonly config: Config
  readonly choice: TargetChoice
  readonly format: OutputFormat
  readonly evaluate: readonly string[]
  /** Null for standard input. */
  readonly file: string | null
  readonly keepGoing: boolean
  readonly noColour: boolean
  readonly signal: AbortSignal
}

/** Returns the exit code. Throws `ScriptStopped`, or what keeps it from starting. */
export async function runRepl(options: ReplOptions): Promise<number> {
  const { config, format, evaluate, signal } = options
  const isPerson =
    evaluate.length === 0 && options.file === null && process.stdin.isTTY === true && process.stdout.isTTY === true
  const input = evaluate.length > 0 || isPerson ? null : await openInput(options.file)
  const connection = await openConnection(options.choice, process.env)
  const session = new ReplSession({ config, connection, format, keepErrors: input !== null, signal })
  const history = isPerson ? await History.load(process.env) : null
  const context: DotContext = { session, history, write, timing: false, recorder: null, nested: [], isOver: false }
  const paint = painter(
    wantsColour({ isTTY: process.stderr.isTTY === true, environment: process.env, forbidden: options.noColour }),
  )
  const printError = (report: ErrorReport) => printReport(report, session.format, paint)
  try {
    if (history !== null) await runInteractive({ context, history, paint, signal })
    else if (input !== null) {
      await runScript({
        context,
        name: options.file ?? 'standard input',
        input,
        keepGoing: options.keepGoing,
        signal,
        printError,
      })
    } else {
      const { exitCode, unreported } = await runTexts(evaluate, context)
      if (unreported !== null) await printError(unreported)
      return exitCode
    }
    return 0
  } finally {
    await context.recorder?.stop()
    await session.connection.close()
  }
}

/** The REPL on a local cluster, for a person who just started it. */
export async function runReplOn(
  config: Config,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<void> {
  await runRepl({
    config,
    choice: { dir },
    format: 'table',
    evaluate: [],
    file: null,
    keepGoing: false,
    noColour: false,
    signal,
  })
}

async function openInput(file: string | null): Promise<Readable> {
  if (file === null || file === '-') return process.stdin
  try {
    const handle = await open(file, 'r')
    const isDirectory = (await handle.stat()).isDirectory()
    await handle.close()
    if (isDirectory) throw new KnhkError('InvalidFile', `${file} is a directory`, { details: { path: file } })
  } catch (cause) {
    throw cause instanceof KnhkError ? cause : fileError(file, 'read', cause)
  }
  return createReadStream(file)
}

async function write(text: string): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()))
}

async function printReport(
  report: ErrorReport,
  format: OutputFormat,
  paint: ReturnType<typeof painter>,
): Promise<void> {
  if (format === 'json' || format === 'ndjson') await write(`${JSON.stringify(errorJson(report.error))}\n`)
  else process.stderr.write(`${errorText(report, { verbose: false, paint })}\n`)
}
