/** A command on a real terminal (a pty), as a person sees it; what was shown is read without colours and cursor moves. */
import { stripVTControlCharacters } from 'node:util'
import { type IPty, spawn } from '@lydell/node-pty'
import { BIN, eventually, type World } from '../e2e/harness.js'

export const CTRL_C = '\u0003'
export const CTRL_D = '\u0004'
export const UP = '\u001b[A'

export class Terminal {
  readonly #pty: IPty
  #shown = ''
  readonly ended: Promise<number>

  constructor(world: World, args: readonly string[], columns = 200) {
    this.#pty = spawn(process.execPath, [BIN, ...args], {
      cols: columns,
      rows: 50,
      env: { ...world.env, TERM: 'xterm-256color' },
    })
    this.#pty.onData((data) => {
      this.#shown += data
    })
    this.ended = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)))
  }

  get shown(): string {
    return stripVTControlCharacters(this.#shown)
  }

  /** With the control sequences. */
  get raw(): string {
    return this.#shown
  }

  /** Forgets what was shown so far, types, and waits for `expected`. */
  async type(keys: string, expected: string | RegExp): Promise<string> {
    this.#shown = ''
    this.#pty.write(keys)
    return this.sees(expected)
  }

  async sees(expected: string | RegExp): Promise<string> {
    const fits = () => (typeof expected === 'string' ? this.shown.includes(expected) : expected.test(this.shown))
    try {
      await eventually(`the terminal shows ${expected}`, async () => fits())
    } catch (error) {
      throw new Error(`${String(error)}; it shows:\n${this.shown}`)
    }
    return this.shown
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows)
  }
}
