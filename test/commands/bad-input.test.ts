/**
 * Shows that bad input to every command ends in one clear error: the documented exit code, nothing on
 * stdout but one JSON document with --json, no stack trace, no internals of the parser.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isErrorCode } from '../../src/base/error-codes.js'
import type { CommandEntry } from '../../src/terminal/command-list.js'
import { type Ran, World } from '../e2e/harness.js'
import { BAD_INPUT } from './bad-input-rows.js'

/** One row of so many runs in a process of its own as well. */
const SAMPLE = 12

let world: World
let commands: CommandEntry[]
/** A cluster that does not run. */
let asleep: string

beforeAll(async () => {
  world = await World.make({ quick: true })
  commands = await world.json<CommandEntry[]>(['commands'])
  asleep = join(world.base, 'asleep')
  await world.json(['cluster', 'init', '--dir', asleep, '--nodes', '1'])
  await writeFile(join(world.base, 'broken.yaml'), 'version: 1\nmembers: 3\n')
  await writeFile(join(world.base, 'binary'), Buffer.from([0, 255, 254, 10, 0]))
  await mkdir(join(world.base, 'directory'))
})
afterAll(() => world.remove())

/** The error object; asserts all that holds of any error. */
function theError({ exitCode, stdout, stderr }: Ran, exit: number): { code: string; message: string } {
  expect(`${stdout}${stderr}`).not.toMatch(/\n\s+at .*:\d+/)
  expect(stderr).not.toMatch(/^\s*[{[]/m)
  const document = JSON.parse(stdout) as { error: Record<string, unknown> }
  expect(Object.keys(document)).toEqual(['error'])
  expect(Object.keys(document.error)).toEqual(['code', 'message', 'details', 'hint', 'retryable'])
  expect(isErrorCode(String(document.error.code))).toBe(true)
  expect(exitCode, stdout).toBe(exit)
  return document.error as { code: string; message: string }
}

describe('every command', () => {
  it('has a summary, an impact, exit codes, and an environment name for each flag of the connection', () => {
    expect(commands.length).toBeGreaterThan(30)
    const summaries = new Set<string>()
    for (const command of commands) {
      expect(command.summary.length, command.id).toBeGreaterThan(10)
      expect(['read', 'write', 'dangerous']).toContain(command.impact)
      expect(command.exitCodes).toEqual(expect.arrayContaining([0, 2, 70, 130]))
      summaries.add(command.summary)
      for (const flag of command.flags) {
        expect(flag.summary.length, `${command.id} --${flag.name}`).toBeGreaterThan(5)
        if (
          ['dir', 'context', 'cluster', 'key', 'endpoints'].includes(flag.name) &&
          !command.id.startsWith('context') &&
          // These name what is to be made, or what is lost: never the cluster that somebody works with.
          !['recover plan', 'recover apply', 'snapshot restore'].includes(command.id)
        ) {
          expect(flag.env, `${command.id} --${flag.name}`).toMatch(/^KNHK_[A-Z_]+$/)
        }
      }
    }
    expect(summaries.size).toBe(commands.length)
  })

  it('refuses an unknown flag, with a hint and without echoing values', async () => {
    for (const { id } of commands) {
      const ran = await world.run([...id.split(' '), '--no-such-flag', '--key', 'hunter2', '--json'])
      const error = theError(ran, 2)
      expect(error.code, id).toBe('Usage')
      expect(ran.stdout, id).not.toContain('hunter2')
    }
  }, 60_000)

  it('tells people the same in words on stderr', async () => {
    const { exitCode, stdout, stderr } = await world.runApart(['status', '--dri', 'x'])
    expect(exitCode).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toBe('Error [Usage]: unknown flag: --dri\n  Did you mean --dir?')
  })
})

describe('bad input', () => {
  it.each(BAD_INPUT)('%j ends with %i [%s]', async (args, exit, code) => {
    const error = theError(await world.run(realWords(args)), exit)
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('\n')
    expect(error.message.length).toBeGreaterThan(5)
  })

  it.each(BAD_INPUT.filter((_, i) => i % SAMPLE === 0))('%j says the same in a process of its own', async (args) => {
    const words = realWords(args)
    expect(await world.runApart(words)).toEqual(await world.run(words))
  })

  function realWords(args: readonly string[]): string[] {
    return [...args.map((arg) => arg.replace('{asleep}', asleep).replace('{base}', world.base)), '--json']
  }
})
