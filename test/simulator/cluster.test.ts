/**
 * Three production nodes in one process on simulated ports: time, network, disks and databases are
 * fake, cores, node loop, journal and state machine are the real ones.
 */
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import type { PlacedResult } from '../../src/workflow/result-codec.js'

const put = (key: string, value: string) =>
  kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from(value) })
const cas = (key: string, expected: string | null, value: string) =>
  kvOperation({
    operation: 'kv.cas',
    key: Buffer.from(key),
    expected: expected === null ? null : Buffer.from(expected),
    value: Buffer.from(value),
  })

async function started(seed: number): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed, nodes: 3, sha256, limits: { digestInterval: 10 } })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  return cluster
}

function everyApplied(cluster: SimulatedCluster): boolean {
  const applied = cluster.nodes.map((node) => node.running?.loop.machine.appliedIndex)
  return applied.every((index) => index !== undefined && index === applied[0])
}

describe('three nodes on simulated ports', () => {
  it('elect a leader, apply writes everywhere, in the same order', async () => {
    const cluster = await started(1)
    const client = new SimulatedClient(cluster)
    await cluster.finish(client.open())
    for (let i = 0; i < 25; i++) {
      const result = await cluster.finish(client.submit(put(`k${i}`, `v${i}`)))
      expect(result.outcome.ok).toBe(true)
    }
    expect(await cluster.run(5000, () => everyApplied(cluster))).toBe(true)
    expect(cluster.nodes.map((node) => node.fatal)).toEqual([null, null, null])
  })

  it('run the same seed to the same trace', async () => {
    const trace = async () => {
      const cluster = await started(7)
      const client = new SimulatedClient(cluster)
      await cluster.finish(client.open())
      const results: PlacedResult[] = []
      for (let i = 0; i < 10; i++) results.push(await cluster.finish(client.submit(put(`k${i}`, 'v'))))
      return { results, nowMs: cluster.queue.nowMs, delivered: cluster.network.delivered, leader: cluster.leader()?.id }
    }
    expect(await trace()).toEqual(await trace())
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('lose nothing and run nothing twice when nodes crash (seed %i)', async (seed) => {
    const cluster = await started(seed)
    cluster.network.options = { latencyMinMs: 0.1, latencyMaxMs: 3, loss: 0.02, duplication: 0.05, delay: 0.1 }
    const client = new SimulatedClient(cluster)
    await cluster.finish(client.open(), 60_000)
    // A chain of compare-and-set: a lost or doubled write breaks it for good.
    for (let i = 0; i < 30; i++) {
      if (i % 10 === 5) {
        const victim = cluster.leader() ?? cluster.nodes[0]
        victim?.crash(seed % 2 === 0 ? 'power' : 'process')
        cluster.queue.after(1000, () => void victim?.start())
      }
      const result = await cluster.finish(
        client.submit(cas('chain', i === 0 ? null : String(i - 1), String(i))),
        60_000,
      )
      expect(result.outcome).toMatchObject({ ok: true })
    }
    expect(await cluster.run(20_000, () => everyApplied(cluster))).toBe(true)
    expect(cluster.nodes.map((node) => node.fatal)).toEqual([null, null, null])
  })

  it('keep what was acknowledged when all lose power at once', async () => {
    const cluster = await started(3)
    const client = new SimulatedClient(cluster)
    await cluster.finish(client.open())
    for (let i = 0; i < 15; i++)
      await cluster.finish(client.submit(cas('chain', i === 0 ? null : String(i - 1), String(i))))
    for (const node of cluster.nodes) node.crash('power')
    await cluster.start()
    const after = await cluster.finish(client.submit(cas('chain', '14', 'after')), 60_000)
    expect(after.outcome).toMatchObject({ ok: true })
  })
})
