/** What a story may need of the machine, and the plain word where it is not there. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ChaosSkipped } from './verdict.js'

/** Runs a program of the system; rejects with what it said. */
export async function system(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args)
  return stdout
}

/** Throws `ChaosSkipped` for whoever is not root. */
export function needRoot(): void {
  if (process.getuid?.() !== 0) throw new ChaosSkipped('needs root')
}

/** Throws `ChaosSkipped` where a program of the system cannot be run or is not allowed what it has to do. */
export async function need(what: string, command: string, ...args: readonly string[]): Promise<void> {
  try {
    await system(command, ...args)
  } catch (error) {
    const reason = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error)
    throw new ChaosSkipped(`needs ${what} (${reason})`)
  }
}
