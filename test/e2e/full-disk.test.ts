/**
 * Real nodes at the quota of their data directories: writes are refused with `DiskFull`, and everybody says why; reads
 * and elections go on; with room the cluster accepts writes again by itself, and nothing that was acknowledged is lost.
 */
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import type { ClusterStatus } from '../../src/client/api.js'
import { eventually, type UpReport, World } from './harness.js'
import { get, kvPut, put } from './kv.js'

const MIB = 1 << 20
const QUOTA_BYTES = 64 * MIB
const VALUE_BYTES = 128 << 10

let world: World
beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  await world.remove()
})

const fillerIn = ({ dataDir }: UpReport['nodes'][number]) => join(dataDir, 'not-ours')

/** Something else in the data directories takes so much. */
async function fill({ nodes }: UpReport, bytes: number): Promise<void> {
  for (const node of nodes) {
    await writeFile(fillerIn(node), '')
    await truncate(fillerIn(node), bytes)
  }
}

it.each(['64', '1MiB', '64 MiB', '64MB', '-1', 'none'])('a quota of %s is refused', async (size) => {
  const { exitCode, stdout } = await world.run(world.at('up', '--disk-quota', size, '--json'))
  expect(exitCode).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'InvalidArgument' } })
})

it('a cluster at its quota refuses writes, reads and elects as ever, and goes on once there is room', async () => {
  const flags = ['--nodes', '3', '--protocol', 'raft', '--detach', '--disk-quota', String(QUOTA_BYTES)]
  const up = await world.json<UpReport>(world.at('up', ...flags))
  const client = await world.client()
  try {
    await put(client, 'first', 'before')
    await fill(up, QUOTA_BYTES - 2 * MIB)
    const value = new Uint8Array(VALUE_BYTES)
    let written = 0
    let refusal: unknown = null
    while (refusal === null) {
      await client.submitOnce(kvPut(`large${written}`, value), { timeoutMs: 800 }).then(
        () => written++,
        (error: unknown) => {
          refusal = error
        },
      )
      expect(written * VALUE_BYTES).toBeLessThan(QUOTA_BYTES)
    }
    expect(refusal).toBeInstanceOf(KnhkError)
    expect(['DiskFull', 'OutcomeUnknown']).toContain((refusal as KnhkError).code)
    // Compaction does not help against this.
    await fill(up, QUOTA_BYTES)
    const refused = () => world.run(world.at('kv', 'put', 'never', 'v', '--timeout', '500ms', '--json'))
    const { stdout } = await eventually('writes are refused', async () => {
      const ran = await refused()
      return ran.exitCode === 7 && ran.stdout.includes('DiskFull') ? ran : null
    })
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'DiskFull', retryable: true } })
    expect(await get(client, 'first')).toBe('before')
    expect(await get(client, `large${written - 1}`)).toHaveLength(VALUE_BYTES)

    const fullNodes = async () => {
      const { nodes } = await world.json<{ nodes: { disk: { isFull: boolean; quotaBytes: number } | null }[] }>(
        world.at('node', 'status'),
      )
      return nodes.filter(({ disk }) => disk?.isFull === true && disk.quotaBytes === QUOTA_BYTES).length
    }
    await eventually('every node says that it is full', async () => (await fullNodes()) === 3)
    const why = await world.run(world.at('why', '--json'))
    expect(why.stdout).toContain('FullDisk')
    const health = await world.run(world.at('cluster', 'health', '--json'))
    expect(JSON.parse(health.stdout)).toMatchObject({ health: 'degraded' })
    expect((await world.ok(world.at('status'))).stdout).toContain('disk full')

    const { leader } = await world.json<ClusterStatus>(world.at('status'))
    await world.endNode(leader as string, 'SIGKILL')
    await eventually('another one leads', async () => {
      const after = (await world.json<ClusterStatus>(world.at('status'))).leader
      return after !== null && after !== leader
    })
    expect((await refused()).exitCode).toBe(7)
    expect(await get(client, 'first')).toBe('before')

    for (const node of up.nodes) await rm(fillerIn(node))
    await put(client, 'last', 'after')
    expect(await get(client, 'first')).toBe('before')
    for (let i = 0; i < written; i++) expect(await get(client, `large${i}`)).toHaveLength(VALUE_BYTES)
    const survivor = up.nodes.find(({ id }) => id !== leader)?.id as string
    // Each node looks for itself: the one that took the last write may have seen the room before this one.
    await eventually('a follower has said both', async () => {
      const events = await world.events(survivor)
      return ['the disk is full: no proposals are accepted', 'the disk has room again: proposals are accepted'].every(
        (event) => events.includes(event),
      )
    })
  } finally {
    await client.close()
  }
})
