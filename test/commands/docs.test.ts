/**
 * Shows that docs/commands.md says what the commands say, that every command has an example, and that
 * every example can be parsed by the command it shows.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Parser } from '@oclif/core'
import type { Command } from '@oclif/core/command'
import { Config } from '@oclif/core/config'
import { describe, expect, it } from 'vitest'
import { OWN_PLUGIN } from '../../src/terminal/command-list.js'
import { splitLine } from '../../src/terminal/repl/split-line.js'
import { projectRoot } from '../project/project-root.js'
import { commandDocs } from './command-docs.js'

const PAGE = join(projectRoot, 'docs', 'commands.md')

/** What shells ask is no command for people. */
const isDocumented = ({ pluginName, hidden }: Command.Cached) => pluginName === OWN_PLUGIN && !hidden

describe('the documentation of the commands', () => {
  it('is current', async () => {
    const made = await commandDocs()
    if (process.env.UPDATE_DOCS === '1') await writeFile(PAGE, made)
    expect(await readFile(PAGE, 'utf8')).toBe(made)
  })

  it('has examples that the commands accept', async () => {
    const config = await Config.load({ root: projectRoot })
    for (const cached of config.commands.filter(isDocumented)) {
      const command = await cached.load()
      expect(command.examples.length, cached.id).toBeGreaterThan(0)
      for (const example of command.examples) {
        const line = String(example).split('| ').at(-1)?.replace('<%= config.bin %>', '').trim() ?? ''
        const split = splitLine(line)
        if (!split.complete) throw new Error(`${cached.id}: an example is not complete: ${line}`)
        const words = split.words.slice(cached.id.split(':').length)
        const flags = { ...command.baseFlags, ...command.flags }
        await Parser.parse([...words], { flags, args: command.args, strict: true })
      }
    }
  })
})
