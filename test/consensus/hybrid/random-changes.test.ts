/**
 * Random runs of the hybrid in which logs are compacted and members change, in Raft and in Byzantine epochs,
 * while nodes crash with half-finished writes, links are cut and the protocol is switched: honest members
 * execute the same, sign once, are never accused; and once the faults end, the members of the newest epoch
 * execute everything, whoever of them came by a snapshot.
 */
import { expect, it } from 'vitest'
import { nodeId } from '../../../src/consensus/types.js'
import { seededRandom } from '../../random.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { replica } from '../bft/keys.js'
import { calmDown, describeNodes, everySeed, orderMode, restartAll, splitAtRandom } from '../bft/steps.js'
import { targetOf } from '../engine.js'
import { hybridCluster } from './harness.js'

/** A longer campaign: `HYBRID_RUNS=500 npx vitest run test/consensus/hybrid/random-changes.test.ts`. */
const RUNS = Number(process.env.HYBRID_RUNS ?? 5)
const FIRST = Number(process.env.HYBRID_FIRST ?? 1)
const INTERVAL = 8
const NAMES = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7']

const newestOf = (cluster: ByzantineCluster): Node =>
  [...cluster.nodes.values()].reduce((best, node) =>
    node.core.status().epoch > best.core.status().epoch ? node : best,
  )

const membersOf = (cluster: ByzantineCluster): readonly string[] =>
  newestOf(cluster)
    .core.status()
    .membership.membership.members.map(({ id }) => id)

function compact(cluster: ByzantineCluster, random: () => number): void {
  for (const node of cluster.nodes.values()) {
    const index = node.executed - (node.executed % INTERVAL)
    const isThere = node.up && node.disk.states.has(index) && node.disk.entry(index) !== undefined
    if (isThere && random() < 0.6) cluster.snapshot(node, index, random() < 0.5 ? 0 : INTERVAL)
  }
}

function change(cluster: ByzantineCluster, random: () => number): void {
  const leader = cluster.leader()
  if (leader === undefined) return
  const { members } = leader.core.status().membership.membership
  const joiner = NAMES.find((name) => !members.some(({ id }) => id === name))
  const learner = members.find(({ role }) => role === 'learner')
  const voters = members.filter(({ role }) => role === 'voter')
  if (learner !== undefined) {
    const target = members.map((member) => (member === learner ? { ...member, role: 'voter' as const } : member))
    cluster.order(leader, targetOf({ joint: false, members: target }))
  } else if (voters.length > 4 && (joiner === undefined || random() < 0.5)) {
    const gone = voters[Math.floor(random() * voters.length)]
    cluster.order(leader, targetOf({ joint: false, members: members.filter((member) => member !== gone) }))
  } else if (joiner !== undefined) {
    const added = { ...replica(nodeId(joiner)), role: 'learner' as const }
    cluster.order(leader, targetOf({ joint: false, members: [...members, added] }))
  }
}

function disturb(cluster: ByzantineCluster, random: () => number): void {
  const nodes = [...cluster.nodes.values()]
  const what = random()
  if (what < 0.25) cluster.crash(nodes[Math.floor(random() * nodes.length)] as Node)
  else if (what < 0.65) restartAll(cluster)
  else if (what < 0.75) splitAtRandom(cluster, random, 0.3)
  else cluster.heal()
}

const MODES = ['bft', 'raft', 'pbft'] as const

interface Seen {
  readonly epochs: number
  readonly installs: number
}

function run(seed: number): Seen {
  const random = seededRandom(seed * 104_729)
  const count = 4 + (seed % 3)
  const cluster = hybridCluster({ seed, count, residencyMs: 1000, spares: NAMES.slice(count), batchMax: 2 })
  cluster.faults = { drop: random() * 0.05, duplicate: 0.05, delayMaxMs: 20, storeMaxMs: 5, verifyMaxMs: 2 }
  cluster.submit()
  cluster.runFor(1500)
  for (let round = 0; round < 10; round++) {
    disturb(cluster, random)
    for (let i = 0; i < 6; i++) cluster.submit()
    cluster.runFor(500 + random() * 1500)
    const what = random()
    if (what < 0.45) change(cluster, random)
    else if (what < 0.6) orderMode(cluster, MODES[Math.floor(random() * MODES.length)] as (typeof MODES)[number])
    if (random() < 0.4) compact(cluster, random)
    cluster.runFor(random() * 500)
  }
  calmDown(cluster)
  cluster.runFor(5000)
  const last = cluster.submit()
  const done = (): boolean => {
    const members = membersOf(cluster)
    return cluster.executedBy(
      last,
      [...cluster.nodes.values()].filter(({ id }) => members.includes(id)),
    )
  }
  if (!cluster.runFor(120_000, done)) throw new Error(`not everything was executed\n${describeNodes(cluster)}`)
  return { epochs: newestOf(cluster).core.status().epoch, installs: cluster.counts.installs }
}

it('members change, logs are compacted, and all goes on', { timeout: 3_600_000 }, () => {
  let epochs = 0
  let installs = 0
  everySeed(FIRST, RUNS, (seed) => {
    const seen = run(seed)
    epochs += seen.epochs
    installs += seen.installs
  })
  expect(epochs).toBeGreaterThan(RUNS)
  expect(installs).toBeGreaterThan(0)
})
