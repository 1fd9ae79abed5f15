/**
 * Shows that a node which a leader told of a loss on its disk does not forget it at a restart: no checksum
 * shows that loss, so what the leader said has to be on the disk too.
 */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'

/** Away for less than an election timeout: the leader that remembers is still there. */
const DOWN_MS = 20

const put = (key: string) => kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from('v') })

test('a node that was told of its lost tail does not vote after a restart either, until it is whole', async () => {
  const cluster = new SimulatedCluster({ seed: 2, nodes: 3, sha256 })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  for (let i = 0; i < 8; i++) await cluster.finish(client.submit(put(`k${i}`)))
  const follower = cluster.nodes.find((node) => node !== cluster.leader()) as SimulatedNode
  const mayVote = () => follower.running?.core.status().mayVote
  await loseTail(follower)
  await cluster.run(DOWN_MS)
  await cluster.finish(follower.start())
  expect(mayVote()).toBe(true)
  expect(await cluster.run(5000, () => mayVote() === false)).toBe(true)
  const others = cluster.nodes.filter((node) => node !== follower).map(({ id }) => id)
  cluster.network.partition([follower.id], others)
  await cluster.run(20)
  follower.crash('power')
  await cluster.finish(follower.start())
  expect(mayVote()).toBe(false)
  cluster.network.heal()
  expect(await cluster.run(10_000, () => mayVote() === true)).toBe(true)
  await cluster.run(20)
  follower.crash('power')
  await cluster.finish(follower.start())
  expect(mayVote()).toBe(true)
})

/** Takes the newest appends from the disk of a node that runs, as if it had never synced them. */
async function loseTail(node: SimulatedNode): Promise<void> {
  const from = node.tail.appends.at(-3)
  expect(from).toBeDefined()
  if (from === undefined) return
  node.crash('process')
  node.files.replace(from.path, node.files.content(from.path).slice(0, from.start))
}
