/**
 * Shows the REPL for a person, on a real terminal (a pty): prompt, completion, history, statements over
 * several lines, Ctrl-C that ends the line or the command but not the session, and the notice when the
 * leader changes.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { type IPty, spawn } from '@lydell/node-pty'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BIN, eventually, World } from '../e2e/harness.js'

let world: World

beforeAll(async () => {
  world = await World.make()
  world.env.KNHK_DIR = world.dir
  world.env.TERM = 'xterm-256color'
  await world.up()
})
afterAll(() => world.remove())

/** A terminal session; what was shown is read without colours and cursor moves. */
class Terminal {
  readonly #pty: IPty
  #shown = ''
  readonly ended: Promise<number>

  constructor(args: readonly string[]) {
    this.#pty = spawn(process.execPath, [BIN, ...args], { cols: 200, rows: 50, env: world.env })
    this.#pty.onData((data) => {
      this.#shown += data
    })
    this.ended = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)))
  }

  get shown(): string {
    return stripVTControlCharacters(this.#shown)
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
}

const PROMPT = /cluster n[123]\* raft e0> $/
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const UP = '\u001b[A'

describe('the REPL on a terminal', () => {
  it('serves a person', async () => {
    const repl = new Terminal(['repl'])
    await repl.sees(PROMPT)
    await repl.type('kv put greeting hello\r', /is stored.*\s+cluster n/)
    await repl.type('kv g\t', 'kv get')
    await repl.type('greeting\r', /hello\s+cluster n/)
    // A failed command is told and forgotten.
    await repl.type('kv get nope\r', '[KeyNotFound]')
    // Over several lines.
    await repl.type('kv put json {"a":\r', '... ')
    await repl.type('1}\r', /json is stored.*\s+cluster n/)
    // Ctrl-C clears the line, then hints; the session goes on.
    await repl.type('kv put half', 'kv put half')
    await repl.type(CTRL_C, /\^C\s+cluster n/)
    await repl.type('kv get greeting\r', /hello\s+cluster n/)
    await repl.type(CTRL_C, 'Ctrl-D')
    // Ctrl-C ends the command that runs.
    await repl.type('wait --for applied=99999999 --timeout 60\r', 'applied')
    await repl.type(CTRL_C, /\[Aborted\][\s\S]*cluster n/)
    await repl.type(`${UP}${UP}\r`, /hello\s+cluster n/)
    await repl.type('.output json\r', PROMPT)
    await repl.type('kv get greeting\r', '"value": "hello"')
    await repl.type('.hlep\r', 'Did you mean .help?')
    await repl.type('.history 3\r', /kv get greeting\s+.hlep/)
    await repl.type(CTRL_D, '\n')
    expect(await repl.ended).toBe(0)
    const history = (await readFile(join(world.env.XDG_STATE_HOME as string, 'knhk', 'history'), 'utf8')).split('\n')
    expect(history[0]).toBe('kv put greeting hello')
    expect(history).not.toContain('kv put half')
  }, 60_000)

  it('tells when the leader changed', async () => {
    const { leader } = await world.json<{ leader: string }>(['status'])
    const repl = new Terminal(['repl'])
    await repl.sees(`cluster ${leader}* raft`)
    const pid = Number(await readFile(join(world.dir, 'nodes', leader, 'node.pid'), 'utf8'))
    process.kill(pid, 'SIGKILL')
    const shown = await repl.sees(/leads now, was|no longer leads/)
    expect(shown).toContain(leader)
    await repl.sees(/cluster n[123]\* raft e0> $/)
    await repl.type('.exit\r', '\n')
    expect(await repl.ended).toBe(0)
  }, 60_000)

  it('opens after `up`, and stops what up started when it ends', async () => {
    const repl = new Terminal(['up'])
    await repl.sees(PROMPT)
    expect(repl.shown).toContain('directory')
    await repl.type('status\r', 'state digest')
    await repl.type('exit\r', 'stopped')
    expect(await repl.ended).toBe(0)
  }, 60_000)
})
