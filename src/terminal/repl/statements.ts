/**
 * Puts lines together into statements: a line that ends inside a quote, a brace or with a backslash
 * goes on in the next one.
 */
import { splitLine } from './split-line.js'

/** Lines of one statement; more is refused, an unclosed quote should not swallow a whole file. */
export const STATEMENT_LINES_MAX = 1_000

export interface Statement {
  /** Number of its first line, from 1. */
  readonly line: number
  readonly text: string
  readonly words: readonly string[]
}

export type StatementResult =
  | { readonly kind: 'statement'; readonly statement: Statement }
  | { readonly kind: 'more' }
  | { readonly kind: 'broken'; readonly line: number; readonly problem: string }

export class StatementReader {
  #lines: string[] = []
  #number = 0

  /** True inside a statement. */
  get isOpen(): boolean {
    return this.#lines.length > 0
  }

  add(line: string): StatementResult {
    this.#number++
    this.#lines.push(line)
    const text = this.#lines.join('\n')
    const split = splitLine(text)
    const first = this.#number - this.#lines.length + 1
    if (split.complete) {
      this.#lines = []
      return { kind: 'statement', statement: { line: first, text, words: split.words } }
    }
    if (this.#lines.length < STATEMENT_LINES_MAX) return { kind: 'more' }
    this.#lines = []
    return { kind: 'broken', line: first, problem: `it is still open after ${STATEMENT_LINES_MAX} lines` }
  }

  /** At the end of the input: what is wrong if a statement is open. */
  end(): StatementResult | null {
    if (!this.isOpen) return null
    const first = this.#number - this.#lines.length + 1
    const split = splitLine(this.#lines.join('\n'))
    this.#lines = []
    const open = split.complete ? 'statement' : split.open
    return { kind: 'broken', line: first, problem: `the input ends inside a ${open}` }
  }

  /** Counts a line that somebody else has read. */
  skip(): void {
    this.#number++
  }

  /** Forgets the open statement. */
  clear(): void {
    this.#lines = []
  }
}
