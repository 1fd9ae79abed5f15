/**
 * Shows an epoch that a change of members ends, and that members learn only while they leave it what speaks against
 * another epoch of Raft: a liar that accuses itself, a level that some of them alone see. What was to be proposed
 * before is proposed no more, and the hand-over is decided.
 */
import { describe, expect, it } from 'vitest'
import { equivocation } from '../../../src/consensus/bft/evidence.js'
import { epochConfigHash } from '../../../src/consensus/bft/replicas.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { epoch, type NodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { replicasNamed } from '../bft/keys.js'
import { describeNodes, leaderOf, settle } from '../bft/steps.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { targetOf } from '../engine.js'
import { hybridCluster } from './harness.js'
import { RaftLiar } from './liar.js'

const REST = ['n1', 'n2', 'n3', 'n4']
/** A first proposal is made, and lost. */
const PROPOSED_MS = 60
const HIGH = 7
const ROUNDS = 8
const ROUND_MS = 30_000

interface Changing {
  readonly cluster: ByzantineCluster
  readonly liar: NodeId
}

/** Everybody has left the epoch with a change of members, and nothing of the hand-over arrives. */
function changing(): Changing {
  const cluster = hybridCluster({ count: 5 })
  settle(cluster, [cluster.submit(), cluster.submit()])
  const leader = leaderOf(cluster)
  const liar = [...cluster.nodes.keys()].find((id) => id !== leader.id && id !== 'n5' && id !== 'n2') as NodeId
  cluster.lie(liar)
  cluster.intercept = (_from, _to, message) => (message.type === 'hybridHandOver' ? [] : null)
  cluster.order(leader, targetOf(replicasNamed(REST)))
  const haveLeft = (): boolean => cluster.honest.every(({ disk }) => disk.aborts.length > 0)
  expect(cluster.runFor(5000, haveLeft), describeNodes(cluster)).toBe(true)
  cluster.runFor(PROPOSED_MS)
  return { cluster, liar }
}

/** Two words of the liar for one place. */
function confession({ cluster, liar }: Changing): ProtocolMessage {
  const { membership } = cluster.options
  const context = { clusterId: CLUSTER_ID, configHash: epochConfigHash(sha256, CONFIG_HASH, membership) }
  const key = new RaftLiar(liar, membership)
  const none = new Uint8Array(32)
  const word = (mark: number) =>
    key.sign({
      ...{ mode: 'raft', type: 'panic', epoch: epoch(0), view: 0, sequence: 0 },
      ...{ digest: new Uint8Array(32).fill(mark), extra: none },
    })
  const evidence = equivocation(context, word(1), word(2)) ?? expect.fail('two words are no proof')
  return { type: 'hybridEvidence', evidence }
}

function expectDecided(cluster: ByzantineCluster, mode: 'raft' | 'pbft', meanwhile: () => void = () => {}): void {
  const haveEntered = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
  for (let round = 0; round < ROUNDS && !cluster.runFor(ROUND_MS, haveEntered); round++) meanwhile()
  expect(haveEntered(), describeNodes(cluster)).toBe(true)
  expect(new Set(cluster.honest.map(({ core }) => core.status().mode))).toEqual(new Set([mode]))
}

/** What this member alone sees the liar do. */
function annoy({ cluster, liar }: Changing, node: Node): void {
  const message = confession({ cluster, liar })
  for (let at = 0; at < HIGH; at++) cluster.step(node, { type: 'invalid', from: liar, message, reason: 'signature' })
  expect(['high', 'critical']).toContain(node.core.status().threat?.level)
}

describe('a change of members that ends an epoch', () => {
  it('is followed by Raft where nothing speaks against it', () => {
    const { cluster } = changing()
    cluster.intercept = () => null
    expectDecided(cluster, 'raft')
  })

  it('is followed by PBFT where a liar accuses itself after Raft was proposed', () => {
    const given = changing()
    const { cluster, liar } = given
    for (const { id } of cluster.honest) cluster.inject(liar, id, confession(given))
    cluster.runFor(10)
    // From here on nobody lies any more, and nothing is lost.
    cluster.intercept = () => null
    expectDecided(cluster, 'pbft')
  })

  it('is followed by PBFT where two members alone see the level High after that', () => {
    const given = changing()
    const { cluster, liar } = given
    const [first, second] = cluster.honest as [Node, Node]
    const annoyBoth = (): void => {
      annoy(given, first)
      annoy(given, second)
    }
    annoyBoth()
    // The liar is silent: those that see nothing are too few for Raft, and take what the others propose.
    cluster.intercept = (from) => (from === liar ? [] : null)
    expectDecided(cluster, 'pbft', annoyBoth)
  })
})
