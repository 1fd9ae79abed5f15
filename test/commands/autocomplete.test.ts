/** Shows that `knhk autocomplete` makes a script with which bash completes commands and flags. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { World } from '../e2e/harness.js'

let world: World
let script: string

beforeAll(async () => {
  world = await World.make()
  expect((await world.run(['autocomplete', '--refresh-cache'])).exitCode).toBe(0)
  script = join(world.env.XDG_CACHE_HOME as string, 'knhk', 'autocomplete', 'functions', 'bash', 'knhk.bash')
})
afterAll(() => world.remove())

/** What bash offers for the last of these words. */
async function offered(...words: string[]): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(' ')
  const lines = [
    'source "$1"',
    `COMP_WORDS=(knhk ${quoted})`,
    `COMP_CWORD=${words.length}`,
    '_knhk_autocomplete',
    'printf "%s\\n" "$' + '{COMPREPLY[@]}"',
  ]
  const { stdout } = await execa('bash', ['-c', lines.join('\n'), 'bash', script])
  return stdout.split('\n')
}

it('completes commands and flags in bash', async () => {
  expect(await offered('cluster', 'he')).toEqual(['health'])
  expect(await offered('kv', '')).toEqual(expect.arrayContaining(['cas', 'delete', 'get', 'list', 'put']))
  expect(await offered('bench', '--ra')).toEqual(['--rate'])
  expect(await readFile(script, 'utf8')).toContain('complete -F _knhk_autocomplete knhk')
})
