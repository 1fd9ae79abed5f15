/**
 * Shows that the mutation gate kills what it should, judges a patch from outside, refuses what is no
 * patch, and never touches the sources. The whole catalogue runs with `npm run test:mutants`.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CATALOGUE } from './catalogue/index.js'
import type { Verdict } from './mutant.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RUN = join(ROOT, 'dist', 'test', 'mutants', 'run.js')
const TIMEOUT_MS = 180_000

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'knhk-patch-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

function gate(...args: readonly string[]) {
  return execa(process.execPath, [RUN, ...args, '--json'], { reject: false })
}

async function patchFile(name: string, text: string): Promise<string> {
  const path = join(scratch, name)
  await writeFile(path, text)
  return path
}

/** A diff in the form of other tools, made from the source as it is. */
async function patchOf(file: string, line: string, replacement: string): Promise<string> {
  const lines = (await readFile(join(ROOT, file), 'utf8')).split('\n')
  const at = lines.findIndex((one) => one.includes(line))
  expect(at).toBeGreaterThan(0)
  const [before, old, after] = lines.slice(at - 1, at + 2) as [string, string, string]
  const hunk = [`@@ -${at},3 +${at},3 @@`, ` ${before}`, `-${old}`, `+${old.replace(line, replacement)}`, ` ${after}`]
  return `--- a/${file}\n+++ b/${file}\n${hunk.join('\n')}\n`
}

describe('the catalogue', () => {
  it('names every mutant once and gives each a budget', () => {
    expect(CATALOGUE.length).toBeGreaterThanOrEqual(40)
    expect(new Set(CATALOGUE.map(({ id }) => id)).size).toBe(CATALOGUE.length)
    for (const { killedBy } of CATALOGUE) expect(Object.keys(killedBy).length).toBeGreaterThan(0)
  })

  it.each(CATALOGUE)('$id: its text is in the source once', async ({ file, find, replace }) => {
    const source = await readFile(join(ROOT, file), 'utf8')
    expect(source.split(find)).toHaveLength(2)
    expect(replace).not.toBe(find)
  })
})

describe('the gate', () => {
  it(
    'kills, by the simulator and by a unit test, and leaves the sources alone',
    async () => {
      const ids = ['half-is-a-majority', 'apply-before-commit', 'commit-over-the-union']
      const files = CATALOGUE.filter(({ id }) => ids.includes(id)).map(({ file }) => join(ROOT, file))
      const before = await Promise.all(files.map((file) => readFile(file)))
      const ran = await gate(...ids.flatMap((id) => ['--id', id]))
      const verdicts = JSON.parse(ran.stdout) as (Verdict & { readonly id: string })[]
      expect(verdicts.map(({ id, killed }) => ({ id, killed }))).toEqual(
        CATALOGUE.filter(({ id }) => ids.includes(id)).map(({ id }) => ({ id, killed: true })),
      )
      expect(verdicts.find(({ id }) => id === 'half-is-a-majority')?.seed).toBeTypeOf('number')
      expect(ran.exitCode).toBe(0)
      expect(await Promise.all(files.map((file) => readFile(file)))).toEqual(before)
    },
    TIMEOUT_MS,
  )

  it(
    'kills a harmful patch from outside',
    async () => {
      const text = await patchOf('src/consensus/quorum.ts', 'Math.floor(count / 2) + 1', 'Math.floor(count / 2) || 1')
      const ran = await gate('--patch', await patchFile('harmful.patch', text), '--minutes', '0.5')
      expect(JSON.parse(ran.stdout)).toMatchObject({
        killed: true,
        by: expect.any(String),
        seconds: expect.any(Number),
      })
      expect(ran.exitCode).toBe(0)
    },
    TIMEOUT_MS,
  )

  it(
    'lets a harmless patch survive',
    async () => {
      const text = await patchOf('src/consensus/quorum.ts', 'Math.floor(count / 2) + 1', '1 + Math.floor(count / 2)')
      const patch = await patchFile('harmless.patch', text)
      const ran = await gate('--patch', patch, '--minutes', '0.05', '--check', 'simulator')
      expect(JSON.parse(ran.stdout)).toMatchObject({ killed: false, by: null, seed: null })
      expect(ran.exitCode).toBe(10)
    },
    TIMEOUT_MS,
  )

  it.each([
    ['no diff at all', 'hello'],
    [
      'a diff that does not fit',
      '--- a/src/base/assert.ts\n+++ b/src/base/assert.ts\n@@ -1,1 +1,1 @@\n-no such line\n+other\n',
    ],
    ['a diff that is cut off', '--- a/src/base/assert.ts\n+++ b/src/base/assert.ts\n@@ -1,5 +1,5 @@\n'],
  ])(
    'refuses %s',
    async (name, text) => {
      const ran = await gate('--patch', await patchFile(`${name.replaceAll(' ', '-')}.patch`, text))
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'InvalidFile' } })
      expect(ran.exitCode).toBe(2)
    },
    TIMEOUT_MS,
  )
})
