/**
 * Shows that the scripts of fixtures/ci, which the guide for CI shows, run under bash -e from the beginning to the
 * end, and that standard error holds nothing.
 */
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BIN, World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'

let world: World
beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.remove())

describe('the scripts for CI', () => {
  it('take a cluster through its life', async () => {
    const work = join(world.base, 'job')
    const script = join(projectRoot, 'fixtures', 'ci', 'cluster-life.sh')
    const { exitCode, stdout, stderr } = await execa('bash', ['-e', script], {
      reject: false,
      extendEnv: false,
      env: { ...world.env, KNHK: `${process.execPath} ${BIN}`, WORK: work },
    })
    expect(stderr).toBe('')
    expect(exitCode, stdout).toBe(0)
    expect(stdout.split('\n').at(-1)).toBe('== done')
  }, 180_000)
})
