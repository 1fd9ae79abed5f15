/**
 * Shows that a HotStuff node comes back to members whose last committed block is an empty one, far above the last
 * entry, and is needed then: entries lead to the last payload only, and what lies between stands in no log.
 */
import { expect, it } from 'vitest'
import { decodeState } from '../../../src/consensus/bft/hotstuff/stored-state.js'
import { epoch, nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { begun } from './hotstuff-harness.js'
import { decide } from './steps.js'

const THREE = ['n1', 'n2', 'n3']

/** So many empty blocks, nearly, are decided among three members: the fourth is away and asks its way back for ever. */
function decideEmpty(cluster: ByzantineCluster, count: number): void {
  for (let at = 0; at < count; at++) {
    for (const to of THREE) cluster.inject(nodeId('n4'), nodeId(to), { type: 'hsRejoin', epoch: epoch(0), nonce: 1 })
    cluster.runFor(2100)
  }
  for (const id of THREE) {
    const { root } = decodeState(cluster.node(id).disk.safety as Uint8Array)
    expect(root?.kind).toBe('empty')
  }
}

/** One member less, and the fourth back in its place. */
function exchange(cluster: ByzantineCluster, { restart }: { readonly restart: boolean }): void {
  if (restart) for (const id of ['n1', 'n2']) cluster.crash(cluster.node(id))
  cluster.crash(cluster.node('n3'))
  if (restart) for (const id of ['n1', 'n2']) cluster.restart(cluster.node(id))
  cluster.restart(cluster.node('n4'))
}

it('the members were started again: they know their last committed block with its certificate', () => {
  const cluster = begun({ batchMax: 1 })
  cluster.runFor(2000)
  cluster.crash(cluster.node('n4'))
  decideEmpty(cluster, 6)
  exchange(cluster, { restart: true })
  decide(cluster, ['n1', 'n2', 'n4'], 100_000)
})

it('the members were started again behind a compacted log', () => {
  const cluster = begun({ batchMax: 1 })
  cluster.crash(cluster.node('n4'))
  while (cluster.node('n1').executed < 128) decide(cluster, THREE)
  cluster.runFor(2000)
  decideEmpty(cluster, 6)
  for (const id of THREE) cluster.snapshot(cluster.node(id), 128)
  cluster.runFor(500)
  for (const id of THREE) expect(cluster.node(id).core.status().firstIndex).toBe(129)
  exchange(cluster, { restart: true })
  decide(cluster, ['n1', 'n2', 'n4'], 100_000)
})

it('there are more empty blocks behind the last entry than the members keep', () => {
  const cluster = begun({ batchMax: 1, limits: { keptBlocksMax: 4 } })
  cluster.runFor(2000)
  cluster.crash(cluster.node('n4'))
  decideEmpty(cluster, 16)
  exchange(cluster, { restart: false })
  decide(cluster, ['n1', 'n2', 'n4'], 100_000)
})

it('messages were lost, so that a round failed between the last payload and the empty blocks that decided it', () => {
  for (const seed of [21, 39]) {
    const cluster = begun({ seed, batchMax: 1 })
    const calm = cluster.faults
    cluster.runFor(1000)
    cluster.crash(cluster.node('n4'))
    cluster.faults = { ...calm, drop: 0.1, delayMaxMs: 20 }
    for (let at = 0; at < 3; at++) decide(cluster, THREE, 120_000)
    cluster.runFor(20_000)
    cluster.faults = calm
    exchange(cluster, { restart: true })
    decide(cluster, ['n1', 'n2', 'n4'], 100_000)
  }
})
