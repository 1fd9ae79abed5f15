/**
 * What belongs to the REPL itself: .help .use .output .timing .watch .history .record .exit.
 */
import { KnhkError } from '../../base/error.js'
import { type ErrorReport, reportError } from '../error-report.js'
import { OUTPUT_FORMATS } from '../printer.js'
import { nearest } from '../suggest.js'
import type { History } from './history.js'
import { Recorder } from './recorder.js'
import type { ReplSession } from './repl-session.js'
import type { Statement } from './statements.js'

export const DOT_COMMANDS: Readonly<Record<string, string>> = {
  '.help': 'show this; `help` lists the commands',
  '.use': '.use CONTEXT: connect to another cluster',
  '.output': `.output ${OUTPUT_FORMATS.join('|')}: form of the results`,
  '.timing': '.timing on|off: show how long each command took',
  '.watch': '.watch [INTERVAL]: the cluster on the whole screen until Ctrl-C',
  '.record': '.record FILE|off: write what is done as a script that runs again',
  '.history': '.history [N]: the last lines, 20 by default',
  '.exit': 'leave (also Ctrl-D)',
}

const HISTORY_SHOWN = 20
const NOT_RECORDED: readonly string[] = ['.help', '.watch', '.record', '.history', '.exit', 'exit', 'quit', 'help']

export interface DotContext {
  readonly session: ReplSession
  /** Null without a terminal. */
  readonly history: History | null
  readonly write: (text: string) => Promise<void>
  timing: boolean
  recorder: Recorder | null
  /** Lines that the command of the last statement has read for itself. */
  nested: string[]
  isOver: boolean
}

export function isDotCommand(words: readonly string[]): boolean {
  return words[0]?.startsWith('.') === true
}

/** Returns what went wrong, null when nothing did. */
export async function runDotCommand(words: readonly string[], context: DotContext): Promise<ErrorReport | null> {
  try {
    await dispatch(words, context)
    return null
  } catch (error) {
    return reportError(error)
  }
}

async function dispatch([name = '', argument]: readonly string[], context: DotContext): Promise<void> {
  switch (name) {
    case '.help':
      return context.write(helpText())
    case '.use':
      if (argument === undefined) throw usage('which context?', '.use CONTEXT; `context list` shows them.')
      return context.session.use({ context: argument })
    case '.output': {
      const format = OUTPUT_FORMATS.find((one) => one === argument)
      if (format === undefined) throw usage('which form?', `.output ${OUTPUT_FORMATS.join('|')}`)
      context.session.format = format
      return
    }
    case '.timing':
      if (argument !== 'on' && argument !== 'off') throw usage('on or off?', '.timing on|off')
      context.timing = argument === 'on'
      return
    case '.watch': {
      const interval = argument === undefined ? [] : [`--interval=${argument}`]
      const { report } = await context.session.run(['watch', '--output=table', ...interval])
      if (report !== null) throw report.error
      return
    }
    case '.record':
      return record(argument, context)
    case '.history': {
      const count = argument === undefined ? HISTORY_SHOWN : Number(argument)
      if (!Number.isSafeInteger(count) || count < 1) throw usage('how many lines?', '.history [N]')
      return context.write((context.history?.last(count) ?? []).map((line) => `${line}\n`).join(''))
    }
    case '.exit':
      context.isOver = true
      return
    default: {
      const near = nearest(name, Object.keys(DOT_COMMANDS))
      throw usage(
        `${JSON.stringify(name)} is unknown`,
        near === null ? '.help shows what there is.' : `Did you mean ${near}?`,
      )
    }
  }
}

async function record(argument: string | undefined, context: DotContext): Promise<void> {
  if (argument === undefined) throw usage('into which file?', '.record FILE, and .record off at the end.')
  const recorder = argument === 'off' ? null : await Recorder.start(argument)
  await context.recorder?.stop()
  context.recorder = recorder
}

/** A line on its way to a command that reads lines; `.record` keeps it too. */
export function nestedLine(line: string | null, { nested, recorder }: DotContext): string | null {
  if (line !== null && recorder !== null) nested.push(line)
  return line
}

/** Adds a statement to the recording, if there is one. Looking around is left out. */
export async function recordStatement(
  { words, text }: Statement,
  code: string | null,
  context: DotContext,
): Promise<void> {
  const nested = context.nested.splice(0)
  if (words.length === 0 || NOT_RECORDED.includes(words[0] as string)) return
  await context.recorder?.add([text, ...nested].join('\n'), code)
}

function helpText(): string {
  const lines = Object.entries(DOT_COMMANDS).map(([name, text]) => `${name.padEnd(10)}${text}`)
  return `${lines.join('\n')}\nAll commands of the command line work here without \`knhk\`; a line that ends with \\ or inside a quote or brace goes on.\n`
}

function usage(message: string, hint: string): KnhkError {
  return new KnhkError('Usage', message, { hint })
}
