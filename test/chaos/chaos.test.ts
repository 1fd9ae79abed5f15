/**
 * Shows that the stories of `npm run test:chaos` run, and that a cluster of real processes keeps what it
 * acknowledged through kills; one story, bounded, over the built program.
 */
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, it } from 'vitest'

const RUN = fileURLToPath(new URL('../../dist/test/chaos/run.js', import.meta.url))

interface Report {
  readonly stories: readonly {
    readonly story: string
    readonly verdict: string
    readonly reason: string | null
    readonly kills: number
    readonly ackedWrites: number
    readonly longestGapMs: number | null
  }[]
}

it('a leader, all nodes and a random one are killed: the history stays linearizable', async () => {
  const ran = await execa(process.execPath, [RUN, '--story', 'kill', '--minutes', '0.05', '--json'], { reject: false })
  const { stories } = JSON.parse(ran.stdout) as Report
  expect(stories).toMatchObject([{ story: 'kill', verdict: 'ok', reason: null }])
  // One of the leader, three of all at once, one of whoever it is.
  expect(stories[0]?.kills).toBeGreaterThanOrEqual(5)
  expect(stories[0]?.ackedWrites).toBeGreaterThan(200)
  expect(ran.exitCode).toBe(0)
}, 120_000)

it('an unknown story is refused', async () => {
  expect(await execa(process.execPath, [RUN, '--story', 'nonsense'], { reject: false })).toMatchObject({ exitCode: 2 })
})
