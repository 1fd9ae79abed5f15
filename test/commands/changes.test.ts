/**
 * Shows the stream of committed changes on a real cluster: in log order, each once, filtered, taken up again behind any
 * change, over the crash of the leader; and a clear error for what is compacted away.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Change, watchChanges } from '../../src/client/changes.js'
import type { ClusterClient } from '../../src/client/index.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { eventually, World } from '../e2e/harness.js'

const CASE = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'
const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'

let world: World
let client: ClusterClient

beforeAll(async () => {
  world = await World.make({ quick: true })
  world.env.KNHK_DIR = world.dir
  await world.up()
  client = await world.client()
})
afterAll(async () => {
  await client.close()
  await world.remove()
})

function put(key: string) {
  return kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from('v') })
}

async function all(options: Parameters<typeof watchChanges>[1]): Promise<Change[]> {
  const found: Change[] = []
  for await (const change of watchChanges(client, { ...options, once: true })) found.push(change)
  return found
}

function keyOf({ operation }: Change): string {
  const { data } = operation as { data: { key: string } }
  return data.key
}

describe('the stream of changes', () => {
  it('yields every operation once, in log order, whatever the pages', async () => {
    const session = await client.openSession({ ordered: true })
    const keys = Array.from({ length: 1_300 }, (_, i) => `many/${i}`)
    for (let i = 0; i < keys.length; i += 100) await session.submit(keys.slice(i, i + 100).map(put))
    const settled = (await session.submit([put('many/last')]))[0]
    await session.close()
    await world.json(['wait', '--for', `applied=${settled?.index}`])
    const changes = await all({ keyPrefix: 'many/' })
    expect(changes.map(keyOf)).toEqual([...keys, 'many/last'])
    const last = changes.at(-1)
    expect({ index: last?.index, position: last?.position }).toEqual({
      index: settled?.index,
      position: settled?.position,
    })
    const middle = changes[649] as Change
    expect((await all({ keyPrefix: 'many/', after: middle })).map(keyOf)).toEqual([...keys.slice(650), 'many/last'])
  })

  it('is filtered by type and case', async () => {
    await world.json(['case', 'create', '--case-id', CASE, '--spec-id', SPEC, '--data', '{"a":1}'])
    await world.json(['case', 'start', CASE])
    await world.json(['wait', '--for', 'caught-up'])
    expect((await all({ caseId: CASE })).map(({ type }) => type)).toEqual(['CreateCase', 'UpdateCaseState'])
    expect((await all({ type: 'CreateCase' })).map(({ operation }) => operation?.caseId)).toEqual([CASE])
    expect((await all({ type: 'OpenSession' })).length).toBeGreaterThan(0)
  })

  it('goes on over the crash of the leader, without a gap and without a repetition', async () => {
    const controller = new AbortController()
    const seen: string[] = []
    const following = (async () => {
      for await (const change of watchChanges(client, { keyPrefix: 'crash/', pollMs: 20, signal: controller.signal })) {
        seen.push(keyOf(change))
      }
    })().catch((error: unknown) => {
      if (!controller.signal.aborted) throw error
    })
    const keys = Array.from({ length: 30 }, (_, i) => `crash/${i}`)
    for (const [i, key] of keys.entries()) {
      if (i === 10) {
        const { leader } = await world.json<{ leader: string }>(['status'])
        await world.endNode(leader, 'SIGKILL')
      }
      const session = await client.openSession()
      await session.submit([put(key)])
    }
    await eventually('all changes are seen', async () => seen.length >= keys.length)
    controller.abort()
    await following
    expect(seen).toEqual(keys)
    await world.up()
  }, 60_000)

  it('says what is compacted away', async () => {
    await world.json(['wait', '--for', 'caught-up'])
    for (const node of ['n1', 'n2', 'n3']) await world.json(['log', 'compact', '--node', node, '--yes'])
    // The logs begin later some moment after the answer.
    const isGone = () =>
      all({ from: 1 }).then(
        () => false,
        () => true,
      )
    await eventually('the log begins later', isGone)
    await expect(all({ from: 1 })).rejects.toMatchObject({ code: 'ChangesGone', details: { index: 1 } })
    const { exitCode } = await world.run(['watch', 'changes', '--from', '1', '--json'])
    expect(exitCode).toBe(4)
    await expect(all({})).resolves.toBeDefined()
  })

  it('is printed as lines, and ends after --count', async () => {
    const running = world.start(['watch', 'changes', '--key-prefix', 'line/', '--count', '2', '--output', 'ndjson'])
    let ended = false
    void running.then(() => {
      ended = true
    })
    await eventually('two lines are printed', async () => {
      await world.json(['kv', 'put', 'line/a', '1'])
      return ended
    })
    const { exitCode, stdout } = await running
    expect(exitCode).toBe(0)
    expect(stdout.split('\n').map((line) => keyOf(JSON.parse(line) as Change))).toEqual(['line/a', 'line/a'])
  }, 60_000)
})
