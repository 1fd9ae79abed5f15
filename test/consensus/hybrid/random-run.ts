/** Random runs of the hybrid under faults and liars, to and fro between its protocols, each decided by its seed. */
import { seededRandom } from '../../random.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { calmDown, drain, liarsAtRandom, orderMode, type RandomRun, restartAll, splitAtRandom } from '../bft/steps.js'
import { hybridCluster } from './harness.js'
import { RaftLiar } from './liar.js'

function disturb(cluster: ByzantineCluster, random: () => number): void {
  const nodes = [...cluster.nodes.values()]
  const pick = nodes[Math.floor(random() * nodes.length)] as Node
  const what = random()
  if (what < 0.3) cluster.crash(pick)
  else if (what < 0.6) restartAll(cluster)
  else if (what < 0.75) splitAtRandom(cluster, random, 0.5)
  else cluster.heal()
  for (let i = 0; i < 3; i++) cluster.submit()
}

const ORDERS = ['bft', 'raft', 'pbft', 'hotstuff'] as const

/** Throws where honest members disagree, sign twice or are accused, and where the run does not end after its faults. */
export function run({ seed, liars }: RandomRun): ByzantineCluster {
  const random = seededRandom(seed * 7919)
  const count = 4 + (seed % 7)
  // Half of the runs stay shortly, so that they come back.
  const residencyMs = seed % 2 === 0 ? 500 + Math.floor(random() * 2000) : 30_000
  const cluster = hybridCluster({ seed, count, bft: seed % 3 === 0 ? 'hotstuff' : 'pbft', residencyMs })
  if (liars) unleash(cluster, Math.floor((count - 1) / 3), random)
  cluster.faults = { drop: random() * 0.1, duplicate: 0.05, delayMaxMs: 20, storeMaxMs: 5, verifyMaxMs: 2 }
  cluster.submit()
  cluster.runFor(1500)
  const rounds = 2 + Math.floor(random() * 6)
  for (let round = 0; round < rounds; round++) {
    disturb(cluster, random)
    if (random() < 0.6) orderMode(cluster, ORDERS[Math.floor(random() * ORDERS.length)] as (typeof ORDERS)[number])
    cluster.runFor(random() * 1500)
  }
  calmDown(cluster)
  if (random() < 0.5) {
    // Members have to say first that they see nothing against a return.
    cluster.runFor(residencyMs < 5000 ? 6000 : 0)
    orderMode(cluster, random() < 0.4 ? 'bft' : 'raft')
  }
  drain(cluster)
  const epochs = new Set(cluster.honest.map((node) => node.core.status().epoch))
  if (epochs.size > 1) cluster.runFor(10_000)
  return cluster
}

function unleash(cluster: ByzantineCluster, count: number, random: () => number): void {
  const liars = liarsAtRandom(cluster, count, random, (id) => new RaftLiar(id, cluster.options.membership))
  for (const liar of liars.values()) {
    const victims = [...cluster.nodes.keys()].filter((id) => id !== liar.id && random() < 0.4)
    if (random() < 0.6) liar.fork(victims, 2 + Math.floor(random() * 10))
  }
  cluster.intercept = (from, to, message) => liars.get(from)?.distort(to, message, random) ?? null
}
