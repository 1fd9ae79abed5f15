/**
 * Shows, with real processes, that a snapshot is a whole cluster in a file: saved from a running one it
 * becomes a new cluster with the same data and other keys. And that a member whose entries are gone
 * from every log catches up by snapshot while the load goes on, through kill -9 of the one who receives
 * and of the one who sends. And what `log diff` says of equal, shorter, compacted and different logs.
 */
import { cp, readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ClusterClient } from '../../src/client/index.js'
import { nodePaths } from '../../src/cluster/layout.js'
import { COMPACT_SCHEMA, DIFF_SCHEMA } from '../../src/terminal/log-flags.js'
import type { JsonSchema } from '../../src/terminal/schema.js'
import {
  LIST_SCHEMA,
  NEW_CLUSTER_SCHEMA,
  SAVE_SCHEMA,
  SNAPSHOT_SCHEMA,
  VERIFIED_SNAPSHOT_SCHEMA,
} from '../../src/terminal/snapshots/schemas.js'
import { violations } from '../commands/json-schema.js'
import { eventually, type LogLine, type UpNode, type UpReport, World } from './harness.js'
import { get, kvPut, put, write } from './kv.js'

/** Runs with --json and checks the result against the schema that the command publishes. */
async function checked<T>(schema: JsonSchema, args: readonly string[]): Promise<T> {
  const value = await world.json<T>(args)
  expect(violations(schema, value)).toEqual([])
  return value
}

interface Saved {
  readonly node: string
  readonly index: number
  readonly id: string
  readonly bytes: number
  readonly dataDigest: string
  readonly file: string | null
}

interface Diff {
  readonly equal: boolean
  readonly from: number
  readonly to: number
  readonly partsAt: number | null
  readonly a: { readonly lastIndex: number | null }
  readonly b: { readonly lastIndex: number | null }
}

let world: World
let up: UpReport
let client: ClusterClient
/** Directories of further clusters. */
let others: string[]

beforeEach(async () => {
  others = []
  world = await World.make({ quick: true })
  up = await world.up()
  client = await world.client()
})
afterEach(async () => {
  await client.close()
  for (const dir of others) await world.kill(dir)
  await world.remove()
})

async function leaderId(): Promise<string> {
  return eventually('there is a leader', async () => (await client.clusterStatus()).leader)
}

it('a saved snapshot becomes a new cluster with the same data, and other keys', async () => {
  await write(await client.openSession(), 0, 20)
  const file = join(world.base, 'backup.snap')
  const saved = await checked<Saved>(SAVE_SCHEMA, ['snapshot', 'save', '--dir', world.dir, '--out', file])
  expect((await stat(file)).size).toBe(saved.bytes)
  const verified = await checked<{ ok: boolean; id: string }>(VERIFIED_SNAPSHOT_SCHEMA, ['snapshot', 'verify', file])
  expect(verified).toMatchObject({ ok: true, id: saved.id })
  const listed = await checked<{ snapshots: Saved[] }>(LIST_SCHEMA, ['snapshot', 'list', '--dir', world.dir])
  expect(listed.snapshots.map(({ id }) => id)).toContain(saved.id)
  expect(await checked<Saved>(SNAPSHOT_SCHEMA, ['snapshot', 'inspect', file])).toMatchObject({
    id: saved.id,
    index: saved.index,
  })

  const dir = join(world.base, 'restored')
  const restore = ['snapshot', 'restore', file, '--dir', dir, '--nodes', '3']
  // Nobody can be asked, and a dry run makes nothing.
  expect((await world.run([...restore])).exitCode).toBe(2)
  await checked(NEW_CLUSTER_SCHEMA, [...restore, '--dry-run'])
  expect(await stat(dir).catch(() => null)).toBeNull()
  const made = await checked<{ clusterId: string; index: number; dataDigest: string }>(NEW_CLUSTER_SCHEMA, [
    ...restore,
    '--yes',
  ])
  expect(made).toMatchObject({ index: saved.index, dataDigest: saved.dataDigest })
  expect(made.clusterId).not.toBe(up.clusterId)
  // Never over something.
  expect((await world.run([...restore, '--yes'])).exitCode).toBe(8)

  others.push(dir)
  await world.json(['up', '--dir', dir, '--detach'])
  const restored = await world.client(dir)
  const stranger = await world.client(dir, world.dir)
  try {
    await eventually('every node has the data of the snapshot', async () => {
      const { nodes } = await restored.clusterStatus()
      return nodes.length === 3 && nodes.every(({ dataDigest }) => dataDigest === saved.dataDigest)
    })
    expect(await get(restored, 'k7')).toBe('v7')
    await put(restored, 'new', 'written after the restore')
    expect(await get(restored, 'new')).toBe('written after the restore')
    await expect(stranger.submitOnce(kvPut('x', 'y'), { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'UnknownKey',
    })
  } finally {
    await restored.close()
    await stranger.close()
  }

  await truncate(file, saved.bytes - 1)
  expect((await world.run(['snapshot', 'verify', file, '--json'])).exitCode).toBe(10)
  const elsewhere = join(world.base, 'elsewhere')
  expect((await world.run(['snapshot', 'restore', file, '--dir', elsewhere, '--yes'])).exitCode).toBe(10)
  expect(await stat(elsewhere).catch(() => null)).toBeNull()
}, 60_000)

it('a member that was down catches up by snapshot under load, though both ends of the transfer are killed', async () => {
  const leader = await leaderId()
  const lagging = up.nodes.find(({ id }) => id !== leader) as UpNode
  const others = up.nodes.filter(({ id }) => id !== lagging.id)
  await world.endNode(lagging.id, 'SIGKILL')

  // Large values: a transfer takes long enough to be interrupted in the middle.
  const session = await client.openSession({ timeoutMs: 20_000 })
  const value = Buffer.alloc(48 * 1024, 'x')
  for (let round = 0; round < 75; round++) {
    const batch = Array.from({ length: 16 }, (_, i) => kvPut(`large-${round}-${i}`, value))
    await session.submit(batch, { timeoutMs: 20_000 })
  }
  for (let i = 0; i < 2000; i++) await session.submit([kvPut(`small-${i}`, 'y')], { timeoutMs: 20_000 })
  // At one index both others have the same snapshot, so either can go on with the transfer.
  await eventually('both have applied the same', async () => {
    const { nodes } = await client.clusterStatus()
    return new Set(nodes.filter(({ reachable }) => reachable).map(({ appliedIndex }) => appliedIndex)).size === 1
  })
  for (const { id } of others) {
    const { nodes } = await checked<{ nodes: { firstIndex: number; errorCode: string | null }[] }>(COMPACT_SCHEMA, [
      'log',
      'compact',
      '--dir',
      world.dir,
      '--node',
      id,
      '--yes',
    ])
    expect(nodes[0]?.errorCode).toBeNull()
    expect(nodes[0]?.firstIndex).toBeGreaterThan(2000)
  }

  // Writes go on until all is over; each is acknowledged.
  let loading = true
  let written = 0
  const load = (async () => {
    for (; loading; written++) {
      await session.submit([kvPut('counter', `${written}`)], { timeoutMs: 60_000 })
    }
  })()
  try {
    const first = await startReceiving(lagging.id)
    await eventually('a part of it is here', async () => (await partBytes(lagging.id)) > 9 * 1024 * 1024)
    await world.endNode(lagging.id, 'SIGKILL')
    expect(first.resumedAt).toBe(0)

    const second = await startReceiving(lagging.id)
    await world.endNode(second.from as string, 'SIGKILL')
    expect(second.index).toBe(first.index)
    expect(second.resumedAt).toBeGreaterThan(0)
    await world.up()
    await eventually('the member has caught up', async () => {
      const { nodes } = await client.clusterStatus()
      const { firstIndex, lagEntries } = nodes.find(({ id }) => id === lagging.id) ?? {}
      return (firstIndex ?? 0) > 2000 && (lagEntries ?? Number.POSITIVE_INFINITY) < 10
    })
  } finally {
    loading = false
    await load
  }
  expect(written).toBeGreaterThan(0)
  const nodes = await eventually('all are idle at one index', async () => {
    const { nodes: seen } = await client.clusterStatus()
    const index = seen[0]?.appliedIndex ?? null
    const settled = seen.every((node) => node.appliedIndex === index && node.digestIndex === index)
    return index !== null && settled && seen
  })
  expect(nodes.map(({ stateDigest }) => stateDigest)).toEqual(nodes.map(() => nodes[0]?.stateDigest))
  expect(nodes[0]?.stateDigest).not.toBeNull()
  expect(await get(client, 'counter')).toBe(`${written - 1}`)
  expect(await world.events(lagging.id)).toContain('snapshot restored')
}, 90_000)

/** Bytes of a snapshot that is being received. */
async function partBytes(id: string): Promise<number> {
  const directory = join(nodePaths(world.dir, id).data, 'snapshots')
  const part = (await readdir(directory)).find((name) => name.endsWith('.part'))
  return part === undefined ? 0 : (await stat(join(directory, part))).size
}

/** Starts a node; resolves when it has begun to fetch a snapshot. */
async function startReceiving(id: string): Promise<LogLine> {
  const fetched = async () => (await world.log(id)).filter(({ event }) => event === 'fetching a snapshot')
  const before = (await fetched()).length
  world.start(['node', 'start', '--dir', world.dir, '--node', id])
  return eventually(`${id} fetches a snapshot`, async () => (await fetched())[before])
}

it('log diff tells equal, shorter and compacted logs from different ones', async () => {
  await write(await client.openSession(), 0, 10)
  await world.json(['wait', '--for', 'converged', '--dir', world.dir])
  const [one, other] = up.nodes as [UpNode, UpNode]
  const equal = await checked<Diff>(DIFF_SCHEMA, ['log', 'diff', one.id, other.id, '--dir', world.dir])
  expect(equal).toMatchObject({ equal: true, from: 0, partsAt: null })
  expect(equal.to).toBeGreaterThan(10)

  await world.json(['log', 'compact', '--dir', world.dir, '--node', one.id, '--yes'])
  // The log begins later some moment after the answer.
  const compacted = await eventually('the log begins later', async () => {
    const diff = await world.json<Diff>(['log', 'diff', one.id, other.id, '--dir', world.dir])
    return diff.from > 0 && diff
  })
  expect(compacted).toMatchObject({ equal: true, from: equal.to, to: equal.to })

  const copied = join(world.base, 'copied')
  await cp(join(other.dataDir, 'log'), join(copied, 'log'), { recursive: true })
  await put(client, 'later', '1')
  const shorter = await world.json<Diff>(['log', 'diff', copied, other.dataDir])
  expect(shorter).toMatchObject({ equal: true, a: { lastIndex: equal.to } })
  expect(shorter.b.lastIndex).toBeGreaterThan(equal.to)

  // Two clusters from one snapshot: one beginning, two histories.
  const file = join(world.base, 'backup.snap')
  const { index } = await world.json<Saved>(['snapshot', 'save', '--dir', world.dir, '--out', file])
  const logs: string[] = []
  for (const name of ['left', 'right']) {
    const dir = join(world.base, name)
    others.push(dir)
    await world.json(['snapshot', 'restore', file, '--dir', dir, '--nodes', '1', '--yes'])
    const { nodes } = await world.json<UpReport>(['up', '--dir', dir, '--detach'])
    logs.push((nodes[0] as UpNode).dataDir)
  }
  const { exitCode, stdout } = await world.run(['log', 'diff', ...logs, '--json'])
  expect(exitCode).toBe(10)
  expect(violations(DIFF_SCHEMA, JSON.parse(stdout))).toEqual([])
  expect(JSON.parse(stdout)).toMatchObject({ equal: false, from: index, partsAt: index + 1, beforeCommonRange: false })
}, 60_000)
