/** docs/testing/pitfalls.md names tests, scenarios, stories and planted bugs that exist, for every pitfall but those that are open. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CATALOGUE } from '../mutants/catalogue/index.js'
import { projectRoot } from './project-root.js'

/** Known, and not handled yet. Whoever handles one takes it out of here. */
const OPEN: readonly string[] = []
const PITFALLS = 77

interface Row {
  readonly pitfall: string
  /** Files, each with a part of a test's name or without. */
  readonly references: readonly { readonly file: string; readonly title: string | null }[]
  readonly mutants: readonly string[]
}

async function rows(): Promise<Row[]> {
  const page = await readFile(join(projectRoot, 'docs', 'testing', 'pitfalls.md'), 'utf8')
  const lines = page.split('\n').filter((line) => line.startsWith('| '))
  return lines.slice(2).map((line) => {
    const [pitfall = '', references = '', mutants = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim())
    return {
      pitfall,
      references: [...references.matchAll(/`([^`]+)`(?:: “([^”]+)”)?/g)].map(([, file = '', title]) => ({
        file,
        title: title ?? null,
      })),
      mutants: [...mutants.matchAll(/`([^`]+)`/g)].map(([, id = '']) => id),
    }
  })
}

it('every pitfall is there once, with something that fails when it comes back', async () => {
  const all = await rows()
  expect(all).toHaveLength(PITFALLS)
  expect(new Set(all.map(({ pitfall }) => pitfall)).size).toBe(PITFALLS)
  expect(all.filter(({ references }) => references.length === 0).map(({ pitfall }) => pitfall)).toEqual(OPEN)
})

it('what is named exists, and files hold the tests that are named', async () => {
  for (const { references, mutants } of await rows()) {
    for (const { file, title } of references) {
      expect(existsSync(join(projectRoot, file)), file).toBe(true)
      if (title !== null) expect(await readFile(join(projectRoot, file), 'utf8'), file).toContain(title)
    }
    for (const id of mutants) expect(CATALOGUE.map((mutant) => mutant.id)).toContain(id)
  }
})
