/**
 * What belongs to the REPL itself: .help .use .output .timing .history .exit.
 */
import { KnhkError } from '../../base/error.js'
import { type ErrorReport, reportError } from '../error-report.js'
import { OUTPUT_FORMATS } from '../printer.js'
import { nearest } from '../suggest.js'
import type { History } from './history.js'
import type { ReplSession } from './repl-session.js'

export const DOT_COMMANDS: Readonly<Record<string, string>> = {
  '.help': 'show this; `help` lists the commands',
  '.use': '.use CONTEXT: connect to another cluster',
  '.output': `.output ${OUTPUT_FORMATS.join('|')}: form of the results`,
  '.timing': '.timing on|off: show how long each command took',
  '.history': '.history [N]: the last lines, 20 by default',
  '.exit': 'leave (also Ctrl-D)',
}

const HISTORY_SHOWN = 20

export interface DotContext {
  readonly session: ReplSession
  /** Null without a terminal. */
  readonly history: History | null
  readonly write: (text: string) => Promise<void>
  timing: boolean
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

function helpText(): string {
  const lines = Object.entries(DOT_COMMANDS).map(([name, text]) => `${name.padEnd(10)}${text}`)
  return `${lines.join('\n')}\nAll commands of the command line work here without \`knhk\`; a line that ends with \\ or inside a quote or brace goes on.\n`
}

function usage(message: string, hint: string): KnhkError {
  return new KnhkError('Usage', message, { hint })
}
