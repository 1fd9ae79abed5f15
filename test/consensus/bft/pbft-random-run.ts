/** Random runs of PBFT under faults, each decided by its seed. */
import { seededRandom } from '../disk.js'
import type { ByzantineCluster } from './cluster.js'
import { CALM } from './cluster.js'
import { pbftCluster } from './pbft-harness.js'

function disturb(cluster: ByzantineCluster, random: () => number): void {
  const nodes = [...cluster.nodes.values()]
  const pick = nodes[Math.floor(random() * nodes.length)] as (typeof nodes)[number]
  const what = random()
  if (what < 0.25) cluster.crash(pick)
  else if (what < 0.55) for (const node of nodes) cluster.restart(node)
  else if (what < 0.7) {
    const ids = nodes.map(({ id }) => id)
    const side = ids.filter(() => random() < 0.5)
    cluster.partition(
      side,
      ids.filter((id) => !side.includes(id)),
    )
  } else if (what < 0.9) cluster.heal()
  for (let i = 0; i < 3; i++) cluster.submit()
}

export function run(seed: number): ByzantineCluster {
  const random = seededRandom(seed * 7919)
  const cluster = pbftCluster({ seed, count: 4 + (seed % 4) })
  cluster.faults = { drop: random() * 0.2, duplicate: 0.05, delayMaxMs: 20, storeMaxMs: 5, verifyMaxMs: 2 }
  const rounds = 3 + Math.floor(random() * 10)
  for (let round = 0; round < rounds; round++) {
    disturb(cluster, random)
    cluster.runFor(random() * 3000)
  }
  cluster.heal()
  cluster.faults = CALM
  for (const node of [...cluster.nodes.values()]) cluster.restart(node)
  const last = cluster.submit()
  const done = (): boolean =>
    cluster.executedBy(last) && [...cluster.nodes.values()].every((node) => node.pool.size === 0)
  if (!cluster.runFor(60_000, done)) throw new Error(`not everything was executed\n${describeNodes(cluster)}`)
  return cluster
}

/** Where everybody stands, for a failure's message. */
function describeNodes(cluster: ByzantineCluster): string {
  return [...cluster.nodes.values()]
    .map((node) => {
      const { view, epoch, role, leader, lastIndex, commitIndex } = node.core.status()
      const place = `epoch ${epoch} view ${view} ${role} of ${leader} last ${lastIndex} commit ${commitIndex}`
      return `${node.id}: ${place} executed ${node.executed} pool ${node.pool.size} up ${node.up}`
    })
    .join('\n')
}
