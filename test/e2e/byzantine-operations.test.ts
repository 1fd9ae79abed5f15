/**
 * Shows the commands of an operator on real clusters of PBFT and HotStuff: members join, vote and leave
 * by signed orders, each in an epoch of its own, never below four; leadership goes on when asked; logs are
 * compared, verified and compacted; and a replica that was away while the others let go of their logs comes
 * back by a snapshot that a quorum signed.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/client/index.js'
import { parseClusterFile } from '../../src/cluster/cluster-file.js'
import { nodePaths } from '../../src/cluster/layout.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { dialNode } from '../../src/transport/dial.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { eventually, World } from './harness.js'

const TIMEOUT_MS = 180_000
/** Of the index: replicas sign their state at its multiples. */
const CHECKPOINT_ENTRIES = 128

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
  world = await World.make()
})
afterEach(async () => {
  await world.remove()
})

const at = (...args: readonly string[]) => [...args, '--dir', world.dir]
const ok = async (...args: readonly string[]) => expect(await world.run(at(...args))).toMatchObject({ exitCode: 0 })
const status = () => world.json<Status>(at('status'))

/** All that answer are replicas of this epoch. */
async function settledIn(epoch: number, ids: readonly string[]): Promise<Status> {
  return eventually(`${ids.join(', ')} are the replicas of epoch ${epoch}`, async () => {
    const now = await status()
    const here = now.nodes.filter((node) => node.reachable && node.role !== 'learner' && node.epoch === epoch)
    return now.leader !== null && here.map(({ id }) => id).join() === ids.join() && now
  })
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
      const {
        ok: isSound,
        entries,
        certificates,
      } = await world.json<{
        ok: boolean
        entries: number
        certificates: number
      }>(at('log', 'verify', '--node', 'n5'))
      expect({ isSound, certificates }).toEqual({ isSound: true, certificates: entries })
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

        await killed('n4')
        const waits = await world.json<{ nodes: { compactsAt: number | null }[] }>(
          at('log', 'compact', '--node', 'n1', '--yes'),
        )
        expect(waits.nodes.map(({ compactsAt }) => compactsAt)).toEqual([CHECKPOINT_ENTRIES])
        for (const node of ['n2', 'n3']) await ok('log', 'compact', '--node', node, '--yes')
        await write(session, 3, CHECKPOINT_ENTRIES + 10)
        for (const node of ['n1', 'n2', 'n3']) {
          await eventually(`the log of ${node} begins behind the checkpoint`, async () => {
            const { firstIndex } = await world.json<{ firstIndex: number }>(at('log', 'inspect', '--node', node))
            return firstIndex === CHECKPOINT_ENTRIES + 1
          })
        }

        await world.up(protocol, 4)
        await ok('wait', '--for', 'converged', '--timeout', '60')
        const { firstIndex } = await world.json<{ firstIndex: number }>(at('log', 'inspect', '--node', 'n4'))
        expect(firstIndex).toBe(CHECKPOINT_ENTRIES + 1)
        expect(await readFile(nodePaths(world.dir, 'n4').log, 'utf8')).toContain('"event":"snapshot restored"')
        expect(await world.json(at('log', 'diff', 'n1', 'n4'))).toMatchObject({ equal: true })
        expect(await world.json(at('log', 'verify', '--node', 'n4'))).toMatchObject({ ok: true })
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
      await ok('kv', 'put', 'kept', 'value')
      const file = join(world.base, 'state.snapshot')
      await ok('snapshot', 'save', '--out', file)
      expect(await world.run(['snapshot', 'verify', file])).toMatchObject({ exitCode: 0 })
      const other = ['--dir', join(world.base, 'restored')]
      const made = ['--protocol', protocol, '--nodes', '4', '--yes']
      expect(await world.run(['snapshot', 'restore', file, ...other, ...made])).toMatchObject({ exitCode: 0 })
      await ok('down')
      try {
        expect(await world.run(['up', ...other, '--detach'])).toMatchObject({ exitCode: 0 })
        expect(await world.json(['kv', 'get', 'kept', ...other])).toMatchObject({ value: 'value' })
        expect(await world.run(['kv', 'put', 'more', '1', ...other])).toMatchObject({ exitCode: 0 })
        const {
          ok: isSound,
          entries,
          certificates,
        } = await world.json<Verified>(['log', 'verify', '--node', 'n1', ...other])
        expect({ isSound, certificates }).toEqual({ isSound: true, certificates: entries })
        await joins('n5', join(world.base, 'restored'))
      } finally {
        await world.run(['down', ...other])
      }
    },
    TIMEOUT_MS,
  )
})

/** What this cluster began with stands in no log: who joins needs a snapshot that a quorum signed. */
async function joins(node: string, dir: string): Promise<void> {
  const there = ['--dir', dir]
  for (const id of ['n1', 'n2', 'n3', 'n4'])
    expect(await world.run(['log', 'compact', '--node', id, '--yes', ...there])).toMatchObject({ exitCode: 0 })
  const client = await world.client(dir)
  try {
    await write(await client.openSession(), 0, CHECKPOINT_ENTRIES)
  } finally {
    await client.close()
  }
  const added = await world.run(['cluster', 'members', 'add', node, ...there])
  expect(added, added.stderr).toMatchObject({ exitCode: 0 })
  expect(await world.run(['wait', '--for', 'converged', '--timeout', '60', ...there])).toMatchObject({ exitCode: 0 })
  expect(await readFile(nodePaths(dir, node).log, 'utf8')).toContain('"event":"snapshot restored"')
  expect(await world.json(['log', 'verify', '--node', node, ...there])).toMatchObject({ ok: true })
  expect(await world.json(['kv', 'get', 'kept', '--read', 'local', ...there])).toMatchObject({ value: 'value' })
}

/** Every write is an entry of its own. */
async function write(session: Session, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const fields = { key: Buffer.from(`k${i}`), value: Buffer.from(`${i}`) }
    const [settled] = await session.submit([kvOperation({ operation: 'kv.put', ...fields })], { timeoutMs: 40_000 })
    expect(settled?.outcome.ok).toBe(true)
  }
}

async function killed(node: string): Promise<void> {
  const pid = Number(await readFile(join(world.dir, 'nodes', node, 'node.pid'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  await eventually(`${node} has ended`, async () => {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  })
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
