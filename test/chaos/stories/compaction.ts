/**
 * A node is down while many entries are written and compacted away. It catches up by a snapshot while the
 * load goes on; it is killed while it receives, and so is the node that sends: either goes on.
 */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { kvOperation } from '../../../src/workflow/kv-codec.js'
import type { Story } from '../story.js'
import { ChaosViolation, eventually } from '../verdict.js'

/** What the snapshot is made of, so that its transfer takes a while. */
const VALUES = 120
const VALUE_BYTES = 256 * 1024
/** Written while the node is down; with less time than this takes, fewer. */
const ENTRIES_WANTED = 100_000
const ENTRIES_MIN = 11_000
const WITHIN_MS = 120_000
/** A receiver syncs every 4 MiB. */
const KILLED_AT_BYTES = 9 * 1024 * 1024

export const COMPACTION: Story = {
  name: 'compaction',
  title: 'a node that missed what was compacted away catches up by snapshot; both sides are killed in the middle',
  needs: 'nothing',
  plan: async () => ({ nodes: 3 }),
  run: async ({ cluster, untilMs, survived, note }) => {
    const client = await cluster.client()
    const session = await client.openSession()
    const value = Buffer.alloc(VALUE_BYTES, 'x')
    for (let i = 0; i < VALUES; i++) {
      await session.submit([kvOperation({ operation: 'kv.put', key: Buffer.from(`large-${i}`), value })])
    }
    await session.close()
    const leader = await cluster.leader()
    const victim = cluster.ids.find((id) => id !== leader) as string
    await cluster.kill([victim])
    const nodes = async () => (await cluster.status()).nodes
    const lastOf = async (id: string) => (await nodes()).find((node) => node.id === id)?.lastIndex ?? 0
    const before = await lastOf(leader)
    // One client at a time: an entry for each operation.
    const bench = cluster.background(['bench', '--dir', cluster.dir, '--clients', '1', '--duration', '3600'])
    await eventually(
      'enough was written',
      async () => {
        const written = (await lastOf(leader)) - before
        return written >= ENTRIES_WANTED || (written >= ENTRIES_MIN && performance.now() >= untilMs)
      },
      WITHIN_MS * 5,
    )
    await eventually('the log begins behind what the node has', async () =>
      (await nodes()).filter(({ id }) => id !== victim).every(({ firstIndex }) => (firstIndex ?? 0) > before + 1),
    )
    note(`${(await lastOf(leader)) - before} entries were written while ${victim} was down`)
    const mark = (await cluster.log(victim)).length
    const since = async () => (await cluster.log(victim)).slice(mark)
    const count = async (event: string) => (await since()).split(event).length - 1

    await cluster.startNode(victim)
    const received = () => bytesReceived(join(cluster.paths(victim).data, 'snapshots'))
    await eventually('part of the snapshot is on disk', async () => (await received()) > KILLED_AT_BYTES, WITHIN_MS)
    await cluster.kill([victim])
    survived()
    const fetches = await count('fetching a snapshot')
    await cluster.startNode(victim)
    await eventually('it fetches again', async () => (await count('fetching a snapshot')) > fetches, WITHIN_MS)
    const sender = await cluster.leader()
    await cluster.kill([sender])
    survived()
    await cluster.startNode(sender)
    await eventually('the snapshot is restored', async () => (await count('snapshot restored')) > 0, WITHIN_MS)
    if (!/"resumedAt":[1-9]/.test(await since())) {
      throw new ChaosViolation('the transfer began anew although part of it was on disk')
    }
    await cluster.healthy()
    await bench.stop()
  },
}

/** Bytes of a snapshot that is on its way; 0 when none is. */
async function bytesReceived(directory: string): Promise<number> {
  const part = (await readdir(directory)).find((name) => name.endsWith('.part'))
  // It may have been completed meanwhile.
  return part === undefined
    ? 0
    : stat(join(directory, part)).then(
        ({ size }) => size,
        () => 0,
      )
}
