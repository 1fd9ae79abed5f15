/** Shows that apply waits for the digests: changes that they have not seen yet never pile up in memory. */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { Digests } from '../../src/node/digests.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'

const BACKLOG_BYTES = 16 * 1024
const VALUE_BYTES = 1024

test('a node that starts again applies its log no faster than its digests follow', async () => {
  const limits = { digestInterval: 1, digestBacklogBytesMax: BACKLOG_BYTES, digestBudgetMs: 0, applyBudgetMs: 0 }
  const cluster = new SimulatedCluster({ seed: 4, nodes: 1, sha256, limits })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  const value = new Uint8Array(VALUE_BYTES)
  for (let i = 0; i < 200; i++) {
    await cluster.finish(client.submit(kvOperation({ operation: 'kv.put', key: Buffer.from(`k${i}`), value })))
  }
  const node = cluster.nodes[0]
  const applied = node?.running?.loop.machine.appliedIndex ?? 0
  node?.crash('process')
  // The digests stand still, so whatever is applied piles up.
  const { work } = Digests.prototype
  Digests.prototype.work = () => false
  let seen: Digests | undefined
  const { add } = Digests.prototype
  Digests.prototype.add = function (...generation) {
    seen = this
    add.apply(this, generation)
  }
  try {
    await cluster.start()
    await cluster.run(5000)
    expect(seen?.waitingBytes).toBeGreaterThan(BACKLOG_BYTES)
    expect(seen?.waitingBytes).toBeLessThan(BACKLOG_BYTES + 4 * VALUE_BYTES)
    expect(node?.running?.loop.machine.appliedIndex).toBeLessThan(applied)
    Digests.prototype.work = work
    node?.running?.loop.wake()
    expect(await cluster.run(60_000, () => (node?.running?.loop.machine.appliedIndex ?? 0) >= applied)).toBe(true)
    expect(await cluster.run(60_000, () => seen?.waitingBytes === 0)).toBe(true)
  } finally {
    Digests.prototype.work = work
    Digests.prototype.add = add
  }
})
