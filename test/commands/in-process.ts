/**
 * Runs commands in the process of the test, through oclif as `bin/run.js` does: what a command says and its exit code
 * at a hundredth of the cost of a process. For what says something of commands and nothing of processes. What is
 * built runs (dist).
 */
import { run } from '@oclif/core'
import { settings } from '@oclif/core/settings'
import type { Ran, World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'

/** They start or end processes, their own among them, or read standard input. */
const OWN_PROCESS = ['up', 'down', 'cluster down', 'node start', 'node stop', 'repl', 'propose', 'bench']

/** In this process where the command allows it. Commands of one test run one after the other. */
export async function runQuickly(world: World, words: readonly string[]): Promise<Ran> {
  const isOwn = OWN_PROCESS.some((id) => id.split(' ').every((word, i) => words[i] === word))
  return isOwn ? world.run(words) : runHere(words, world.env)
}

async function runHere(words: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  // oclif would look for TypeScript sources in development.
  settings.enableAutoTranspile = false
  const { env: ownEnv, exitCode: ownExitCode } = process
  if (isCaptured(process.stdout)) throw new Error('two commands at once print to the same streams')
  const stdout = capture(process.stdout)
  const stderr = capture(process.stderr)
  process.env = { ...env }
  process.exitCode = undefined
  try {
    await run([...words], { root: projectRoot })
    return { exitCode: Number(process.exitCode ?? 0), stdout: stdout.text(), stderr: stderr.text() }
  } finally {
    stdout.restore()
    stderr.restore()
    process.env = ownEnv
    process.exitCode = ownExitCode
  }
}

const CAPTURED = Symbol('captured')

function isCaptured(stream: NodeJS.WriteStream): boolean {
  return CAPTURED in stream.write
}

function capture(stream: NodeJS.WriteStream): { text: () => string; restore: () => void } {
  const { write } = stream
  const pieces: string[] = []
  const keep = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
    pieces.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
    const written = typeof encoding === 'function' ? encoding : done
    if (typeof written === 'function') queueMicrotask(() => written())
    return true
  }
  stream.write = Object.assign(keep as typeof stream.write, { [CAPTURED]: true })
  return {
    // As execa gives the output of a process: without the line feed at the end.
    text: () => pieces.join('').replace(/\n$/, ''),
    restore: () => {
      stream.write = write
    },
  }
}
