/**
 * Shows what a client of a real Byzantine cluster can rely on while one of its four processes stands still:
 * a read that begins after a write was answered sees it, whoever wrote, commands end at once, every read
 * level says what it is, and the cluster's state is told in the terms of its protocol.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { QueryOptions } from '../../src/client/api.js'
import type { ClusterClient } from '../../src/client/index.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { eventually, World } from './harness.js'

const KEY = Buffer.from('k')
const ROUNDS = 20

let world: World
const clients: ClusterClient[] = []

beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await world.remove()
})

async function connected(): Promise<ClusterClient> {
  const client = await world.client()
  clients.push(client)
  return client
}

async function read(client: ClusterClient, options: QueryOptions = {}): Promise<string> {
  const { value } = await client.query('kv.get', { key: KEY }, options)
  return Buffer.from((value as { value: Uint8Array }).value).toString()
}

for (const [protocol, turn] of [
  ['pbft', 'view'],
  ['hotstuff', 'round'],
] as const) {
  it(`reads of a ${protocol} cluster see what was written before them`, { timeout: 120_000 }, async () => {
    const { nodes } = await world.up(protocol, 4)
    const [writer, reader] = [await connected(), await connected()]
    // One that takes connections and says nothing.
    const halted = nodes[3]?.pid as number
    process.kill(halted, 'SIGSTOP')
    try {
      const session = await writer.openSession()
      for (let round = 1; round <= ROUNDS; round++) {
        const operation = kvOperation({ operation: 'kv.put', key: KEY, value: Buffer.from(String(round)) })
        const [put] = await session.submit([operation], { timeoutMs: 30_000 })
        expect(put).toMatchObject({ outcome: { ok: true }, mode: protocol, assurance: 'certified' })
        expect(await read(reader, { timeoutMs: 30_000 })).toBe(String(round))
      }
      const status = await reader.clusterStatus()
      expect(status).toMatchObject({ protocol, mode: protocol, epoch: 0, term: null })
      expect(status[turn]).not.toBeNull()
      expect(status.nodes.filter((node) => node.reachable)).toHaveLength(3)
    } finally {
      process.kill(halted, 'SIGCONT')
    }
    const valueAt = async (level: string): Promise<number> => {
      const { value } = await world.json<{ value: string }>(['kv', 'get', 'k', '--read', level, '--dir', world.dir])
      return Number(value)
    }
    // Such a read sees what one node has, and the one that stood still may have nothing of it yet.
    for (const level of ['leader', 'local'])
      expect(await eventually(`a ${level} read finds the value`, () => valueAt(level))).toBeGreaterThan(0)
    expect((await world.run(['kv', 'get', 'k', '--read', 'lease', '--dir', world.dir])).exitCode).toBe(2)
    expect((await world.run(['kv', 'get', 'k', '--endpoints', 'n1', '--dir', world.dir])).exitCode).toBe(2)
  })
}

it('too few nodes to bear one that lies are refused', async () => {
  const { exitCode, stdout } = await world.run([
    'up',
    '--protocol',
    'pbft',
    '--nodes',
    '3',
    '--dir',
    world.dir,
    '--json',
  ])
  expect(exitCode).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'InvalidArgument', details: { needed: 4 } } })
})
