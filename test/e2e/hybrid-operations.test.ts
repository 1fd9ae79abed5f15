/**
 * Shows the commands of an operator on a hybrid cluster of real processes: its log is compacted in a Raft epoch
 * behind a state that a quorum signed, who was away comes back by that snapshot, a member joins and is
 * needed, another one is replaced; receipts and `log verify` hold over all of it, over the switch to PBFT, and
 * over a change of members there; and a snapshot becomes another hybrid cluster.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { World } from './harness.js'
import { write } from './kv.js'
import { CHECKPOINT_ENTRIES, compacted, restoredElsewhere } from './operations.js'

const TIMEOUT_MS = 240_000

let world: World

beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  await world.remove()
})

const at = (...words: readonly string[]) => world.at(...words)
const ok = (...words: readonly string[]) => world.ok(at(...words))

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
      await world.endNode('n4', 'SIGKILL')
      for (const node of ['n1', 'n2', 'n3']) await ok('log', 'compact', '--node', node, '--yes')
      await write(session, 10, CHECKPOINT_ENTRIES + 10)
      await compacted(world, ['n1', 'n2', 'n3'])
      await world.up('hybrid', 4)
      await ok('wait', '--for', 'converged', '--timeout', '60')
      expect(await world.events('n4')).toContain('snapshot restored')
    } finally {
      await client.close()
    }

    await ok('cluster', 'members', 'add', 'n5')
    await ok('cluster', 'members', 'remove', 'n1', '--yes')
    // Of four, three are a quorum: who joined is one of them.
    await world.endNode('n4', 'SIGKILL')
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
    await restoredElsewhere(world, 'hybrid', async (dir) => {
      await world.ok(['cluster', 'mode', 'set', 'bft', '--yes', '--dir', dir])
      await world.ok(['kv', 'put', 'more', '1', '--dir', dir])
      expect(await world.json(['log', 'verify', '--node', 'n1', '--dir', dir])).toMatchObject({ ok: true })
    })
  },
  TIMEOUT_MS,
)
