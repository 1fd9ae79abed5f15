/**
 * Shows a replica whose applied state is gone with all of its snapshots while its log is whole, as after a
 * divergence that the snapshots shared: it knows what it promised, gets a certified state from the others, and
 * takes part again. A donor that lies is passed over.
 */
import { describe, expect, it } from 'vitest'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { type NodeId, nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { begun, isType } from './hotstuff-harness.js'
import { pbftCluster } from './pbft-harness.js'
import { decide } from './steps.js'

const ALL = ['n1', 'n2', 'n3', 'n4']

function growTo(cluster: ByzantineCluster, index: number, ids = ALL): void {
  while (cluster.node('n1').executed < index) {
    const lacks = index - cluster.node('n1').executed
    for (let at = 1; at < Math.min(64, lacks); at++) cluster.submit()
    decide(cluster, ids)
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

/** n4 has signed a wrong state at the first checkpoint, and has not heard of the others' signatures. */
function astray(): { readonly cluster: ByzantineCluster; readonly tell: () => void } {
  const cluster = begun({ batchMax: 1 })
  const n4 = nodeId('n4')
  growTo(cluster, 120)
  const held: [NodeId, ProtocolMessage][] = []
  cluster.intercept = (from, to, message) => {
    if (to !== n4 || !isType(message, 'hsCheckpoint')) return null
    held.push([from, message])
    return []
  }
  const node = cluster.node('n4')
  cluster.watch.corrupt.add(n4)
  node.state = Uint8Array.from(node.state, (byte, i) => (i === 0 ? byte ^ 1 : byte))
  // The others first: whatever comes first is what the harness takes for right.
  cluster.partition([n4], [nodeId('n1'), nodeId('n2'), nodeId('n3')])
  growTo(cluster, 130, ALL.slice(0, 3))
  cluster.heal()
  expect(cluster.runFor(5000, () => node.executed >= 130)).toBe(true)
  const tell = () => {
    cluster.intercept = () => null
    for (const [from, message] of held) cluster.inject(from, n4, message)
    cluster.runFor(500)
  }
  return { cluster, tell }
}

describe('a state that is wrong', () => {
  const found = ({ seen }: ByzantineCluster) =>
    seen.some(({ node, effect }) => node === 'n4' && effect.type === 'diverged')

  it('is found when the certificate comes after it was signed', () => {
    const { cluster, tell } = astray()
    tell()
    expect(found(cluster)).toBe(true)
  })

  it('is not held against the state that was rebuilt', () => {
    const { cluster, tell } = astray()
    const node = cluster.node('n4')
    cluster.crash(node)
    // The log is whole: it gives the state anew.
    node.disk.states.clear()
    node.disk.executed = 0
    cluster.watch.corrupt.delete(nodeId('n4'))
    cluster.restart(node)
    expect(cluster.runFor(5000, () => cluster.node('n4').executed === cluster.node('n1').executed)).toBe(true)
    tell()
    expect(found(cluster)).toBe(false)
    decide(cluster, ALL)
  })
})
