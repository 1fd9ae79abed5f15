/**
 * Nodes that cannot hear each other, while clients reach all of them: a minority apart, the leader
 * apart, one direction only, one pair only. A leader that is cut off must neither write nor serve what
 * it knew before.
 */
import { join } from 'node:path'
import { NodeNetwork } from '../network.js'
import { readKey } from '../operations.js'
import { Recorder } from '../recorder.js'
import { pass, type Scene, type Story } from '../story.js'

const NODES = 5
const HELD_MIN_MS = 1500
const HELD_MAX_MS = 3000
const READ_TIMEOUT_MS = 2000

/** Pairs of nodes of which the first is no longer heard by the second. */
type Cuts = readonly (readonly [string, string])[]
type Choose = (ids: readonly string[], leader: string, scene: Scene) => Cuts

export const PARTITIONS: readonly Story[] = [
  partition('partition', 'two nodes apart from three, both directions', (ids, _, { random }) => {
    const first = random.between(0, NODES - 1)
    const apart = [ids[first] as string, ids[(first + 1) % NODES] as string]
    return bothWays(ids, (a, b) => apart.includes(a) !== apart.includes(b))
  }),
  partition('partition-leader', 'the leader apart from all others', (ids, leader) =>
    bothWays(ids, (a, b) => (a === leader) !== (b === leader)),
  ),
  partition(
    'partition-asymmetric',
    'the leader is not heard, but hears; then the other way round',
    (ids, leader, scene) => {
      const others = ids.filter((id) => id !== leader)
      return scene.random.chance(0.5) ? others.map((id) => [leader, id]) : others.map((id) => [id, leader])
    },
  ),
  partition(
    'partition-partial',
    'the leader and one follower do not hear each other, the rest does',
    (ids, leader, { random }) => {
      const other = random.pick(ids.filter((id) => id !== leader))
      return [
        [leader, other],
        [other, leader],
      ]
    },
  ),
]

function bothWays(ids: readonly string[], isCut: (a: string, b: string) => boolean): Cuts {
  return ids.flatMap((a) => ids.filter((b) => isCut(a, b)).map((b) => [a, b] as const))
}

function partition(name: string, title: string, choose: Choose): Story {
  let network: NodeNetwork | null = null
  return {
    name,
    title,
    needs: 'root, ip with network namespaces, veth and bridge',
    plan: async () => {
      network = await NodeNetwork.make(NODES)
      const made = network
      return { nodes: NODES, addresses: made.addresses, prefix: (id) => made.prefix(id) }
    },
    run: (scene) => splitAgainAndAgain(network as NodeNetwork, choose, scene),
    cleanUp: async () => network?.remove(),
  }
}

async function splitAgainAndAgain(network: NodeNetwork, choose: Choose, scene: Scene): Promise<void> {
  const { cluster, load, random, histories, untilMs, survived } = scene
  const recorder = new Recorder(join(histories, 'reader'))
  const client = await cluster.client()
  try {
    for (let round = 0; round === 0 || performance.now() < untilMs; round++) {
      const leader = await cluster.leader()
      for (const [from, to] of choose(cluster.ids, leader, scene)) await network.cut(from, to)
      // Every node is asked, the one that believes to lead too: no answer is fine, an old one is not.
      const heldUntilMs = performance.now() + random.between(HELD_MIN_MS, HELD_MAX_MS)
      const readers = cluster.ids.map(async (node) => {
        while (performance.now() < heldUntilMs) {
          const key = `k${Math.floor((performance.timeOrigin + performance.now()) / 2000)}-1`
          await readKey(client, recorder, { lane: `reader.${node}`, key, timeoutMs: READ_TIMEOUT_MS, node })
          await pass(random.between(1, 20))
        }
      })
      await load.progress()
      await Promise.all(readers)
      await network.heal()
      await cluster.healthy()
      await load.progress()
      survived()
    }
  } finally {
    recorder.close()
    await network.heal()
  }
}
