/**
 * Shows that every flag of every command can be set by its KNHK_* variable, that no variable means two things, and
 * that flags win over variables, those over the configuration file.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Parser } from '@oclif/core'
import { Config } from '@oclif/core/config'
import type { FlagInput } from '@oclif/core/interfaces'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { listCommands, OWN_PLUGIN } from '../../src/terminal/command-list.js'
import { variablesOfConfigFile } from '../../src/terminal/config-file.js'
import { splitRepeated, withVariables } from '../../src/terminal/flag-variables.js'
import { World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'

/** Texts that some flag accepts; the first that a flag takes is tried. */
const CANDIDATES = ['5', '2', '500ms', '0.5', 'n1', 'n1=127.0.0.1:4100', 'healthy', '1GiB', '{"a":1}']

let config: Config
beforeAll(async () => {
  config = await Config.load({ root: projectRoot })
})

/** The flag alone: what it demands of other flags is not what is shown here. */
function alone(flags: FlagInput, name: string): FlagInput {
  const {
    exclusive: _,
    dependsOn: __,
    exactlyOne: ___,
    relationships: ____,
    ...flag
  } = flags[name] as FlagInput[string]
  return { [name]: { ...flag, required: false, default: undefined } } as FlagInput
}

async function parsed(flags: FlagInput, argv: string[]): Promise<Record<string, unknown>> {
  const { flags: values } = await Parser.parse(argv, { flags, args: {}, strict: true })
  splitRepeated(flags, values as Record<string, unknown>)
  return values as Record<string, unknown>
}

describe('every flag', () => {
  it('takes its value from its variable as from the command line', async () => {
    let count = 0
    for (const cached of config.commands.filter((command) => command.pluginName === OWN_PLUGIN)) {
      const command = await cached.load()
      const flags = withVariables(cached.id, { ...command.baseFlags, ...command.flags })
      for (const [name, flag] of Object.entries(flags)) {
        const one = alone(flags, name)
        const variable = flag.env as string
        const [argv, text] = await accepted(one, name, flag)
        const expected = await parsed(one, argv)
        process.env[variable] = text
        try {
          expect((await parsed(one, []))[name], `${cached.id} --${name} by ${variable}`).toEqual(expected[name])
        } finally {
          delete process.env[variable]
        }
        count++
      }
    }
    expect(count).toBeGreaterThan(400)
  })

  it('has a variable of its own, or shares it with the same flag of other commands', () => {
    const meanings = new Map<string, Set<string>>()
    for (const command of listCommands(config.commands)) {
      for (const flag of command.flags) {
        expect(flag.env, `${command.id} --${flag.name}`).toMatch(/^KNHK_[A-Z0-9_]+$/)
        meanings.set(flag.env, (meanings.get(flag.env) ?? new Set()).add(flag.name))
      }
    }
    for (const [variable, flags] of meanings) expect([...flags], variable).toHaveLength(1)
  })

  async function accepted(one: FlagInput, name: string, flag: FlagInput[string]): Promise<[string[], string]> {
    if (flag.type === 'boolean') return [[`--${name}`], 'true']
    for (const text of [...(flag.options ?? []), ...CANDIDATES]) {
      const argv = [`--${name}=${text}`]
      const isTaken = await parsed(one, argv).then(
        () => true,
        () => false,
      )
      if (isTaken) return [argv, text]
    }
    throw new Error(`no candidate fits --${name}`)
  }
})

describe('the configuration file', () => {
  let home: string
  const commands = () => [
    { id: 'bench', flags: { clients: {}, output: { env: 'KNHK_OUTPUT' }, dir: { env: 'KNHK_DIR' } } },
    { id: 'kv list', flags: { limit: {}, context: { env: 'KNHK_CONTEXT' } } },
  ]
  const read = (environment: Record<string, string> = {}) =>
    variablesOfConfigFile({ KNHK_CONFIG_HOME: home, ...environment }, commands)
  const write = (text: string) => writeFile(join(home, 'config.yaml'), text)

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'knhk-config-'))
  })
  afterEach(() => rm(home, { recursive: true, force: true }))

  it('sets flags of all commands and of one, where the environment says nothing', async () => {
    await write('output: json\nbench:\n  clients: 64\nkv list:\n  limit: [1, 2]\n')
    expect(await read()).toEqual({ KNHK_OUTPUT: 'json', KNHK_BENCH_CLIENTS: '64', KNHK_KV_LIST_LIMIT: '1\n2' })
    expect(await read({ KNHK_OUTPUT: 'yaml', KNHK_BENCH_CLIENTS: '1' })).toEqual({ KNHK_KV_LIST_LIMIT: '1\n2' })
  })

  it('gives way as a whole to a cluster that the environment names', async () => {
    await write('context: prod\n')
    expect(await read()).toEqual({ KNHK_CONTEXT: 'prod' })
    expect(await read({ KNHK_DIR: '/demo' })).toEqual({})
  })

  it('is not needed, but one that is named has to be there', async () => {
    expect(await read()).toEqual({})
    await expect(read({ KNHK_CONFIG: join(home, 'none') })).rejects.toMatchObject({ code: 'NotFound' })
  })

  it.each([
    ['outptu: json\n', 'config.yaml:1:1: "outptu"'],
    ['bench:\n  clinets: 1\n', 'config.yaml:2:3: bench has no flag --clinets'],
    ['bench:\n  output: json\n', 'move it to the top'],
    ['nonsense:\n  a: 1\n', 'there is no command "nonsense"'],
    ['output: {a\n', 'config.yaml:'],
    ['- output\n', 'has to be a map'],
    ['output: null\n', 'the value has to be'],
  ])('is refused with the place of the mistake: %j', async (text, complaint) => {
    await write(text)
    await expect(read()).rejects.toMatchObject({ code: 'InvalidFile', message: expect.stringContaining(complaint) })
  })
})

describe('precedence in the real command', () => {
  it('is flag, variable, file', async () => {
    const world = await World.make()
    try {
      await mkdir(join(world.base, 'config'), { recursive: true })
      await writeFile(join(world.base, 'config', 'config.yaml'), 'output: id\n')
      const first = async () => (await world.run(['explain', 'NoLeader'])).stdout
      expect(await first()).toBe('NoLeader')
      world.env.KNHK_OUTPUT = 'json'
      expect(JSON.parse(await first())).toMatchObject([{ code: 'NoLeader' }])
      expect((await world.run(['explain', 'NoLeader', '--output', 'id'])).stdout).toBe('NoLeader')
      await writeFile(join(world.base, 'config', 'config.yaml'), 'outptu: id\n')
      const { exitCode, stdout } = await world.run(['explain', 'NoLeader'])
      expect(exitCode).toBe(2)
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'InvalidFile' } })
    } finally {
      await world.remove()
    }
  })
})
