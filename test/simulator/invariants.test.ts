/**
 * Shows that the invariants can fail: nodes of two separate clusters, looked at as if they were one,
 * are a split brain and are called so; digests that differ, and answers ahead of the commit, are found.
 */
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { SimulatedClient } from '../../src/simulator/client.js'
import { SimulatedCluster } from '../../src/simulator/cluster.js'
import { Invariants } from '../../src/simulator/invariants.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { violated } from './violated.js'

async function clusterWith(seed: number, values: readonly string[]): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed, nodes: 3, sha256 })
  await cluster.start()
  await cluster.run(5000, () => cluster.leader() !== null)
  const client = new SimulatedClient(cluster)
  await cluster.finish(client.open())
  for (const value of values) {
    const write = { operation: 'kv.put', key: Buffer.from('k'), value: Buffer.from(value) } as const
    await cluster.finish(client.submit(kvOperation(write)))
  }
  await cluster.run(1000)
  return cluster
}

describe('the invariants', () => {
  it('hold for one cluster, and compare something', async () => {
    const { nodes } = await clusterWith(1, ['a', 'b', 'c'])
    const invariants = new Invariants(nodes)
    invariants.check()
    expect(invariants.commits).toBeGreaterThanOrEqual(5)
    expect(invariants.checks.commits).toBeGreaterThanOrEqual(8)
    expect(invariants.checks.logs).toBeGreaterThanOrEqual(2)
  })

  it('call two clusters in one a split brain', async () => {
    const [one, other] = [await clusterWith(1, ['a', 'b']), await clusterWith(2, ['c', 'd'])]
    const broken = violated(() => new Invariants([...one.nodes, ...other.nodes]).check())
    expect(['electionSafety', 'logMatching', 'committedImmutable', 'leaderCompleteness']).toContain(broken)
  })

  it('find two leaders of one term before either has committed', async () => {
    const [one, other] = [await clusterWith(3, []), await clusterWith(4, [])]
    const leaders = [one.leader(), other.leader()].filter((node) => node !== null)
    expect(leaders.map((node) => node.running?.core.status().term)).toEqual([1, 1])
    expect(violated(() => new Invariants(leaders).check())).not.toBeNull()
  })

  it('find a leader that lacks what earlier terms committed', async () => {
    const [full, empty] = [await clusterWith(1, ['a', 'b', 'c']), await clusterWith(5, [])]
    // The leader of the empty cluster is voted out until its term is above the other's.
    for (let times = 0; times < 3; times++) {
      empty.leader()?.crash('process')
      await empty.run(2000)
      await empty.start()
      await empty.run(1000)
    }
    const newest = empty.leader()
    expect(newest?.running?.core.status().term).toBeGreaterThan(1)
    const broken = violated(() => new Invariants([...full.nodes, newest as NonNullable<typeof newest>]).check())
    expect(['leaderCompleteness', 'committedImmutable']).toContain(broken)
  })

  it('find digests that differ and answers that come too early', async () => {
    const { nodes } = await clusterWith(1, ['a'])
    const invariants = new Invariants(nodes)
    invariants.check()
    invariants.digest('n1', 50, 'same')
    invariants.digest('n2', 50, 'same')
    expect(violated(() => invariants.digest('n3', 50, 'other'))).toBe('stateMachineSafety')
    invariants.acknowledged(invariants.commits)
    expect(violated(() => invariants.acknowledged(invariants.commits + 1))).toBe('nothingAcknowledgedEarly')
  })
})
