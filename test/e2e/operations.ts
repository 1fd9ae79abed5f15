/** What an operator sees alike on Byzantine and on hybrid clusters: logs that begin behind a checkpoint, a restored snapshot. */
import { join } from 'node:path'
import { expect } from 'vitest'
import { eventually, type World } from './harness.js'

/** Of the index: members sign their state at its multiples. */
export const CHECKPOINT_ENTRIES = 128

export async function firstIndexOf(world: World, node: string): Promise<number> {
  const { firstIndex } = await world.json<{ firstIndex: number }>(world.at('log', 'inspect', '--node', node))
  return firstIndex
}

/** Waits until the logs of these nodes begin behind the first checkpoint. */
export async function compacted(world: World, nodes: readonly string[]): Promise<void> {
  for (const node of nodes) {
    const begins = async () => (await firstIndexOf(world, node)) === CHECKPOINT_ENTRIES + 1
    await eventually(`the log of ${node} begins behind the checkpoint`, begins)
  }
}

/** Restores a snapshot of the cluster as another one of four nodes, to look at while it runs; the first one is stopped. */
export async function restoredElsewhere(
  world: World,
  protocol: string,
  look: (dir: string) => Promise<void>,
): Promise<void> {
  await world.ok(world.at('kv', 'put', 'kept', 'value'))
  const file = join(world.base, 'state.snapshot')
  await world.ok(world.at('snapshot', 'save', '--out', file))
  await world.ok(['snapshot', 'verify', file])
  await world.ok(world.at('down'))
  const dir = join(world.base, 'restored')
  const there = ['--dir', dir]
  await world.ok(['snapshot', 'restore', file, ...there, '--protocol', protocol, '--nodes', '4', '--yes'])
  try {
    await world.ok(['up', ...there, '--detach'])
    expect(await world.json(['kv', 'get', 'kept', ...there])).toMatchObject({ value: 'value' })
    await look(dir)
  } finally {
    await world.kill(dir)
  }
}
