/**
 * Shows a hybrid cluster of four real processes: it runs Raft, an operator's order or a member's bad signatures
 * make it switch to PBFT without losing what it acknowledged, and it does not go back while anything speaks
 * against it.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { eventually, World } from './harness.js'

const ADVERSARY = fileURLToPath(new URL('../../dist/test/adversary/run.js', import.meta.url))
const TIMEOUT_MS = 180_000

interface ModeReport {
  readonly mode: string
  readonly epoch: number
  readonly residencyMs: number
}
interface Threat {
  readonly level: string
  readonly causes: readonly string[]
  readonly nodes: readonly { readonly id: string; readonly level: string }[]
}
interface Written {
  readonly mode: string
  readonly epoch: number
  readonly assurance: string
}

let world: World
beforeEach(async () => {
  world = await World.make()
  await world.up('hybrid', 4)
})
afterEach(() => world.remove())

const put = (key: string) => world.json<Written>(['kv', 'put', key, `value of ${key}`, '--dir', world.dir])
const mode = () => world.json<ModeReport>(['cluster', 'mode', 'show', '--dir', world.dir])

async function expectAll(keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const { value } = await world.json<{ value: string }>(['kv', 'get', key, '--dir', world.dir])
    expect(value).toBe(`value of ${key}`)
  }
}

it(
  'switches by order, keeps what it acknowledged, and stays for its residency',
  async () => {
    expect(await put('before')).toMatchObject({ mode: 'raft', epoch: 0, assurance: 'fast' })
    expect(await mode()).toMatchObject({ mode: 'raft', epoch: 0, residencyMs: 30_000 })
    const set = ['cluster', 'mode', 'set', 'bft', '--dir', world.dir]
    expect(await world.run(set)).toMatchObject({ exitCode: 2 })
    expect(await world.json<ModeReport>([...set, '--yes'])).toMatchObject({ mode: 'pbft', epoch: 1 })
    expect(await put('after')).toMatchObject({ mode: 'pbft', epoch: 1, assurance: 'certified' })
    await expectAll(['before', 'after'])
    const back = await world.run(['cluster', 'mode', 'set', 'raft', '--yes', '--dir', world.dir, '--json'])
    expect(back.exitCode).toBe(8)
    const { error } = JSON.parse(back.stdout) as { error: { code: string; details: { retryAfterMs: number } } }
    expect(error.code).toBe('ModeRefused')
    expect(error.details.retryAfterMs).toBeGreaterThan(0)
    // The mode outlives a restart of everybody.
    await world.run(['down', '--dir', world.dir])
    await world.up('hybrid', 4)
    expect(await mode()).toMatchObject({ mode: 'pbft', epoch: 1 })
    await expectAll(['before', 'after'])
  },
  TIMEOUT_MS,
)

it(
  'switches by itself when a member sends six bad signatures, and says whose they are',
  async () => {
    await put('before')
    const pid = Number(await readFile(join(world.dir, 'nodes', 'n4', 'node.pid'), 'utf8'))
    process.kill(pid, 'SIGTERM')
    await eventually('n4 has ended', async () => {
      try {
        process.kill(pid, 0)
        return false
      } catch {
        return true
      }
    })
    const lie = ['--dir', world.dir, '--node', 'n4', '--lie', 'bad-signatures', '--count', '8']
    const adversary = execa(process.execPath, [ADVERSARY, ...lie], { reject: false, env: world.env, extendEnv: false })
    try {
      const switched = await eventually('the cluster has switched', async () => {
        const now = await mode()
        return now.mode === 'pbft' && now
      })
      expect(switched.epoch).toBe(1)
      const threat = await world.json<Threat>(['cluster', 'threat', 'show', '--dir', world.dir])
      expect(threat).toMatchObject({ level: 'high', causes: ['badSignatures'] })
      expect(threat.nodes.filter(({ level }) => level !== 'none').map(({ id }) => id)).toEqual(['n4'])
      await put('after')
      await expectAll(['before', 'after'])
      const cleared = await world.run(['cluster', 'threat', 'clear', 'n4', '--yes', '--dir', world.dir, '--json'])
      expect(cleared).toMatchObject({ exitCode: 0 })
    } finally {
      adversary.kill('SIGKILL')
      await adversary
    }
  },
  TIMEOUT_MS,
)
