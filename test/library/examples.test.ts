/**
 * Runs the examples of docs/library.md as they stand there, and compares what they print with what the page says.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { projectRoot } from '../project/project-root.js'

/** An example and what it prints: a block of code, then a block of text. */
const EXAMPLE = /```ts\n(.*?)```\n\n```text\n(.*?)```/gs

const page = await readFile(join(projectRoot, 'docs', 'library.md'), 'utf8')
const examples = [...page.matchAll(EXAMPLE)].map(([, code = '', output = '']) => ({ code, output }))
const entry = pathToFileURL(join(projectRoot, 'src', 'index.ts')).href

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'knhk-examples-'))
})
afterEach(() => vi.restoreAllMocks())
afterAll(() => rm(base, { recursive: true, force: true }))

describe('docs/library.md', () => {
  it('has an example for every kind of cluster, and none that is not run', () => {
    expect(examples.length).toBeGreaterThanOrEqual(3)
    expect(page.split('```ts\n')).toHaveLength(examples.length + 1)
  })

  it('names nothing that is not exported', async () => {
    const index = await readFile(fileURLToPath(entry), 'utf8')
    const table = page.slice(page.indexOf('## What there is'), page.indexOf('Every process'))
    const names = table.split('\n').flatMap((row) => row.split('|')[1]?.match(/`(\w+)`/g) ?? [])
    expect(names.length).toBeGreaterThan(25)
    for (const name of names) expect(index).toMatch(new RegExp(`\\b${name.slice(1, -1)}\\b`))
  })

  for (const [i, { code, output }] of examples.entries()) {
    const uses = /import \{.*?\} from 'knhk'/s.exec(code)?.[0].match(/[A-Z]\w+(?:Cluster|Machine|Consensus)/g) ?? []
    it(`example ${i + 1} (${uses.join(', ')}) prints what the page says`, async () => {
      const file = join(base, `example-${i}.ts`)
      await writeFile(file, code.replace(`from 'knhk'`, `from '${entry}'`))
      const printed: string[] = []
      vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line))
      await import(pathToFileURL(file).href)
      expect(`${printed.join('\n')}\n`).toBe(output)
    }, 60_000)
  }
})
