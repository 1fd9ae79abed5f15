/**
 * Runs commands in the process of the test, through oclif as `bin/run.js` does: what a command says and its exit code,
 * without the third of a second that a process takes to start. For what says something of commands and clusters and
 * nothing of the processes of commands. What is built runs (dist).
 */
import { run } from '@oclif/core'
import { settings } from '@oclif/core/settings'
import { projectRoot } from '../project/project-root.js'
import type { Ran } from './harness.js'

/** They stay until their process is told to end, read standard input, or measure what their process can do. */
const OWN_PROCESS = ['node start', 'repl', 'propose', 'bench']

/** Null where the command needs a process of its own, or another one runs here: they print to the same streams. */
export async function runHere(words: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran | null> {
  const staysUp = words[0] === 'up' && !words.includes('--detach')
  const isOwn = staysUp || OWN_PROCESS.some((id) => id.split(' ').every((word, i) => words[i] === word))
  if (isOwn || isCaptured(process.stdout)) return null
  // oclif would look for TypeScript sources in development.
  settings.enableAutoTranspile = false
  const { env: ownEnv, exitCode: ownExitCode } = process
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
