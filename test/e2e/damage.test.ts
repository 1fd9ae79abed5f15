/**
 * Shows what a node does with a log that is not what it wrote: behind real damage it neither votes nor
 * leads, a torn tail is cut, a lost data directory is not replaced; and in each case the others go on.
 */
import { appendFile, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ClusterStatus } from '../../src/client/api.js'
import type { ClusterClient } from '../../src/client/index.js'
import { flipByte, newestSegment } from '../flip-byte.js'
import { eventually, type UpNode, type UpReport, World } from './harness.js'
import { get, put, write } from './kv.js'

const WRITES = 40

interface Verified {
  readonly ok: boolean
  readonly lastIndex: number
  readonly problems: readonly { readonly index: number; readonly segment: string; readonly offset: number }[]
  readonly tornTail: { readonly bytes: number } | null
}

let world: World
let up: UpReport
let client: ClusterClient

beforeEach(async () => {
  world = await World.make({ quick: true })
  up = await world.up()
  client = await world.client()
  await write(await client.openSession(), 0, WRITES)
})
afterEach(async () => {
  await client.close()
  await world.remove()
})

async function status(): Promise<ClusterStatus> {
  return client.clusterStatus()
}

/** A node that does not lead; stopping it needs no election. */
async function aFollower(): Promise<UpNode> {
  const { leader } = await eventually('there is a leader', async () => {
    const now = await status()
    return now.leader !== null && now
  })
  return up.nodes.find((node) => node.id !== leader) as UpNode
}

async function verify(node: UpNode): Promise<{ exitCode: number | undefined; report: Verified }> {
  const { exitCode, stdout } = await world.run(['log', 'verify', '--data-dir', node.dataDir, '--json'])
  return { exitCode, report: JSON.parse(stdout) as Verified }
}

it('a flipped byte: verify says 10, the node neither votes nor leads, and counts again once it is repaired', async () => {
  const node = await aFollower()
  await world.endNode(node.id, 'SIGTERM')
  const segment = await newestSegment(node.dataDir)
  await flipByte(segment, Math.floor((await stat(segment)).size / 2))

  const damaged = await verify(node)
  expect(damaged.exitCode).toBe(10)
  expect(damaged.report).toMatchObject({ ok: false, tornTail: null })
  expect(damaged.report.problems).toHaveLength(1)
  expect(segment.endsWith(damaged.report.problems[0]?.segment as string)).toBe(true)

  // With one of the two sound nodes gone, a vote of the damaged one would make a majority.
  await put(client, 'while down', 'served')
  const { leader, term } = await status()
  const sound = up.nodes.filter((one) => one.id !== node.id)
  const leading = sound.find((one) => one.id === leader) as UpNode
  const other = sound.find((one) => one.id !== leader) as UpNode
  await world.endNode(leading.id, 'SIGKILL')
  const restarted = world.start(['node', 'start', '--dir', world.dir, '--node', node.id])
  await eventually('the damaged node answers', async () =>
    (await status()).nodes.some((one) => one.id === node.id && one.reachable),
  )
  expect(await world.events(node.id)).toContain('the log is damaged: this node neither votes nor leads')
  const failed = await world.run(['kv', 'put', 'alone', 'x', '--dir', world.dir, '--timeout', '3', '--json'])
  expect([6, 7]).toContain(failed.exitCode)
  const alone = await status()
  expect(alone.leader).toBeNull()
  expect(alone.nodes.map((one) => one.term ?? 0).every((one) => one <= (term as number))).toBe(true)
  expect(alone.nodes.find((one) => one.id === other.id)?.reachable).toBe(true)

  // The other sound node is back: one of the two leads, and fills the damaged one up.
  world.start(['node', 'start', '--dir', world.dir, '--node', leading.id])
  await put(client, 'again', 'served')
  await eventually('it is repaired', async () =>
    (await world.events(node.id)).some((event) => event.startsWith('repaired: the log is whole again')),
  )
  const whole = await verify(node)
  expect(whole.exitCode).toBe(0)
  expect(whole.report).toMatchObject({ ok: true, repaired: [{}] })

  // From here on its vote counts: with the leader gone, it is needed.
  const now = await status()
  expect(sound.map(({ id }) => id)).toContain(now.leader)
  await world.endNode(now.leader as string, 'SIGKILL')
  await put(client, 'with its vote', 'served')
  expect(await get(client, 'while down')).toBe('served')
  restarted.kill('SIGTERM')
  await restarted
}, 120_000)

it('a torn tail: no damage, cut at the start, and the node catches up', async () => {
  const node = await aFollower()
  await world.endNode(node.id, 'SIGKILL')
  // What a crash in the middle of a write leaves: the first bytes of a frame behind the durable end.
  await appendFile(await newestSegment(node.dataDir), Buffer.alloc(20, 0x5a))
  const torn = await verify(node)
  expect(torn.exitCode).toBe(0)
  expect(torn.report).toMatchObject({ ok: true, problems: [], tornTail: { bytes: 20 } })

  await put(client, 'while down', 'served')
  await world.up()
  expect(await world.events(node.id)).toContain('cut a half-written frame off the log')
  const waited = await world.run(['wait', '--for', 'converged', '--dir', world.dir, '--timeout', '30'])
  expect(waited.exitCode).toBe(0)
  expect((await verify(node)).report).toMatchObject({ ok: true, tornTail: null })
}, 60_000)

it('a cut last frame of a killed node: a torn tail, shown with its size', async () => {
  const node = await aFollower()
  await world.endNode(node.id, 'SIGKILL')
  const segment = await newestSegment(node.dataDir)
  await truncate(segment, (await stat(segment)).size - 7)
  const { exitCode, report } = await verify(node)
  expect(exitCode).toBe(0)
  expect(report).toMatchObject({ ok: true, problems: [] })
  expect(report.tornTail?.bytes).toBeGreaterThan(0)
})

it('a cut log of a node that was stopped cleanly is damage, no torn tail', async () => {
  const node = await aFollower()
  await world.endNode(node.id, 'SIGTERM')
  const segment = await newestSegment(node.dataDir)
  await truncate(segment, (await stat(segment)).size - 7)
  const { exitCode, report } = await verify(node)
  expect(exitCode).toBe(10)
  expect(report).toMatchObject({ ok: false, tornTail: null })
})

it.each(['the whole data directory', 'only the log'])(
  '%s lost: the node is refused, the others go on',
  async (what) => {
    const node = await aFollower()
    await world.endNode(node.id, 'SIGTERM')
    await rm(what === 'only the log' ? join(node.dataDir, 'log') : node.dataDir, { recursive: true })

    const started = await world.run(['node', 'start', '--dir', world.dir, '--node', node.id, '--json'])
    expect(started.exitCode).toBe(8)
    expect(JSON.parse(started.stdout)).toMatchObject({ error: { code: 'DataDirectoryLost' } })
    // Another node is down too: `up` starts it, fails for the lost one, and ends although the other goes on.
    const { leader } = await status()
    const other = up.nodes.find((one) => one.id !== leader && one.id !== node.id) as UpNode
    await world.endNode(other.id, 'SIGKILL')
    const again = await world.run(['up', '--dir', world.dir, '--detach', '--json', '--timeout', '20'])
    expect(again.exitCode).not.toBe(0)
    expect((JSON.parse(again.stdout) as { error: { message: string } }).error.message).toContain(node.id)
    await put(client, 'without it', 'served')
    expect(await get(client, 'k0')).toBe('v0')
  },
  60_000,
)
