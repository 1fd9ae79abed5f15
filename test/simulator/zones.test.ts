/**
 * Shows what a seed makes of its data centres, that the checks on them can fail, and that a case file keeps
 * them: a cluster whose setting is taken away commits in one zone, and is found out.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ClusterSettings } from '../../src/consensus/configuration.js'
import type { NodeId } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { formatCase, readCase } from '../../src/simulator/case-file.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import { planRun, type RunPlan, ZONE_STRIKE } from '../../src/simulator/plan.js'
import { RaftRules } from '../../src/simulator/raft-rules.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { violated } from './violated.js'

const ZONES = ['a', 'a', 'b']

/** The same nodes, looked at as if the cluster file said so. */
function rulesOf(cluster: SimulatedCluster, settings: Partial<ClusterSettings>): RaftRules {
  const { configuration } = cluster
  const seen = { ...configuration, settings: { ...configuration.settings, ...settings } }
  return new RaftRules(Object.create(cluster, { configuration: { value: seen } }) as SimulatedCluster)
}

/** n1 or n2 leads the other; n3, in the other data centre, is cut off. */
async function clusterApart(settings: Partial<ClusterSettings>): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed: 1, nodes: 3, zones: ZONES, settings, sha256 })
  await cluster.start()
  await cluster.run(5000, () => cluster.leader() !== null)
  const [near, far] = [cluster.nodes.slice(0, 2), cluster.nodes.slice(2)]
  cluster.network.partition(
    near.map(({ id }) => id),
    far.map(({ id }) => id),
  )
  await cluster.run(5000, () => near.some((node) => node === cluster.leader()))
  return cluster
}

async function put(cluster: SimulatedCluster): Promise<void> {
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  const write = { operation: 'kv.put', key: Buffer.from('k'), value: Buffer.from('v') } as const
  await cluster.finish(client.submit(kvOperation(write)))
}

describe('the checks of data centres', () => {
  it('find what was committed in one of them, and what goes with it', async () => {
    const cluster = await clusterApart({})
    await put(cluster)
    const plain = rulesOf(cluster, {})
    expect(violated(() => plain.invariants.check())).toBeNull()
    const rules = rulesOf(cluster, { commitZones: 2 })
    expect(violated(() => rules.invariants.check())).toBe('committedInTwoZones')
    rules.invariants.acknowledged(rules.invariants.commits)
    expect(violated(() => rules.zoneGoes(cluster.nodes.slice(0, 2)))).toBe('zoneLossLosesNothing')
    expect(violated(() => rules.zoneGoes(cluster.nodes.slice(2)))).toBeNull()
  })

  it('count a quorum in one of them for nothing, and take the second along when they heal', async () => {
    const cluster = await clusterApart({ commitZones: 2 })
    const [rules, plain] = [rulesOf(cluster, {}), rulesOf(cluster, { commitZones: null })]
    for (const { invariants } of [rules, plain]) invariants.check()
    const [n1, n2, n3] = cluster.nodes.map(({ id }) => id) as [NodeId, NodeId, NodeId]
    expect([rules.isQuorum([n1, n2]), rules.isQuorum([n1, n3])]).toEqual([false, true])
    expect(rules.coreOf(cluster.nodes).map(({ id }) => id)).toEqual([n1, n2, n3])
    expect(plain.coreOf(cluster.nodes)).toHaveLength(2)
  })
})

describe('production nodes', () => {
  it.each([
    ['the preferred zone', { settings: { preferredZones: ['b'] } }],
    ['the highest priority', { priorities: [0, 1, 2] }],
  ])('bring leadership to %s by themselves, and back there after a failure', async (_, options) => {
    const cluster = new SimulatedCluster({ seed: 2, nodes: 3, zones: ZONES, ...options, sha256 })
    const best = cluster.nodes[2]
    await cluster.start()
    expect(await cluster.run(20_000, () => cluster.leader() === best)).toBe(true)
    best?.crash('power')
    expect(await cluster.run(20_000, () => cluster.leader() !== null && cluster.leader() !== best)).toBe(true)
    await cluster.start()
    expect(await cluster.run(60_000, () => cluster.leader() === best)).toBe(true)
  })
})

describe('the plan of a seed', () => {
  const plans = Array.from({ length: 200 }, (_, at) => planRun(at + 1, 5))

  it('makes something of several data centres, and never of one', () => {
    const count = (is: (plan: RunPlan) => boolean) => plans.filter(is).length
    expect(count(({ zones }) => zones?.commitsApart === true)).toBeGreaterThan(20)
    expect(count(({ zones }) => zones !== undefined && zones.preferred !== null)).toBeGreaterThan(20)
    for (const { zones, placesMs, faults, nodes } of plans) {
      const areApart = new Set(placesMs.slice(0, nodes)).size > 1
      if (!areApart) expect(zones).toBeUndefined()
      expect(faults.some(({ strike }) => strike === ZONE_STRIKE)).toBe(zones !== undefined)
      expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).sort((a, b) => a - b))
    }
  })

  it('is kept by a case file, in which zones stand where nodes do', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'knhk-case-'))
    const path = join(directory, 'case.json')
    try {
      const plan = plans.find(({ zones }) => zones !== undefined && zones.preferred !== null) as RunPlan
      await writeFile(path, formatCase(plan))
      expect(await readCase(path)).toEqual(plan)
      await writeFile(path, formatCase({ ...plan, zones: { commitsApart: true, preferred: 'at999' } }))
      await expect(readCase(path)).rejects.toMatchObject({ code: 'InvalidFile' })
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
