/** Random runs of PBFT under faults, each decided by its seed. */
import type { PbftMessage } from '../../../src/consensus/bft/pbft/messages.js'
import { seededRandom } from '../../random.js'
import type { ByzantineCluster, Node } from './cluster.js'
import { pbftCluster } from './pbft-harness.js'
import { Liar } from './pbft-liar.js'
import { calmDown, drain, liarsAtRandom, type RandomRun, restartAll, splitAtRandom } from './steps.js'

function disturb(cluster: ByzantineCluster, random: () => number): void {
  const nodes = [...cluster.nodes.values()]
  const pick = nodes[Math.floor(random() * nodes.length)] as Node
  const what = random()
  if (what < 0.25) cluster.crash(pick)
  else if (what < 0.55) restartAll(cluster)
  else if (what < 0.7) splitAtRandom(cluster, random, 0.5)
  else if (what < 0.85) cluster.heal()
  else if (what < 0.95) snapshotOf(cluster, pick)
  for (let i = 0; i < 3; i++) cluster.submit()
}

/** At the newest checkpoint that the node executed, if it is newer than its last one. */
function snapshotOf(cluster: ByzantineCluster, node: Node): void {
  const index = Math.floor(Math.min(node.executed, node.core.status().commitIndex) / 8) * 8
  const newest = node.disk.snapshot?.base.index ?? 0
  const isThere = node.disk.entry(index) !== undefined && node.disk.states.has(index)
  if (node.up && index > newest && isThere && node.restoring === null) cluster.snapshot(node, index)
}

/** Throws where honest replicas disagree or sign twice, and where the run does not end after its faults. */
export function run({ seed, liars }: RandomRun): ByzantineCluster {
  const random = seededRandom(seed * 7919)
  const count = 4 + (seed % 4)
  const cluster = pbftCluster({ seed, count })
  if (liars) unleash(cluster, Math.floor((count - 1) / 3), random)
  cluster.faults = { drop: random() * 0.15, duplicate: 0.05, delayMaxMs: 20, storeMaxMs: 5, verifyMaxMs: 2 }
  const rounds = 2 + Math.floor(random() * 6)
  for (let round = 0; round < rounds; round++) {
    disturb(cluster, random)
    cluster.runFor(random() * 2500)
  }
  calmDown(cluster)
  drain(cluster)
  return cluster
}

function unleash(cluster: ByzantineCluster, count: number, random: () => number): void {
  const liars = liarsAtRandom(cluster, count, random, (id) => new Liar(id, cluster.options.membership))
  cluster.intercept = (from, _to, message) => liars.get(from)?.distort(message as PbftMessage, random) ?? null
}
