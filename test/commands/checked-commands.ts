/** Commands of a test's world with --json, each result held against the published schema of its command. */
import { expect } from 'vitest'
import type { CommandEntry } from '../../src/terminal/command-list.js'
import { type Ran, World } from '../e2e/harness.js'
import { violations } from './json-schema.js'

export class CheckedCommands {
  readonly world: World
  readonly #entries: ReadonlyMap<string, CommandEntry>

  private constructor(world: World, entries: readonly CommandEntry[]) {
    this.world = world
    this.#entries = new Map(entries.map((entry) => [entry.id, entry]))
  }

  /** A world of its own, in which commands mean its cluster unless they say another. */
  static async make(): Promise<CheckedCommands> {
    const world = await World.make({ quick: true })
    world.env.KNHK_DIR = world.dir
    return new CheckedCommands(world, await world.json<CommandEntry[]>(['commands']))
  }

  entries(): CommandEntry[] {
    return [...this.#entries.values()]
  }

  entry(id: string): CommandEntry {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw new Error(`there is no command ${id}`)
    return entry
  }

  run(words: readonly string[]): Promise<Ran> {
    return this.world.run(words)
  }

  /** The result of a command that has to succeed. */
  async json<T = Record<string, unknown>>(id: string, ...args: string[]): Promise<T> {
    const { exitCode, stdout, stderr } = await this.run([...id.split(' '), ...args, '--json'])
    expect(exitCode, `${id}: ${stdout}${stderr}`).toBe(0)
    const value = JSON.parse(stdout) as T
    const { schema } = this.entry(id)
    expect(schema, id).not.toBeNull()
    expect(violations(schema ?? {}, value), id).toEqual([])
    return value
  }

  /** How a command fails: exit code and error code. */
  async code(...words: string[]): Promise<[number | undefined, string]> {
    const { exitCode, stdout } = await this.run([...words, '--json'])
    return [exitCode, (JSON.parse(stdout) as { error: { code: string } }).error.code]
  }
}
