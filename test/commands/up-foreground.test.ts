/**
 * Shows `up` in the foreground: it stays until it is told to end, says when a node dies, stops what it started and
 * nothing else; and says why a node did not start.
 */
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from '../e2e/harness.js'

let world: World

beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.remove())

describe('up in the foreground', () => {
  // Whatever a failing test left running.
  afterAll(() => world.kill(join(world.base, 'foreground')))

  it('stays until SIGTERM, tells of a node that dies, and stops what it started', async () => {
    const dir = join(world.base, 'foreground')
    const running = world.start(['up', '--nodes', '1', '--dir', dir])
    let notes = ''
    running.stderr?.on('data', (chunk) => {
      notes += String(chunk)
    })
    await told('plain Raft: it bears nodes that fail, none that lies')
    await told('until SIGINT or SIGTERM')
    await world.endNode('n1', 'SIGKILL', dir)
    await told('node n1')
    expect(await world.json(['up', '--dir', dir, '--detach'])).toMatchObject({ dir })
    expect(running.exitCode).toBeNull()
    running.kill('SIGTERM')
    expect((await running).exitCode).toBe(0)
    // The node that runs now was started by another: it is not ours to stop.
    expect(await world.json(['down', '--dir', dir])).toMatchObject({ nodes: [{ outcome: 'stopped' }] })

    async function told(text: string): Promise<void> {
      for (let i = 0; i < 400 && !notes.includes(text); i++) await new Promise((resolve) => setTimeout(resolve, 50))
      expect(notes).toContain(text)
    }
  })

  it('says why a node did not start', async () => {
    const dir = join(world.base, 'refused')
    await world.json(['cluster', 'init', '--dir', dir, '--nodes', '1'])
    await appendFile(join(dir, 'nodes', 'n1', 'data', 'identity.json'), 'x')
    const { exitCode, stdout } = await world.run(['up', '--dir', dir, '--detach', '--json'])
    expect(exitCode).toBe(70)
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
    expect(error.code).toBe('StartFailed')
    expect(error.message).toContain('identity.json')
  })
})
