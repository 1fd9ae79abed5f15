/**
 * Shows that a linearizable read of a Byzantine cluster sees every write that was answered before it began,
 * whatever f members say and however far others lag, that reads share fences, and what the cheaper levels
 * promise: one member's word.
 */
import { expect, test } from 'vitest'
import type { QueryOptions } from '../../src/client/api.js'
import type { ClusterClient } from '../../src/client/client.js'
import { CLIENT_FRAME, decodeQuery, encodeLeaderNotice, requestNumberOf } from '../../src/transport/client-protocol.js'
import { until } from '../until.js'
import { bytes, put } from '../workflow/harness.js'
import { ByzantineWorld, type Conduct } from './byzantine-world.js'

const silent: Conduct = () => {}
const read = async (client: ClusterClient, options: QueryOptions = {}): Promise<string | null> => {
  const { value } = await client.query('kv.get', { key: bytes('k') }, options)
  const found = (value as { value: Uint8Array | null }).value
  return found === null ? null : Buffer.from(found).toString()
}

test('a replica that lags behind the fence is waited for, not believed', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  // n1 lies: it answers from the state before. n2 has not applied the next write.
  world.replica(2).isFrozen = true
  const old = { key: bytes('k'), value: bytes('1'), index: 2 }
  world.replica(1).conduct = (replica, link, type, payload) => {
    if (type !== CLIENT_FRAME.query || decodeQuery(payload).name !== 'kv.get')
      return replica.answer(link, type, payload)
    replica.tell(link, requestNumberOf(payload), old, 10_000)
  }
  await client.submitOnce(put('k', '2'))
  for (let i = 0; i < 5; i++) expect(await read(client)).toBe('2')
  await client.close()
})

test('an answer from before the fence costs its member the link', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  world.replica(1).conduct = (replica, link, type, payload) => {
    if (type !== CLIENT_FRAME.query || decodeQuery(payload).name !== 'kv.get')
      return replica.answer(link, type, payload)
    replica.tell(link, requestNumberOf(payload), 'stale', 1)
  }
  world.replica(2).isFrozen = true
  const reading = read(client)
  await until(() => world.replica(1).links.some((link) => link.violations > 0))
  world.replica(2).isFrozen = false
  world.replica(2).catchUp()
  expect(await reading).toBe('1')
  await client.close()
})

test('members that see different states are asked again until f + 1 agree', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  let asked = 0
  const differing =
    (own: string): Conduct =>
    (replica, link, type, payload) => {
      if (type !== CLIENT_FRAME.query || decodeQuery(payload).name !== 'kv.get' || asked++ >= 8) {
        return replica.answer(link, type, payload)
      }
      replica.tell(link, requestNumberOf(payload), { key: bytes('k'), value: bytes(own), index: 2 }, 5_000)
    }
  for (const n of [1, 2, 3, 4]) world.replica(n).conduct = differing(String(n * 10))
  expect(await read(client)).toBe('1')
  expect(asked).toBeGreaterThan(8)
  await client.close()
})

test('reads that begin in one turn share a fence; later ones have their own', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  const before = world.log.length
  expect(await Promise.all(Array.from({ length: 50 }, () => read(client)))).toEqual(Array(50).fill('1'))
  expect(world.log.length).toBe(before + 1)
  await read(client)
  expect(world.log.length).toBe(before + 2)
  await client.close()
})

test('a query that members refuse fails with what they say', async () => {
  const world = await ByzantineWorld.of(4)
  for (const replica of world.replicas) {
    replica.conduct = (one, link, type, payload) => {
      if (type === CLIENT_FRAME.query) link.refuse(payload, 'CaseNotFound')
      else one.answer(link, type, payload)
    }
  }
  const client = world.client()
  await expect(client.query('case.get', {})).rejects.toMatchObject({ code: 'CaseNotFound' })
  await client.close()
})

test('the leader that f + 1 members name is asked by reads of level leader; one liar names nobody', async () => {
  const world = await ByzantineWorld.of(4)
  world.leader = 'n3'
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  const { node } = await client.query('kv.get', { key: bytes('k') }, { read: 'leader' })
  expect(node).toBe('n3')
  for (const link of world.replica(1).links) link.deliver(CLIENT_FRAME.leader, encodeLeaderNotice(2 ** 40, 'n1'))
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect((await client.query('kv.get', { key: bytes('k') }, { read: 'leader' })).node).toBe('n3')
  await client.close()
})

test('a local read is the word of the member that is named', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  world.replica(4).isFrozen = true
  await client.submitOnce(put('k', '2'))
  expect(await read(client, { read: 'local', node: 'n4' })).toBe('1')
  await client.close()
})

test('a lease is nothing that a Byzantine cluster reads by', async () => {
  const world = await ByzantineWorld.of(4)
  const client = world.client()
  await expect(read(client, { read: 'lease' })).rejects.toMatchObject({ code: 'UnsupportedRead' })
  await client.close()
})

test('one liar cannot change who the members are', async () => {
  const world = await ByzantineWorld.of(4)
  world.replica(1).conduct = (replica, link, type, payload) => {
    if (type !== CLIENT_FRAME.query || decodeQuery(payload).name !== 'cluster.members') {
      return replica.answer(link, type, payload)
    }
    const told = world.membersAnswer() as { members: unknown[] }
    replica.tell(link, requestNumberOf(payload), { ...told, index: 99, members: told.members.slice(0, 1) })
  }
  const channel = world.channel()
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  await until(() => world.replicas.every((replica) => replica.received >= 3))
  const status = await client.clusterStatus({ timeoutMs: 200 })
  expect(status.nodes).toHaveLength(4)
  channel.close()
  await client.close()
})

test('silent members do not hold up reads', async () => {
  const world = await ByzantineWorld.of(7)
  world.replica(1).conduct = silent
  world.replica(2).conduct = silent
  const client = world.client()
  await client.submitOnce(put('k', '1'))
  expect(await read(client)).toBe('1')
  await client.close()
})
