/**
 * Shows that docs/tutorial.md works word for word: every block of shell in it is run, in order, in one shell. A block
 * that is marked `fails=CODES` has to end with one of these codes, the others with 0.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADVERSARY } from '../e2e/adversary.js'
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
  const clusters = ['demo', 'restored', 'four']
  const downs = clusters.map((name) => `knhk down --dir ./${name} >/dev/null 2>&1`)
  const stop = `trap '${downs.join('; ')}; kill $(cat liar.pid) 2>/dev/null || true' EXIT`
  return `set -e\n${stop}\n${parts.join('')}`
}

it('the tutorial works word for word', async () => {
  const blocks = blocksOf(await readFile(join(projectRoot, 'docs', 'tutorial.md'), 'utf8'))
  expect(blocks.length).toBeGreaterThan(10)
  expect(blocks.some(({ fails }) => fails.length > 0)).toBe(true)
  const cwd = join(world.base, 'tutorial')
  const bin = join(cwd, 'bin')
  await mkdir(bin, { recursive: true })
  for (const [name, file] of Object.entries({ knhk: BIN, adversary: ADVERSARY }))
    await writeFile(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${file}" "$@"\n`, { mode: 0o755 })
  await writeFile(join(cwd, 'run.sh'), scriptOf(blocks))
  const { exitCode, all } = await execa('bash', ['run.sh'], {
    cwd,
    reject: false,
    extendEnv: false,
    env: { ...world.env, PATH: `${bin}:${process.env.PATH}` },
    all: true,
  })
  expect(exitCode, all).toBe(0)
}, 240_000)
