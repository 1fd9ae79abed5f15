/**
 * Shows that docs/tutorial.md works word for word: every block of shell in it is run, in order, in one shell. A block
 * that is marked `fails=CODES` has to end with one of these codes, the others with 0.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BIN, World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'

let world: World
beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.remove())

interface Block {
  readonly code: string
  readonly fails: readonly string[]
}

function blocksOf(page: string): Block[] {
  const found = page.matchAll(/^```sh(?: fails=([\d,]+))?\n([\s\S]*?)^```$/gm)
  return [...found].map(([, fails, code]) => ({ code: code as string, fails: fails?.split(',') ?? [] }))
}

function scriptOf(blocks: readonly Block[]): string {
  const parts = blocks.map(({ code, fails }, i) => {
    const number = i + 1
    if (fails.length === 0) return `echo "## block ${number}"\n${code}`
    const allowed = fails.map((one) => `[ $code -eq ${one} ]`).join(' || ')
    const complaint = `{ echo "block ${number} ended with $code"; exit 1; }`
    return `echo "## block ${number}"\nset +e\n( set -e\n${code})\ncode=$?\nset -e\n${allowed} || ${complaint}\n`
  })
  const stop = `trap 'knhk down --dir ./demo >/dev/null 2>&1; knhk down --dir ./restored >/dev/null 2>&1 || true' EXIT`
  return `set -e\nknhk() { "${process.execPath}" "${BIN}" "$@"; }\n${stop}\n${parts.join('')}`
}

it('the tutorial works word for word', async () => {
  const blocks = blocksOf(await readFile(join(projectRoot, 'docs', 'tutorial.md'), 'utf8'))
  expect(blocks.length).toBeGreaterThan(10)
  expect(blocks.some(({ fails }) => fails.length > 0)).toBe(true)
  const cwd = join(world.base, 'tutorial')
  await mkdir(cwd)
  await writeFile(join(cwd, 'run.sh'), scriptOf(blocks))
  const { exitCode, all } = await execa('bash', ['run.sh'], {
    cwd,
    reject: false,
    extendEnv: false,
    env: world.env,
    all: true,
  })
  expect(exitCode, all).toBe(0)
}, 240_000)
