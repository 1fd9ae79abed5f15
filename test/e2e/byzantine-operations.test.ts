/**
 * Shows the commands of an operator on real clusters of PBFT and HotStuff: members join, vote and leave
 * by signed orders, each in an epoch of its own, never below four; leadership goes on when asked; logs are
 * compared, verified and compacted; a replica that was away while the others let go of their logs comes
 * back by a snapshot that a quorum signed, and one whose log was damaged by what the others have of it.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseClusterFile } from '../../src/cluster/cluster-file.js'
import { nodePaths } from '../../src/cluster/layout.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { dialNode } from '../../src/transport/dial.js'
import { flipByte, newestSegment } from '../flip-byte.js'
import { eventually, World } from './harness.js'
import { write } from './kv.js'
import { CHECKPOINT_ENTRIES, compacted, firstIndexOf, restoredElsewhere } from './operations.js'

const TIMEOUT_MS = 180_000

interface StatusNode {
  readonly id: string
  readonly role: string | null
  readonly reachable: boolean
  readonly epoch: number
  readonly lastIndex: number
  readonly rttMs: number | null
}
interface Status {
  readonly epoch: number
  readonly leader: string | null
  readonly nodes: readonly StatusNode[]
}

interface Verified {
  readonly ok: boolean
  readonly entries: number
  readonly certificates: number
}

let world: World

beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  await world.remove()
})

const at = (...words: readonly string[]) => world.at(...words)
const ok = (...words: readonly string[]) => world.ok(at(...words))
const status = () => world.json<Status>(at('status'))

/** All that answer are replicas of this epoch. */
async function settledIn(epoch: number, ids: readonly string[]): Promise<Status> {
  return eventually(`${ids.join(', ')} are the replicas of epoch ${epoch}`, async () => {
    const now = await status()
    const here = now.nodes.filter((node) => node.reachable && node.role !== 'learner' && node.epoch === epoch)
    return now.leader !== null && here.map(({ id }) => id).join() === ids.join() && now
  })
}

/** The log is sound, and every entry of it certified. */
async function verifiedWhole(node: string, dir: string): Promise<void> {
  const found = await world.json<Verified>(['log', 'verify', '--node', node, '--dir', dir])
  expect(found).toMatchObject({ ok: true, certificates: found.entries })
}

describe.each(['pbft', 'hotstuff'] as const)('%s', (protocol) => {
  it(
    'changes its members by signed orders, one epoch each, never below four',
    async () => {
      await world.up(protocol, 4)
      await ok('kv', 'put', 'before', '0')

      const tooFew = await world.run(at('cluster', 'members', 'remove', 'n4', '--yes', '--json'))
      expect(tooFew.exitCode).toBe(8)
      expect(tooFew.stdout).toContain('4 → 3 replicas: n = 3, f = 0, q = 2')
      const dry = await world.json<{ quorum: number; failuresTolerated: number; steps: { text: string }[] }>(
        at('cluster', 'members', 'add', 'n5', '--dry-run'),
      )
      expect(dry).toMatchObject({ quorum: 4, failuresTolerated: 1 })
      expect(dry.steps.at(-1)?.text).toContain('4 → 5 replicas: n = 5, f = 1, q = 4')

      // First without a vote, then with one: two changes, two epochs.
      await ok('cluster', 'members', 'add', 'n5')
      const five = await settledIn(2, ['n1', 'n2', 'n3', 'n4', 'n5'])
      for (const { id, rttMs } of five.nodes) expect(rttMs === null).toBe(id === five.leader)
      const listed = await world.json<{ members: { id: string; role: string; lagEntries: number | null }[] }>(
        at('cluster', 'members', 'list'),
      )
      expect(listed.members.map(({ id, role }) => `${id} ${role}`)).toEqual(
        ['n1', 'n2', 'n3', 'n4', 'n5'].map((id) => `${id} voter`),
      )
      expect(listed.members.every(({ lagEntries }) => lagEntries !== null)).toBe(true)

      const plan = join(world.base, 'plan.json')
      await ok('cluster', 'members', 'plan', '--remove', 'n1', '--out', plan)
      await ok('cluster', 'members', 'apply', plan, '--yes')
      await settledIn(3, ['n2', 'n3', 'n4', 'n5'])
      // Made against the configuration before: nothing is left to do.
      await ok('cluster', 'members', 'apply', plan, '--yes')
      await ok('kv', 'put', 'after', '1')
      await expect(dialAs('n1', 'n2')).rejects.toMatchObject({ code: 'UnknownKey' })

      // The one that joined votes: without it and another nothing would be decided.
      expect((await world.json<{ findings: unknown[] }>(at('why'))).findings).toEqual([])
      await verifiedWhole('n5', world.dir)
      expect((await world.run(at('kv', 'get', 'before', '--output', 'id'))).exitCode).toBe(0)
    },
    TIMEOUT_MS,
  )

  it(
    'hands over, compares and compacts logs, and a replica that was away comes back by a certified snapshot',
    async () => {
      await world.up(protocol, 4)
      const client = await world.client()
      const session = await client.openSession()
      try {
        await write(session, 0, 3)
        const handed = await world.json<{ from: string; to: string; changed: boolean }>(
          at('cluster', 'transfer-leader'),
        )
        expect(handed).toMatchObject({ changed: true })
        expect(handed.to).not.toBe(handed.from)

        await world.endNode('n4', 'SIGKILL')
        const waits = await world.json<{ nodes: { compactsAt: number | null }[] }>(
          at('log', 'compact', '--node', 'n1', '--yes'),
        )
        expect(waits.nodes.map(({ compactsAt }) => compactsAt)).toEqual([CHECKPOINT_ENTRIES])
        for (const node of ['n2', 'n3']) await ok('log', 'compact', '--node', node, '--yes')
        await write(session, 3, CHECKPOINT_ENTRIES + 10)
        await compacted(world, ['n1', 'n2', 'n3'])

        await world.up(protocol, 4)
        await ok('wait', '--for', 'converged', '--timeout', '60')
        expect(await firstIndexOf(world, 'n4')).toBe(CHECKPOINT_ENTRIES + 1)
        expect(await world.events('n4')).toContain('snapshot restored')
        expect(await world.json(at('log', 'diff', 'n1', 'n4'))).toMatchObject({ equal: true })
        expect(await world.json(at('log', 'verify', '--node', 'n4'))).toMatchObject({ ok: true })
      } finally {
        await client.close()
      }
    },
    TIMEOUT_MS,
  )

  it(
    'a replica whose log was damaged gets back what it lost, signs nothing meanwhile, and is needed again',
    async () => {
      const { nodes } = await world.up(protocol, 4)
      const client = await world.client()
      try {
        const session = await client.openSession()
        await write(session, 0, 30)
        const { leader } = await status()
        const { id, dataDir } = nodes.find((node) => node.id !== 'n1' && node.id !== leader) as (typeof nodes)[number]
        await world.endNode(id, 'SIGTERM')
        const segment = await newestSegment(dataDir)
        await flipByte(segment, Math.floor((await stat(segment)).size / 2))
        const found = await world.run(at('log', 'verify', '--node', id, '--json'))
        expect(found.exitCode).toBe(10)
        expect(JSON.parse(found.stdout)).toMatchObject({ ok: false, problems: [{}], repaired: [] })

        // Three of four go on.
        await write(session, 30, 40)
        await world.up(protocol, 4)
        expect(await world.events(id)).toContain('the log is damaged: this node neither votes nor leads')
        // HotStuff finds its way back by rounds, and there are some only where something is to be decided.
        let written = 40
        await eventually(`${id} is repaired`, async () => {
          await write(session, written, ++written)
          return (await world.events(id)).some((event) => event.startsWith('repaired: the log is whole again'))
        })
        await ok('wait', '--for', 'converged', '--timeout', '60')
        await verifiedWhole(id, world.dir)
        expect(await world.json(at('log', 'verify', '--node', id))).toMatchObject({ problems: [], repaired: [{}] })

        // In the next epoch every replica signs: of five, one away, this one is needed.
        await ok('cluster', 'members', 'add', 'n5')
        await settledIn(2, ['n1', 'n2', 'n3', 'n4', 'n5'])
        await world.endNode('n1', 'SIGKILL')
        await write(session, written, written + 3)
        await world.ok(at('kv', 'get', 'k0', '--output', 'id'))
      } finally {
        await client.close()
      }
    },
    TIMEOUT_MS,
  )

  it(
    'a snapshot of it becomes another cluster of the same protocol with the same data',
    async () => {
      await world.up(protocol, 4)
      await restoredElsewhere(world, protocol, async (dir) => {
        await world.ok(['kv', 'put', 'more', '1', '--dir', dir])
        await verifiedWhole('n1', dir)
        await joins('n5', dir)
      })
    },
    TIMEOUT_MS,
  )
})

/** What this cluster began with stands in no log: who joins needs a snapshot that a quorum signed. */
async function joins(node: string, dir: string): Promise<void> {
  const there = ['--dir', dir]
  for (const id of ['n1', 'n2', 'n3', 'n4']) await world.ok(['log', 'compact', '--node', id, '--yes', ...there])
  const client = await world.client(dir)
  try {
    await write(await client.openSession(), 0, CHECKPOINT_ENTRIES)
  } finally {
    await client.close()
  }
  await world.ok(['cluster', 'members', 'add', node, ...there])
  await world.ok(['wait', '--for', 'converged', '--timeout', '60', ...there])
  expect(await world.events(node, dir)).toContain('snapshot restored')
  expect(await world.json(['log', 'verify', '--node', node, ...there])).toMatchObject({ ok: true })
  expect(await world.json(['kv', 'get', 'kept', '--read', 'local', ...there])).toMatchObject({ value: 'value' })
}

/** A link to `to` with the key of a member that left. */
async function dialAs(from: string, to: string) {
  const { clusterId, members } = parseClusterFile(await readFile(join(world.dir, 'cluster.yaml'), 'utf8'))
  const member = members.find(({ id }) => id === to)
  if (member === undefined) throw new Error(`there is no ${to}`)
  return dialNode({
    address: member.address,
    alpn: 'knhk-peer/1',
    key: await loadKeyPair(nodePaths(world.dir, from).key),
    expected: { publicKey: member.publicKey, clusterId, nodeId: member.id },
    timeoutMs: 10_000,
  })
}
