/**
 * docs/consensus/hybrid.md says nothing that is not there: each check that it names is a file that reports the
 * id beside it, the simulator knows the id and a test makes it fire; links and the picture exist; the
 * case behind the picture runs, and changes its protocol.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { readCase } from '../../src/simulator/case-file.js'
import { INVARIANT_MEANINGS } from '../../src/simulator/catalogue.js'
import { runPlan } from '../../src/simulator/run-seed.js'
import { projectRoot } from './project-root.js'

const PAGE = 'docs/consensus/hybrid.md'
const read = (path: string) => readFile(join(projectRoot, path), 'utf8')

/** Shown to fire with other controls than those of the hybrid. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  stateMachineSafety: 'test/simulator/invariants.test.ts',
  linearizability: 'test/simulator/linearizability.test.ts',
}

it('every invariant is linked to a file that reports it, and fires in a test', async () => {
  const rows = (await read(PAGE)).split('\n').filter((line) => /^\| .*`src\/simulator\//.test(line))
  expect(rows.length).toBeGreaterThanOrEqual(19)
  const controls = await read('test/simulator/hybrid-invariants.test.ts')
  for (const row of rows) {
    const [, ids = '', file = ''] = row
      .split('|')
      .slice(1)
      .map((cell) => cell.trim())
    const source = await read(file.replaceAll('`', ''))
    for (const [, id = ''] of ids.matchAll(/`([^`]+)`/g)) {
      expect(Object.keys(INVARIANT_MEANINGS)).toContain(id)
      const elsewhere = ELSEWHERE[id]
      if (elsewhere === undefined) {
        expect(source, id).toContain(`'${id}'`)
        expect(controls, id).toContain(id)
      } else expect(existsSync(join(projectRoot, elsewhere)), elsewhere).toBe(true)
    }
  }
})

it('links lead somewhere, and the page is linked', async () => {
  const page = await read(PAGE)
  for (const [, link = ''] of page.matchAll(/\]\(([^)#]+)[^)]*\)/g))
    expect(existsSync(join(projectRoot, dirname(PAGE), link)), link).toBe(true)
  for (const [, path = ''] of page.matchAll(/`((?:src|test|fixtures)\/[^`]+)`/g))
    expect(existsSync(join(projectRoot, path)), path).toBe(true)
  expect(await read('docs/consensus/README.md')).toContain('(hybrid.md)')
})

it('the picture shows every step, and its case changes the protocol', { timeout: 60_000 }, async () => {
  const picture = await read('docs/consensus/hybrid-switch.svg')
  for (const step of ['S0', 'S1', 'S2', 'S3', 'S4']) expect(picture).toContain(`>${step} `)
  const { violation, switches } = await runPlan({
    plan: await readCase(join(projectRoot, 'fixtures/cases/hybrid-switch.json')),
    sha256,
  })
  expect(violation).toBeNull()
  expect(switches).toBe(1)
})
