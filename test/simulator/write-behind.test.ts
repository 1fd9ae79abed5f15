/** Shows that a node under load cuts its unwritten changes into few generations, however slow the disk below is. */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import { OverlayStateStore } from '../../src/storage/state-store.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'

const GENERATION_BYTES = 64 * 1024

test('a generation that is being written does not cut the open one at every turn', async () => {
  const cluster = new SimulatedCluster({
    seed: 3,
    nodes: 1,
    sha256,
    limits: { generationBytesMax: GENERATION_BYTES, idleMs: 60_000, flushIntervalMs: 60_000 },
  })
  let rotations = 0
  const { rotate, flush } = OverlayStateStore.prototype
  OverlayStateStore.prototype.rotate = function (index) {
    rotations++
    return rotate.call(this, index)
  }
  // A database that takes no write while the load lasts.
  OverlayStateStore.prototype.flush = () => undefined
  try {
    await cluster.start()
    expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
    const client = new SimulatedClient(cluster)
    await cluster.finish(client.open())
    const value = new Uint8Array(1024)
    for (let i = 0; i < 300; i++) {
      await cluster.finish(client.submit(kvOperation({ operation: 'kv.put', key: Buffer.from(`k${i}`), value })))
    }
    expect(rotations).toBeGreaterThan(2)
    expect(rotations).toBeLessThan(10)
  } finally {
    OverlayStateStore.prototype.rotate = rotate
    OverlayStateStore.prototype.flush = flush
  }
})
