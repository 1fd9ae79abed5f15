/** `sim step`: lines in, what happened out; the same on a terminal, through a pipe and inside the REPL. */
import { createInterface } from 'node:readline'
import { KnhkError } from '../base/error.js'
import { readScenario } from '../simulator/scenario/index.js'
import { LineFeed } from './repl/line-feed.js'
import { freeScenario, STEP_COMMANDS, StepSession } from './sim-step-session.js'

/** A line that is longer is refused. */
const LINE_CHARACTERS_MAX = 10_000
const PROMPT = 'sim> '

export interface SimStepOptions {
  /** Null for a free cluster. */
  readonly file: string | null
  readonly seed: number
  readonly nodes: number
  /** The next line; null at their end. Throws what cancels the command. */
  readonly readLine: (prompt: string) => Promise<string | null>
  readonly write: (text: string) => Promise<void>
}

/** Runs until the input ends or says `quit`. True when nothing went wrong. Throws `InvalidFile`. */
export async function runSimStep(options: SimStepOptions): Promise<boolean> {
  const { file, seed, nodes, write, readLine } = options
  const text = file === null ? freeScenario(seed, nodes) : await readScenario(file)
  const session = await StepSession.open({ text, file: file ?? `seed ${seed}` })
  await write(`${session.title()}\n`)
  let isClean = true
  for (let line = await readLine(PROMPT); line !== null; line = await readLine(PROMPT)) {
    if (line.trim() === 'quit') break
    if (line.trim() !== '') isClean = (await execute(session, line, write)) && isClean
  }
  return isClean && !session.failed
}

/** Lines of standard input, with editing, history and completion on a terminal. */
export function standardInputLines(signal: AbortSignal): { readLine: SimStepOptions['readLine']; close: () => void } {
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout, completer: completeStep } : {}),
    terminal: isTerminal,
  })
  // In raw mode Ctrl-C is a key: the line editor tells of it, and the process treats it as the signal.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const feed = new LineFeed(lines)
  const readLine = (prompt: string) => {
    if (isTerminal) {
      lines.setPrompt(prompt)
      lines.prompt()
    }
    return feed.next(signal)
  }
  return { readLine, close: () => lines.close() }
}

function completeStep(line: string): [string[], string] {
  const verbs = STEP_COMMANDS.map(([usage]) => usage.split(' ')[0] as string)
  return [verbs.filter((verb) => verb.startsWith(line)).map((verb) => `${verb} `), line]
}

/** A mistake in a line is told and does not end the session. */
async function execute(session: StepSession, line: string, write: SimStepOptions['write']): Promise<boolean> {
  try {
    if (line.length > LINE_CHARACTERS_MAX) throw new KnhkError('InvalidArgument', 'the line is too long')
    await write(`${await session.execute(line)}\n`)
    return true
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    await write(`error: ${error.message}\n`)
    return false
  }
}
