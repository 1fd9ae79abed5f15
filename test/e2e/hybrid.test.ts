/**
 * Shows a hybrid cluster of four real processes: it runs Raft, an operator's order makes it switch to PBFT and back
 * without losing what it acknowledged, it stays for its residency, and it knows its mode after a restart of everybody.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { HybridWorld, type ModeReport } from './hybrid-world.js'

const TIMEOUT_MS = 180_000

let hybrid: HybridWorld
beforeEach(async () => {
  hybrid = await HybridWorld.make()
})
afterEach(() => hybrid.remove())

const set = (mode: string, ...flags: string[]) => hybrid.world.run(['cluster', 'mode', 'set', mode, ...flags, '--json'])

async function expectAll(keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const { value } = await hybrid.json<{ value: string }>('kv', 'get', key)
    expect(value).toBe(`value of ${key}`)
  }
}

it(
  'switches by order, keeps what it acknowledged, stays for its residency, and comes back',
  async () => {
    expect(await hybrid.put('before')).toMatchObject({ mode: 'raft', epoch: 0, assurance: 'fast' })
    expect(await hybrid.mode()).toMatchObject({ mode: 'raft', epoch: 0, residencyMs: 2000 })
    expect(await set('bft')).toMatchObject({ exitCode: 2 })
    const switched = await set('bft', '--yes')
    expect(JSON.parse(switched.stdout)).toMatchObject({ mode: 'pbft', epoch: 1 })
    expect(await hybrid.put('after')).toMatchObject({ mode: 'pbft', epoch: 1, assurance: 'certified' })
    // The mode outlives a restart of everybody.
    await hybrid.world.run(['down'])
    await hybrid.world.up('hybrid', 4)
    expect(await hybrid.mode()).toMatchObject({ mode: 'pbft', epoch: 1 })
    await expectAll(['before', 'after'])
    const back = await hybrid.json<ModeReport>('cluster', 'mode', 'set', 'raft', '--yes', '--timeout', '30')
    expect(back).toMatchObject({ mode: 'raft', epoch: 2 })
    expect(await hybrid.put('back')).toMatchObject({ mode: 'raft', epoch: 2 })
    await expectAll(['before', 'after', 'back'])
  },
  TIMEOUT_MS,
)
