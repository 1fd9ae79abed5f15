/** Shows how a node ends: what fails in a promise ends it like any other failure, and once it is stopped nothing reaches it. */
import { afterEach, expect, test } from 'vitest'
import type { Core, Input, Now } from '../../src/consensus/core.js'
import { RaftCore } from '../../src/consensus/raft/index.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'

const { step } = RaftCore.prototype
afterEach(() => {
  RaftCore.prototype.step = step
})

const put = (key: string) => kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from('v') })
const LIMITS = { snapshotEntries: 8, trailingEntries: 1 }

/** Three nodes of which one was away for long, with more log than anybody keeps in memory. */
async function oneBehind(seed: number, limits: { readonly snapshotEntries: number }): Promise<SimulatedCluster> {
  const coreLimits = { raft: { tailEntriesMax: 4 } }
  const cluster = new SimulatedCluster({ seed, nodes: 3, sha256, limits: { ...LIMITS, ...limits }, coreLimits })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  const behind = cluster.nodes.find((node) => node !== cluster.leader()) as SimulatedNode
  behind.crash('process')
  for (let i = 0; i < 20; i++) await cluster.finish(client.submit(put(`k${i}`)))
  void cluster.finish(behind.start())
  return cluster
}

// Each of these inputs comes from a promise, in no turn of the loop.
test.each([
  ['loaded', 1_000_000],
  ['snapshotFetched', LIMITS.snapshotEntries],
] as const)('a defect in the step of %s ends the node', async (type, snapshotEntries) => {
  const defect = new Error('a defect')
  let struck: RaftCore | null = null
  RaftCore.prototype.step = function (input: Input, now: Now) {
    if (input.type === type && struck === null) {
      struck = this
      throw defect
    }
    return step.call(this, input, now)
  }
  const cluster = await oneBehind(21, { snapshotEntries })
  const failed = () => cluster.nodes.filter((node) => node.fatal === defect)
  expect(await cluster.run(20_000, () => failed().length > 0)).toBe(true)
  expect(failed()).toHaveLength(1)
  expect(failed()[0]?.isDown).toBe(true)
})

test('a defect in the step of snapshotTaken ends the node', async () => {
  const defect = new Error('a defect')
  RaftCore.prototype.step = function (input: Input, now: Now) {
    if (input.type === 'snapshotTaken') throw defect
    return step.call(this, input, now)
  }
  const cluster = new SimulatedCluster({ seed: 22, nodes: 1, sha256, limits: LIMITS })
  await cluster.start()
  expect(await cluster.run(5000, () => cluster.leader() !== null)).toBe(true)
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  for (let i = 0; i < 8; i++) void client.submit(put(`k${i}`))
  const [node] = cluster.nodes as [SimulatedNode]
  for (let i = 0; i < 20 && node.fatal === null; i++) {
    const last = client.submit(put(`l${i}`))
    await cluster.run(1000, () => node.fatal !== null)
    void last
  }
  expect(node.fatal).toBe(defect)
})

test('a node that was told to stop steps its core no more, whatever arrives and whatever completes', async () => {
  for (let events = 0; events < 60; events += 3) {
    const cluster = await oneBehind(23, LIMITS)
    const stopped = new Set<Core>()
    const late: string[] = []
    RaftCore.prototype.step = function (input: Input, now: Now) {
      if (stopped.has(this)) late.push(input.type)
      return step.call(this, input, now)
    }
    const client = new SimulatedClient(cluster)
    void client.open()
    let left = events
    await cluster.run(5000, () => left-- === 0)
    const victims = cluster.nodes.filter((node) => node.running !== null)
    const stops = victims.map((node) => {
      const { loop, core } = node.running as NonNullable<SimulatedNode['running']>
      const done = loop.stop()
      stopped.add(core)
      return done
    })
    await cluster.run(500)
    await cluster.finish(Promise.all(stops))
    expect(late).toEqual([])
    expect(victims.map((node) => node.fatal)).toEqual(victims.map(() => null))
    RaftCore.prototype.step = step
  }
})
