/**
 * Shows a replica whose applied state is gone with all of its snapshots while its log is whole, as after a
 * divergence that the snapshots shared: it knows what it promised, gets a certified state from the others, and
 * takes part again. A donor that lies is passed over.
 */
import { describe, expect, it } from 'vitest'
import { nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { begun } from './hotstuff-harness.js'
import { pbftCluster } from './pbft-harness.js'
import { decide } from './steps.js'

const ALL = ['n1', 'n2', 'n3', 'n4']

function growTo(cluster: ByzantineCluster, index: number): void {
  while (cluster.node('n1').executed < index) {
    const lacks = index - cluster.node('n1').executed
    for (let at = 1; at < Math.min(64, lacks); at++) cluster.submit()
    decide(cluster, ALL)
  }
  cluster.runFor(500)
}

describe.each([
  { protocol: 'pbft', interval: 8, make: () => pbftCluster({ batchMax: 1 }) },
  { protocol: 'hotstuff', interval: 128, make: () => begun({ batchMax: 1 }) },
])('$protocol', ({ interval, make }) => {
  /** All have let go of their logs up to the first checkpoint; n4 lost its state then. */
  function bereft(): ByzantineCluster {
    const cluster = make()
    growTo(cluster, 2 * interval)
    for (const id of ALL) cluster.snapshot(cluster.node(id), interval)
    cluster.runFor(200)
    growTo(cluster, 2 * interval + 3)
    expect(cluster.node('n4').core.status().firstIndex).toBeGreaterThan(1)
    cluster.crash(cluster.node('n4'))
    cluster.loseState(cluster.node('n4'))
    return cluster
  }

  it('gets its state from a certified snapshot, and is needed then', () => {
    const cluster = bereft()
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(20_000, () => cluster.node('n4').executed === cluster.node('n1').executed)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    expect(cluster.node('n4').core.status().mayVote).toBe(true)
    cluster.crash(cluster.node('n1'))
    decide(cluster, ['n2', 'n3', 'n4'])
  })

  it('passes over a donor that lies, and follows the others meanwhile', () => {
    const cluster = bereft()
    cluster.lie(nodeId('n2'))
    cluster.lyingDonors.add(nodeId('n2'))
    cluster.partition([nodeId('n4')], [nodeId('n1'), nodeId('n3')])
    cluster.restart(cluster.node('n4'))
    const refused = () =>
      cluster.seen.some(({ node, effect }) => node === 'n4' && effect.type === 'fetchSnapshot' && effect.from === 'n2')
    expect(cluster.runFor(20_000, refused)).toBe(true)
    cluster.runFor(100)
    expect(cluster.counts.installs).toBe(0)
    cluster.heal()
    decide(cluster, ['n1', 'n3'])
    const caughtUp = () => cluster.node('n4').executed === cluster.node('n1').executed
    expect(cluster.runFor(40_000, caughtUp)).toBe(true)
    decide(cluster, ['n1', 'n3', 'n4'])
  })

  it('starts again in the middle of it', () => {
    const cluster = bereft()
    for (let moment = 0; moment < 6; moment++) {
      cluster.restart(cluster.node('n4'))
      cluster.runFor(moment * 4)
      cluster.crash(cluster.node('n4'))
      if (cluster.node('n4').disk.states.size > 0) cluster.loseState(cluster.node('n4'))
    }
    cluster.restart(cluster.node('n4'))
    decide(cluster, ALL)
  })
})
