/**
 * Shows what the simulator knows of damage that it has done: a damaged segment that left the log need not be
 * noticed, one that is still there must; a snapshot that may hold a turned bit stays with its node, also when
 * that node has forgotten the bit in a crash; and a node that is left without a sound state comes back.
 */
import { describe, expect, it } from 'vitest'
import type { HardState } from '../../src/consensus/core.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Auditor } from '../../src/simulator/auditor.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import { Damage, UNREAD_KEYS } from '../../src/simulator/damage.js'
import { Invariants } from '../../src/simulator/invariants.js'
import { LOG_DIRECTORY, type SimulatedNode } from '../../src/simulator/node.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'

const put = (key: string) => kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from('v') })

interface World {
  readonly cluster: SimulatedCluster
  readonly follower: SimulatedNode
  write(count: number, prefix?: string): Promise<void>
}

async function led(seed: number): Promise<World> {
  const limits = { snapshotEntries: 20, trailingEntries: 2, digestInterval: 50 }
  const cluster = new SimulatedCluster({ seed, nodes: 3, sha256, limits, segmentBytesMax: 4096 })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  const write = async (count: number, prefix = 'k') => {
    for (let i = 0; i < count; i++) await cluster.finish(client.submit(put(`${prefix}${i}`)))
    await cluster.run(200)
  }
  await write(8)
  return { cluster, follower: cluster.nodes.find((node) => node !== cluster.leader()) as SimulatedNode, write }
}

/** The next append of the follower to its log goes wrong, and further ones follow. */
async function misdirected({ cluster, follower, write }: World): Promise<string> {
  new Damage(cluster).misdirect(follower, new SeededRandom(1))
  await write(4)
  expect(follower.isDamaged).toBe(true)
  return follower.damagedFile as string
}

async function restarted({ cluster, follower }: Pick<World, 'cluster' | 'follower'>): Promise<void> {
  follower.crash('process')
  await cluster.finish(follower.start())
  expect(follower.broken).toBeNull()
}

describe('a damaged segment', () => {
  it('that is still part of the log is noticed', async () => {
    const world = await led(1)
    await misdirected(world)
    await restarted(world)
    expect(world.follower.running?.core.status().mayVote).toBe(false)
    expect(world.follower).toMatchObject({ isDamaged: true, knowsDamage: true })
  })

  it('that nobody had read again when it left the log has damaged nothing', async () => {
    const world = await led(1)
    const file = await misdirected(world)
    await world.write(60)
    expect(await world.follower.files.readdir(LOG_DIRECTORY)).not.toContain(file.slice(LOG_DIRECTORY.length + 1))
    await restarted(world)
    expect(world.follower.running?.core.status().mayVote).toBe(true)
    expect(world.follower.isDamaged).toBe(false)
  })
})

describe('a turned bit of the state', () => {
  it('stays in the snapshots taken meanwhile, whatever the state has forgotten of it', async () => {
    const { cluster, follower, write } = await led(2)
    await write(60)
    const [older, newer] = follower.snapshots
    if (older === undefined || newer === undefined) throw new Error('there are two snapshots')
    follower.astraySince = older.base.index
    expect([older, newer].map(({ id }) => follower.mayGive(id))).toEqual([false, false])
    follower.foundSound()
    expect(follower.astraySince).toBeNull()
    expect([older, newer].map(({ id }) => follower.mayGive(id))).toEqual([true, false])
    expect(follower.mayBeAstray).toBe(true)
    expect(new Damage(cluster).isBearable(cluster.leader() as SimulatedNode)).toBe(false)
    await write(60)
    expect(follower.snapshots.map(({ id }) => follower.mayGive(id))).not.toContain(false)
    expect(follower.mayBeAstray).toBe(false)
  })

  it('is back when the state is loaded from such a snapshot', async () => {
    const { cluster, follower, write } = await led(2)
    const isBack = async () => {
      await write(45)
      const newest = follower.newestSnapshotIndex
      follower.astraySince = 1
      follower.foundSound()
      // What the database loses is random: now and then it is so much that a snapshot is needed.
      follower.crash('power')
      await cluster.finish(follower.start())
      if (follower.astraySince === null) return false
      expect(follower.astraySince).toBe(newest - 1)
      return true
    }
    let runs = 0
    while (!(await isBack())) expect(++runs).toBeLessThan(20)
  })
})

it('a node whose state and snapshots all hold the turned bit drops its log, and is whole in the end', async () => {
  const { cluster, follower, write } = await led(3)
  const damage = new Damage(cluster)
  const invariants = new Invariants(cluster.nodes)
  const auditor = new Auditor(cluster, invariants)
  auditor.start()
  damage.rotState(follower)
  await write(1, UNREAD_KEYS)
  expect(follower.astraySince).not.toBeNull()
  await write(50)
  expect(follower.fatal).toMatchObject({ code: 'Diverged' })
  expect(follower.snapshots).toEqual([])
  expect(damage.excuses(follower, follower.fatal)).toBe(true)
  const { term } = follower.durable.hardState as HardState
  await cluster.finish(follower.start())
  const status = () => follower.running?.core.status()
  expect(status()).toMatchObject({ firstIndex: 1, lastIndex: 0, term, mayVote: false })
  expect(follower).toMatchObject({ isDamaged: true, astraySince: null, broken: null })
  expect(await cluster.run(5000, () => status()?.mayVote === true)).toBe(true)
  await write(50)
  damage.noteRepair(follower, (index) => invariants.committedChain(index))
  expect(follower.isDamaged).toBe(false)
  invariants.check()
  expect(await cluster.run(5000, () => new Set(auditor.digestIndexes.values()).size === 1)).toBe(true)
  expect(auditor.digestIndexes.size).toBe(3)
  await restarted({ cluster, follower })
  expect(status()?.mayVote).toBe(true)
})
