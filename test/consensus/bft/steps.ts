/** What tests do with a cluster of Byzantine or hybrid cores, whatever its protocol: wait, order, disturb, calm down. */
import type { Mode, NodeId } from '../../../src/consensus/types.js'
import { type ByzantineCluster, CALM, type Node } from './cluster.js'

export interface Within {
  /** Who has to have executed it; without it all honest ones that are up. */
  readonly nodes?: readonly Node[]
  readonly withinMs?: number
}

/** A run that is decided by its seed. */
export interface RandomRun {
  readonly seed: number
  /** Lets as many members lie as the cluster tolerates. */
  readonly liars: boolean
}

/** Runs until all of these requests are executed. */
export function settle(cluster: ByzantineCluster, names: readonly string[], given: Within = {}): void {
  const { nodes, withinMs = 20_000 } = given
  const done = (): boolean => names.every((name) => cluster.executedBy(name, nodes))
  if (!cluster.runFor(withinMs, done)) throw new Error(`not everything was executed\n${describeNodes(cluster)}`)
}

/** One request more, executed by these nodes. */
export function decide(cluster: ByzantineCluster, ids: readonly string[], withinMs?: number): void {
  settle(cluster, [cluster.submit()], { nodes: nodesOf(cluster, ids), ...(withinMs === undefined ? {} : { withinMs }) })
}

export function nodesOf(cluster: ByzantineCluster, ids: readonly string[]): Node[] {
  return ids.map((id) => cluster.node(id))
}

/** Whoever leads; somebody has to. */
export function leaderOf(cluster: ByzantineCluster): Node {
  const leader = cluster.leader()
  if (leader === undefined) throw new Error(`nobody leads\n${describeNodes(cluster)}`)
  return leader
}

/** An operator's order for a mode, given to these members; to all of them by default. */
export function orderMode(
  cluster: ByzantineCluster,
  mode: Mode | 'bft',
  nodes: Iterable<Node> = cluster.nodes.values(),
): void {
  for (const node of [...nodes]) cluster.step(node, { type: 'order', orderId: 1, order: { kind: 'setMode', mode } })
}

export function crashAll(cluster: ByzantineCluster): void {
  for (const node of [...cluster.nodes.values()]) cluster.crash(node)
}

export function restartAll(cluster: ByzantineCluster): void {
  for (const node of [...cluster.nodes.values()]) cluster.restart(node)
}

/** Cuts the members with this probability each from the others. */
export function splitAtRandom(cluster: ByzantineCluster, random: () => number, share: number): void {
  const ids = [...cluster.nodes.keys()]
  const side = ids.filter(() => random() < share)
  const rest = ids.filter((id) => !side.includes(id))
  cluster.partition(side, rest)
}

/** So many of the members lie from now on, and are what `make` makes of them. */
export function liarsAtRandom<L>(
  cluster: ByzantineCluster,
  count: number,
  random: () => number,
  make: (id: NodeId) => L,
): Map<NodeId, L> {
  const ids = [...cluster.nodes.keys()].sort(() => random() - 0.5).slice(0, count)
  cluster.lie(...ids)
  return new Map(ids.map((id) => [id, make(id)]))
}

/** The faults end, and everybody runs. */
export function calmDown(cluster: ByzantineCluster): void {
  cluster.heal()
  cluster.faults = CALM
  restartAll(cluster)
}

/** After the faults: one request more, and nothing is left to do. */
export function drain(cluster: ByzantineCluster): void {
  const last = cluster.submit()
  const done = (): boolean =>
    cluster.executedBy(last, cluster.honest) && cluster.honest.every((node) => node.up && node.pool.size === 0)
  if (!cluster.runFor(120_000, done)) throw new Error(`not everything was executed\n${describeNodes(cluster)}`)
}

/** Runs each seed; what fails says which one it was. */
export function everySeed(first: number, count: number, run: (seed: number) => void): void {
  for (let seed = first; seed < first + count; seed++) {
    try {
      run(seed)
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}

/** Where everybody stands, for a failure's message. */
export function describeNodes(cluster: ByzantineCluster): string {
  return [...cluster.nodes.values()]
    .map(({ id, up, executed, pool, core }) => {
      const { mode, epoch, term, view, role, leader, lastIndex, commitIndex, threat } = core.status()
      const place = `${mode} epoch ${epoch} term ${term} view ${view} ${role} of ${leader} last ${lastIndex} commit ${commitIndex}`
      return `${id}: ${place} executed ${executed} pool ${pool.size} up ${up} threat ${threat?.level}`
    })
    .join('\n')
}
