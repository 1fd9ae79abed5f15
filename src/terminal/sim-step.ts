/** The prompt of `sim step`: lines in, what happened out; the same on a terminal and through a pipe. */
import { createInterface } from 'node:readline'
import { KnhkError } from '../base/error.js'
import { readScenario } from '../simulator/scenario/index.js'
import { freeScenario, StepSession } from './sim-step-session.js'

/** A line that is longer is refused. */
const LINE_CHARACTERS_MAX = 10_000

export interface SimStepOptions {
  /** Null for a free cluster. */
  readonly file: string | null
  readonly seed: number
  readonly nodes: number
  readonly input: NodeJS.ReadableStream
  readonly isTerminal: boolean
  readonly write: (text: string) => Promise<void>
  readonly signal: AbortSignal
}

/** Runs until the input ends or says `quit`. True when nothing went wrong. Throws `InvalidFile`. */
export async function runSimStep(options: SimStepOptions): Promise<boolean> {
  const { file, seed, nodes, write, signal, isTerminal } = options
  const text = file === null ? freeScenario(seed, nodes) : await readScenario(file)
  const session = await StepSession.open({ text, file: file ?? `seed ${seed}` })
  await write(`${session.title()}\n`)
  const lines = createInterface({ input: options.input, signal, terminal: false })
  let isClean = true
  const prompt = () => (isTerminal ? write('> ') : Promise.resolve())
  await prompt()
  for await (const line of lines) {
    if (line.trim() === 'quit') break
    if (line.trim() !== '') isClean = (await execute(session, line, write)) && isClean
    await prompt()
  }
  lines.close()
  signal.throwIfAborted()
  return isClean && !session.failed
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
