/**
 * History across sessions, only for a person at a terminal: a file that only its owner may read. A
 * line that begins with a blank is not kept, as in a shell.
 */
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Environment, userDirectories } from '../../cluster/user-directories.js'

export const HISTORY_LINES_MAX = 10_000
/** The file is cut back when it has grown by this much. */
const SLACK_LINES = 1_000

export class History {
  readonly #path: string
  /** Oldest first. */
  readonly #lines: string[]

  private constructor(path: string, lines: string[]) {
    this.#path = path
    this.#lines = lines
  }

  /** An unreadable file is an empty history: the REPL works without. */
  static async load(environment: Environment): Promise<History> {
    const path = join(userDirectories(environment).state, 'history')
    const text = await readFile(path, 'utf8').catch(() => '')
    const lines = text.split('\n').filter((line) => line !== '')
    const kept = lines.slice(-HISTORY_LINES_MAX)
    if (lines.length > HISTORY_LINES_MAX + SLACK_LINES) {
      await writeFile(path, `${kept.join('\n')}\n`, { mode: 0o600 }).catch(() => undefined)
    }
    return new History(path, kept)
  }

  /** As readline wants it. */
  get newestFirst(): string[] {
    return [...this.#lines].reverse()
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count)
  }

  /** Failing to write is not worth a word in the middle of somebody's work. */
  async add(line: string): Promise<void> {
    if (line.trim() === '' || line.startsWith(' ') || line === this.#lines.at(-1)) return
    this.#lines.push(line)
    if (this.#lines.length > HISTORY_LINES_MAX) this.#lines.shift()
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      .then(() => appendFile(this.#path, `${line}\n`, { mode: 0o600 }))
      .catch(() => undefined)
  }
}
