/**
 * Shows that what scripts and people rely on changes only on purpose: the tree of commands, the help texts, the table
 * of errors (test/commands/golden) and the published schemas (docs/schemas). UPDATE_DOCS=1 writes them again.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from '@oclif/core/command'
import { Config } from '@oclif/core/config'
import { beforeAll, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/base/error-codes.js'
import { type CommandEntry, listCommands, OWN_PLUGIN } from '../../src/terminal/command-list.js'
import { EXIT_CODES } from '../../src/terminal/exit-codes.js'
import { KnhkHelp } from '../../src/terminal/help.js'
import { projectRoot } from '../project/project-root.js'
import { schemaDocs } from './schema-docs.js'

const GOLDEN = join(projectRoot, 'test', 'commands', 'golden')
const SCHEMAS = join(projectRoot, 'docs', 'schemas')
const UPDATES = process.env.UPDATE_DOCS === '1'
const HELP_COLUMNS = 100

let config: Config
let commands: CommandEntry[]

beforeAll(async () => {
  config = await Config.load({ root: projectRoot })
  commands = listCommands(config.commands)
})

async function golden(file: string, text: string): Promise<void> {
  const path = join(GOLDEN, file)
  if (UPDATES) {
    await mkdir(GOLDEN, { recursive: true })
    await writeFile(path, text)
  }
  expect(text).toBe(await readFile(path, 'utf8'))
}

class Texts extends KnhkHelp {
  text(command: Command.Cached): string {
    return this.formatCommand(command as Command.Loadable)
  }
}

describe('golden files', () => {
  it('hold the tree of commands', async () => {
    const lines = commands.map((command) => {
      const args = command.args.map((arg) =>
        arg.required ? ` ${arg.name.toUpperCase()}` : ` [${arg.name.toUpperCase()}]`,
      )
      return `${command.id}${args.join('')}  (${command.impact}${command.idempotent ? ', idempotent' : ''})`
    })
    await golden('tree.txt', `${lines.join('\n')}\n`)
  })

  it('hold the help of every command', async () => {
    const help = new Texts(config, { stripAnsi: true, maxWidth: HELP_COLUMNS })
    const own = config.commands.filter((command) => command.pluginName === OWN_PLUGIN && !command.hidden)
    const texts = own
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((command) => `### ${command.id.replaceAll(':', ' ')}\n\n${help.text(command).trim()}\n`)
    for (const text of texts) {
      expect(text).toContain('EXAMPLES')
      expect(text).toContain('EXIT CODES')
    }
    await golden('help.txt', texts.map((text) => text.replaceAll(/ +$/gm, '')).join('\n'))
  })

  it('hold the codes of all errors', async () => {
    const lines = Object.entries(ERROR_CODES).map(
      ([code, { exit, retryable }]) => `${code} ${exit}${retryable ? ' retryable' : ''}`,
    )
    await golden('errors.txt', `${lines.sort().join('\n')}\n`)
  })
})

describe('the published schemas', () => {
  it('are current', async () => {
    const made = schemaDocs(commands)
    if (UPDATES) {
      await rm(SCHEMAS, { recursive: true, force: true })
      await mkdir(SCHEMAS, { recursive: true })
      for (const [file, text] of made) await writeFile(join(SCHEMAS, file), text)
    }
    expect((await readdir(SCHEMAS)).sort()).toEqual([...made.keys()].sort())
    for (const [file, text] of made) expect(await readFile(join(SCHEMAS, file), 'utf8'), file).toBe(text)
  })

  it('are there for every command but those that talk with a person or run on', () => {
    const without = commands.filter((command) => command.schema === null).map((command) => command.id)
    expect(without).toEqual(['node start', 'repl', 'sim step'])
  })
})

describe('exit codes', () => {
  it('have a meaning each, in the help and in the table of errors', () => {
    const errors = new Set<number>(Object.values(ERROR_CODES).map(({ exit }) => exit))
    for (const command of commands) {
      for (const code of command.exitCodes) expect(EXIT_CODES[code], `${command.id} ${code}`).toBeDefined()
    }
    for (const code of errors) expect(EXIT_CODES[code], String(code)).toBeDefined()
  })
})
