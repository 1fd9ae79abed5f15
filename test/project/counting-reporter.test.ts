/**
 * Shows that the closing line of a test run is true: it counts tests, files that do not load, suites whose
 * set-up fails and errors outside of every test; it comes last; and a run without a test fails.
 */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, describe, expect, it } from 'vitest'
import { projectRoot } from './project-root.js'

const directories: string[] = []

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
})

/** Runs vitest with the reporter on test files of the given names and texts. */
async function runTests(files: Readonly<Record<string, string>>) {
  const directory = await mkdtemp(join(tmpdir(), 'knhk-reporter-'))
  directories.push(directory)
  await symlink(join(projectRoot, 'node_modules'), join(directory, 'node_modules'))
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, name), `import { beforeAll, describe, expect, it } from 'vitest'\n${text}\n`)
  }
  const reporter = join(projectRoot, 'test', 'tools', 'counting-reporter.mjs')
  const args = ['run', '--root', directory, '--reporter', 'default', '--reporter', reporter]
  const vitest = join(projectRoot, 'node_modules', '.bin', 'vitest')
  const result = await execa(vitest, args, { reject: false, env: { NO_COLOR: '1' } })
  return { exitCode: result.exitCode, lastLine: result.stdout.split('\n').at(-1) }
}

const PASSING = `it('adds', () => expect(1 + 1).toBe(2))`

describe('the closing line', () => {
  it('counts passed tests only', async () => {
    const run = await runTests({ 'a.test.ts': PASSING, 'b.test.ts': `${PASSING}\nit.skip('later', () => {})` })
    expect(run).toEqual({ exitCode: 0, lastLine: '2 passed, 0 failed' })
  })

  it('counts failed tests', async () => {
    const run = await runTests({ 'a.test.ts': `${PASSING}\nit('fails', () => expect(1).toBe(2))` })
    expect(run).toEqual({ exitCode: 1, lastLine: '1 passed, 1 failed' })
  })

  it('counts a file that does not load as a failure', async () => {
    const run = await runTests({ 'a.test.ts': PASSING, 'b.test.ts': `import './absent.js'\n${PASSING}` })
    expect(run).toEqual({ exitCode: 1, lastLine: '1 passed, 1 failed' })
  })

  it('counts a suite whose set-up fails as a failure', async () => {
    const suite = `describe('s', () => { beforeAll(() => { throw new Error('no') }); ${PASSING} })`
    const run = await runTests({ 'a.test.ts': PASSING, 'b.test.ts': suite })
    expect(run).toEqual({ exitCode: 1, lastLine: '1 passed, 1 failed' })
  })

  it('counts an error outside of every test as a failure', async () => {
    const run = await runTests({ 'a.test.ts': `${PASSING}\nvoid Promise.reject(new Error('lost'))` })
    expect(run).toEqual({ exitCode: 1, lastLine: '1 passed, 1 failed' })
  })

  it('fails where no test was executed', async () => {
    expect(await runTests({ 'a.test.ts': `it.skip('later', () => {})` })).toEqual({
      exitCode: 1,
      lastLine: '0 passed, 1 failed',
    })
    expect(await runTests({})).toEqual({ exitCode: 1, lastLine: '0 passed, 1 failed' })
  })
})
