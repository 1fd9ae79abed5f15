/**
 * Shows that `knhk autocomplete` makes a script with which bash completes commands and flags, and names that the
 * cluster knows: members, contexts, cases, policies, overlays, clients. Where no cluster answers, Tab is quiet and soon
 * over.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ARGUMENT_KINDS } from '../../src/terminal/completion/value-kinds.js'
import { BIN, World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'

const CASE = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'

let world: World
let script: string

beforeAll(async () => {
  world = await World.make({ quick: true })
  world.env.KNHK_DIR = world.dir
  // Twice: what is appended to the script stands in it once.
  for (let run = 0; run < 2; run++) expect((await world.runApart(['autocomplete', '--refresh-cache'])).exitCode).toBe(0)
  script = join(world.env.XDG_CACHE_HOME as string, 'knhk', 'autocomplete', 'functions', 'bash', 'knhk.bash')
})
afterAll(() => world.remove())

/** What bash offers for the last of these words. */
async function offered(...words: string[]): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(' ')
  const lines = [
    `knhk() { "${process.execPath}" "${BIN}" "$@"; }`,
    'source "$1"',
    `COMP_WORDS=(knhk ${quoted})`,
    `COMP_CWORD=${words.length}`,
    '_knhk_with_values',
    'printf "%s\\n" "$' + '{COMPREPLY[@]}"',
  ]
  const { stdout, stderr } = await execa('bash', ['-c', lines.join('\n'), 'bash', script], {
    env: world.env,
    extendEnv: false,
  })
  expect(stderr).toBe('')
  return stdout.split('\n').filter((line) => line !== '')
}

describe('bash completes', () => {
  it('commands and flags', async () => {
    expect(await offered('cluster', 'he')).toEqual(['health'])
    expect(await offered('kv', '')).toEqual(expect.arrayContaining(['cas', 'delete', 'get', 'list', 'put']))
    expect(await offered('bench', '--ra')).toEqual(['--rate'])
    expect((await readFile(script, 'utf8')).match(/^complete -F \w+ knhk$/gm)).toEqual([
      'complete -F _knhk_autocomplete knhk',
      'complete -F _knhk_with_values knhk',
    ])
  })

  it('nothing, quietly, where there is no cluster', async () => {
    expect(await offered('case', 'get', '')).toEqual([])
    expect(await offered('status', '--context', '')).toEqual([])
    await world.json(['cluster', 'init', '--dir', world.dir, '--nodes', '1', '--protocol', 'raft'])
    // Its file names the members; what only the cluster knows is not to be had.
    expect(await offered('log', 'inspect', '--node', '')).toEqual(['n1'])
    expect(await offered('policy', 'retract', '')).toEqual([])
    expect((await world.run(['complete', '--', 'case', 'get', ''])).exitCode).toBe(0)
  })

  it('names that the cluster knows', async () => {
    await world.json(['up', '--dir', world.dir, '--detach'])
    const fixture = (...path: string[]) => join(projectRoot, 'fixtures', ...path)
    const making = [
      ['case', 'create', '--case-id', CASE, '--spec-id', CASE, '--data', '{"a":1}'],
      ['policy', 'apply', fixture('policies', 'order-shape.yaml')],
      ['overlay', 'deploy', fixture('overlays', 'no-cancel.yaml')],
    ]
    for (const words of making) expect((await world.run(words)).exitCode, words.join(' ')).toBe(0)
    expect(await offered('case', 'get', CASE.slice(0, 4))).toEqual([CASE])
    expect(await offered('case', 'get', 'x')).toEqual([])
    expect(await offered('policy', 'retract', '')).toEqual(['order-shape'])
    expect(await offered('overlay', 'promote', 'no')).toEqual(['no-cancel'])
    expect(await offered('keys', 'rotate', '--client', '')).toEqual(['admin'])
    expect(await offered('context', 'use', '')).toEqual(['cluster'])
    expect(await offered('case', 'get', '--dir', world.dir, '')).toEqual([CASE])
    expect(await offered('case', 'get', '--dir', `${world.dir}x`, '')).toEqual([])
  })
})

it('every command of the table is one', async () => {
  const { stdout } = await world.run(['commands', '--json'])
  const commands = JSON.parse(stdout) as { id: string; args: unknown[] }[]
  for (const id of Object.keys(ARGUMENT_KINDS)) {
    expect(commands.find((command) => command.id === id.replaceAll(':', ' '))?.args.length, id).toBeGreaterThan(0)
  }
})
