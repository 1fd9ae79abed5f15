/**
 * Shows the commands of an operator on a hybrid cluster of real processes: its log is compacted in a Raft epoch
 * behind a state that a quorum signed, who was away comes back by that snapshot, a member joins and is
 * needed, another one is replaced; receipts and `log verify` hold over all of it, over the switch to PBFT, and
 * over a change of members there; and a snapshot becomes another hybrid cluster.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Session } from '../../src/client/index.js'
import { nodePaths } from '../../src/cluster/layout.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { eventually, World } from './harness.js'

const TIMEOUT_MS = 240_000
/** Of the index: members sign their state at its multiples. */
const CHECKPOINT_ENTRIES = 128

let world: World

beforeEach(async () => {
  world = await World.make()
})
afterEach(async () => {
  await world.remove()
})

const at = (...args: readonly string[]) => [...args, '--dir', world.dir]
const ok = async (...args: readonly string[]) => {
  const ran = await world.run(at(...args))
  expect(ran, ran.stderr).toMatchObject({ exitCode: 0 })
}

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

/** Of every node named, and one receipt of the Raft epoch in which all began. */
async function sound(nodes: readonly string[], index: number): Promise<void> {
  for (const node of nodes)
    expect(await world.json(at('log', 'verify', '--node', node))).toMatchObject({ ok: true, problems: [] })
  const file = join(world.base, `receipt-${nodes.join('-')}.json`)
  await ok('receipt', 'get', String(index), '--out', file)
  const cluster = join(world.dir, 'cluster.yaml')
  expect(await world.run(['receipt', 'verify', file, '--cluster', cluster])).toMatchObject({ exitCode: 0 })
}

it(
  'compacts, takes in and lets go of members in its Raft epochs, and all of it is proven after the switch',
  async () => {
    await world.up('hybrid', 4)
    const client = await world.client()
    try {
      const session = await client.openSession()
      await write(session, 0, 10)
      await killed('n4')
      for (const node of ['n1', 'n2', 'n3']) await ok('log', 'compact', '--node', node, '--yes')
      await write(session, 10, CHECKPOINT_ENTRIES + 10)
      for (const node of ['n1', 'n2', 'n3']) {
        await eventually(`the log of ${node} begins behind the checkpoint`, async () => {
          const { firstIndex } = await world.json<{ firstIndex: number }>(at('log', 'inspect', '--node', node))
          return firstIndex === CHECKPOINT_ENTRIES + 1
        })
      }
      await world.up('hybrid', 4)
      await ok('wait', '--for', 'converged', '--timeout', '60')
      expect(await readFile(nodePaths(world.dir, 'n4').log, 'utf8')).toContain('"event":"snapshot restored"')
    } finally {
      await client.close()
    }

    await ok('cluster', 'members', 'add', 'n5')
    await ok('cluster', 'members', 'remove', 'n1', '--yes')
    // Of four, three are a quorum: who joined is one of them.
    await killed('n4')
    await ok('kv', 'put', 'with', 'n5')
    await world.up('hybrid', 4)
    await ok('wait', '--for', 'converged', '--timeout', '60')
    const covered = CHECKPOINT_ENTRIES + 2
    expect(await world.json(at('cluster', 'mode', 'show'))).toMatchObject({ mode: 'raft', epoch: 3 })
    await sound(['n2', 'n5'], covered)

    await ok('cluster', 'mode', 'set', 'bft', '--yes')
    await ok('cluster', 'members', 'replace', 'n2', '--yes')
    await ok('kv', 'put', 'after', '1')
    expect(await world.json(at('cluster', 'mode', 'show'))).toMatchObject({ mode: 'pbft', epoch: 7 })
    await sound(['n3', 'n5', 'n2-2'], covered)
  },
  TIMEOUT_MS,
)

it(
  'a snapshot of it becomes another hybrid cluster with the same data',
  async () => {
    await world.up('hybrid', 4)
    await ok('kv', 'put', 'kept', 'value')
    const file = join(world.base, 'state.snapshot')
    await ok('snapshot', 'save', '--out', file)
    expect(await world.run(['snapshot', 'verify', file])).toMatchObject({ exitCode: 0 })
    await ok('down')
    const other = ['--dir', join(world.base, 'restored')]
    const made = ['--protocol', 'hybrid', '--nodes', '4', '--yes']
    expect(await world.run(['snapshot', 'restore', file, ...other, ...made])).toMatchObject({ exitCode: 0 })
    try {
      expect(await world.run(['up', ...other, '--detach'])).toMatchObject({ exitCode: 0 })
      expect(await world.json(['kv', 'get', 'kept', ...other])).toMatchObject({ value: 'value' })
      expect(await world.run(['cluster', 'mode', 'set', 'bft', '--yes', ...other])).toMatchObject({ exitCode: 0 })
      expect(await world.run(['kv', 'put', 'more', '1', ...other])).toMatchObject({ exitCode: 0 })
      expect(await world.json(['log', 'verify', '--node', 'n1', ...other])).toMatchObject({ ok: true })
    } finally {
      await world.run(['down', ...other])
    }
  },
  TIMEOUT_MS,
)
