/**
 * Shows `watch` on a real terminal (one screen, drawn over, and what was there before back at the end) and without
 * one (lines, NDJSON, one document), the wizard of `cluster init`, and tables that are wider than the terminal.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, World } from '../e2e/harness.js'
import { CTRL_C, Terminal } from './terminal-session.js'

let world: World

beforeAll(async () => {
  world = await World.make({ quick: true })
  world.env.KNHK_DIR = world.dir
  await world.up()
})
afterAll(() => world.remove())

const ENTERS = '\u001b[?1049h'
const LEAVES = '\u001b[?1049l'

describe('watch on a terminal', () => {
  it('draws one screen, tells of a node that stops, and leaves it at q', async () => {
    const { leader } = await world.json<{ leader: string }>(['status'])
    const follower = ['n1', 'n2', 'n3'].find((id) => id !== leader) as string
    const watch = new Terminal(world, ['watch', '--interval', '200ms'])
    await watch.sees(/commits.*entries\/s[\s\S]*n1 +\w+[\s\S]*recent events\s+none since this began[\s\S]*q leaves/)
    expect(watch.raw).toContain(ENTERS)
    await world.run(['node', 'stop', '--node', follower])
    await watch.sees(`${follower} does not answer`)
    await world.up()
    await watch.sees(`${follower} answers again`)
    watch.resize(60, 12)
    await watch.type('q', '')
    expect(await watch.ended).toBe(0)
    expect(watch.raw).toContain(LEAVES)
  }, 60_000)

  it('ends with 130 at Ctrl-C, without a word of an error', async () => {
    const watch = new Terminal(world, ['watch'])
    await watch.sees('q leaves')
    await watch.type(CTRL_C, '')
    expect(await watch.ended).toBe(130)
    expect(watch.shown).not.toContain('Error')
  }, 30_000)
})

describe('watch without a terminal', () => {
  it('prints a line per look', async () => {
    const { exitCode, stdout } = await world.run(['watch', '--count', '2', '--interval', '100ms'])
    expect(exitCode).toBe(0)
    const lines = stdout.split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line).toMatch(/leader n\d {2}term \d+ {2}commit \d+ .* n1 \w+ \d+, n2 \w+ \d+, n3/)
  })

  it('prints records, or one document', async () => {
    const { stdout } = await world.run(['watch', '--count', '3', '--interval', '50ms', '--output', 'ndjson'])
    const records = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(records).toHaveLength(3)
    expect(records[0]).toMatchObject({ entriesPerSecond: null, events: [], leader: expect.any(String) })
    expect(records[2]).toMatchObject({ entriesPerSecond: expect.any(Number), readMs: expect.any(Number) })
    expect((await world.json<{ samples: unknown[] }>(['watch'])).samples).toHaveLength(1)
  })

  it('says what happens as it happens', async () => {
    const running = world.start(['watch', '--interval', '100ms'])
    let text = ''
    running.stdout?.on('data', (chunk) => {
      text += String(chunk)
    })
    const { leader } = await world.json<{ leader: string }>(['status'])
    const target = leader === 'n1' ? 'n2' : 'n1'
    await eventually('it has looked', async () => text !== '')
    await world.json(['cluster', 'transfer-leader', target])
    await eventually('the new leader is told', async () => text.includes(`${target} leads now`))
    running.kill('SIGINT')
    const ended = await running
    expect([ended.exitCode, ended.stderr]).toEqual([130, ''])
  }, 30_000)
})

describe('the wizard of cluster init', () => {
  it('asks, shows what it will make, and makes it', async () => {
    const dir = join(world.base, 'wizard')
    const wizard = new Terminal(world, ['cluster', 'init'])
    await wizard.sees('Directory of the cluster')
    await wizard.type(`${dir}\r`, 'Number of nodes')
    await wizard.type('\u007f\u007f9x\r', 'whole number')
    await wizard.type('\u007f\u007f3\r', 'Zones')
    await wizard.type('a, b, c\r', 'Protocol')
    await wizard.type('\r', 'Make it?')
    await wizard.type('\r', /knhk up --dir/)
    expect(await wizard.ended).toBe(0)
    expect(wizard.shown).toContain('cluster.yaml')
    const { members } = await world.json<{ members: { zone: string }[] }>(['cluster', 'init', '--dir', dir])
    expect(members.map(({ zone }) => zone)).toEqual(['a', 'b', 'c'])
  }, 30_000)

  it('makes nothing when it is left', async () => {
    const wizard = new Terminal(world, ['cluster', 'init'])
    await wizard.sees('Directory of the cluster')
    await wizard.type(CTRL_C, /Aborted/)
    expect(await wizard.ended).toBe(130)
  }, 30_000)
})

describe('a table on a narrow terminal', () => {
  it('has no lines that wrap', async () => {
    const columns = 70
    const status = new Terminal(world, ['status'], columns)
    expect(await status.ended).toBe(0)
    for (const line of status.shown.split('\r\n')) expect(line.length, line).toBeLessThanOrEqual(columns)
    expect(status.shown).not.toContain('┌')
  })
})
