/**
 * Statements without a person: from --eval, a file, or piped standard input. Statements run one after
 * the other; the first failure stops the script, with its line and code, unless told otherwise.
 */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { KnhkError } from '../../base/error.js'
import { type ErrorReport, reportError } from '../error-report.js'
import { type DotContext, isDotCommand, nestedLine, recordStatement, runDotCommand } from './dot-commands.js'
import { LineFeed } from './line-feed.js'
import { StatementReader, type StatementResult } from './statements.js'

export interface ScriptOptions {
  readonly context: DotContext
  /** For messages: the file, or `standard input`. */
  readonly name: string
  readonly input: Readable
  readonly keepGoing: boolean
  readonly signal: AbortSignal
  /** Prints the error of a line that failed, with --keep-going. */
  readonly printError: (report: ErrorReport) => Promise<void>
}

/** Returns when all lines ran. Throws `ScriptStopped` with the line, the code and the exit code of what failed. */
export async function runScript(options: ScriptOptions): Promise<void> {
  const { context, input, keepGoing, signal } = options
  const reader = new StatementReader()
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  let stopped: KnhkError | null = null
  const settle = async (result: StatementResult): Promise<boolean> => {
    const failure = await runResult(result, context)
    if (failure === null) return true
    signal.throwIfAborted()
    stopped ??= scriptStopped(options.name, failure.line, failure.report)
    if (keepGoing) await options.printError(failure.report)
    return keepGoing
  }
  const feed = new LineFeed(lines)
  context.session.lineReader = async (_prompt, running) => {
    reader.skip()
    return nestedLine(await feed.next(running), context)
  }
  try {
    for (let line = await feed.next(signal); line !== null; line = await feed.next(signal)) {
      if (context.isOver || !(await settle(reader.add(line)))) break
    }
    const rest = context.isOver || (stopped !== null && !keepGoing) ? null : reader.end()
    if (rest !== null) await settle(rest)
  } finally {
    lines.close()
  }
  if (stopped !== null) throw stopped
}

/**
 * Runs each text as a line of its own; stops at the first that fails. Returns the exit code of what
 * ran last, and the error of it if the command did not print it itself.
 */
export async function runTexts(
  texts: readonly string[],
  context: DotContext,
): Promise<{ exitCode: number; unreported: ErrorReport | null }> {
  const queue = texts.flatMap((text) => {
    const lines = text.split('\n')
    return lines.map((line, i) => ({ line, isLast: i === lines.length - 1 }))
  })
  context.session.lineReader = async () => nestedLine(queue.shift()?.line ?? null, context)
  let reader = new StatementReader()
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
    const results = [reader.add(item.line), ...(item.isLast ? [reader.end()] : [])]
    if (item.isLast) reader = new StatementReader()
    for (const result of results) {
      const failure = result === null ? null : await runResult(result, context)
      if (failure !== null) return { exitCode: failure.report.exitCode, unreported: failure.unreported }
      if (context.isOver) return { exitCode: 0, unreported: null }
    }
  }
  return { exitCode: 0, unreported: null }
}

interface Failure {
  readonly line: number
  readonly report: ErrorReport
  /** The error where nobody has printed it; null for a command that ended with a code only, as `propose` does. */
  readonly unreported: ErrorReport | null
}

async function runResult(result: StatementResult, context: DotContext): Promise<Failure | null> {
  if (result.kind === 'more') return null
  if (result.kind === 'broken') {
    const report = reportError(new KnhkError('Usage', result.problem))
    return { line: result.line, report, unreported: report }
  }
  const { line, words } = result.statement
  if (isDotCommand(words)) {
    const report = await runDotCommand(words, context)
    await recordStatement(result.statement, report?.error.code ?? null, context)
    return report === null ? null : { line, report, unreported: report }
  }
  const { exitCode, report, unreported } = await context.session.run(words)
  await recordStatement(result.statement, exitCode === 0 ? null : (report?.error.code ?? `exit ${exitCode}`), context)
  if (exitCode === 0) return null
  if (report !== null) return { line, report, unreported }
  const ended = new KnhkError('Refused', `${words.join(' ')} ended with exit code ${exitCode}`)
  return { line, report: { error: ended, exitCode, stack: null }, unreported: null }
}

function scriptStopped(name: string, line: number, { error, exitCode }: ErrorReport): KnhkError {
  return new KnhkError('ScriptStopped', `${name}:${line}: [${error.code}] ${error.message}`, {
    cause: error,
    hint: error.hint,
    details: { ...error.details, file: name, line, code: error.code, exitCode },
  })
}
