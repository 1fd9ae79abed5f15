/**
 * The whole cluster dies at every moment of a switch, from the order to the first entries of the next
 * epoch, with writes half done; it always comes back into one epoch with everything that was executed, and
 * one member that was cut off in the middle follows.
 */
import { describe, expect, it } from 'vitest'
import type { ByzantineCluster } from '../bft/cluster.js'
import { crashAll, describeNodes, orderMode, restartAll, settle } from '../bft/steps.js'
import { hybridCluster } from './harness.js'

const STEP_MS = 1
const STEPS = 24

function underWay(seed: number, count: number): { cluster: ByzantineCluster; names: string[] } {
  const cluster = hybridCluster({ seed, count, bft: seed % 2 === 0 ? 'pbft' : 'hotstuff' })
  const names = [cluster.submit(), cluster.submit()]
  settle(cluster, names)
  names.push(cluster.submit(), cluster.submit())
  orderMode(cluster, 'bft')
  return { cluster, names }
}

describe('a switch in which', () => {
  it('everybody crashes at some moment', { timeout: 600_000 }, () => {
    const modes = new Set<string>()
    for (let step = 0; step < STEPS; step++) {
      const { cluster, names } = underWay(step + 1, 4 + (step % 4))
      cluster.runFor(step * STEP_MS)
      crashAll(cluster)
      restartAll(cluster)
      orderMode(cluster, 'bft')
      settle(cluster, [...names, cluster.submit()])
      const arrived = (): boolean => cluster.honest.every((node) => node.core.status().epoch === 1)
      expect(cluster.runFor(30_000, arrived), describeNodes(cluster)).toBe(true)
      for (const node of cluster.honest) modes.add(node.core.status().mode)
    }
    expect(modes).toEqual(new Set(['pbft', 'hotstuff']))
  })

  it('one member is cut off from the others at some moment', { timeout: 600_000 }, () => {
    for (let step = 0; step < STEPS; step += 3) {
      const { cluster, names } = underWay(step + 1, 4)
      cluster.runFor(step * STEP_MS)
      const [alone, ...others] = [...cluster.nodes.keys()]
      cluster.partition([alone as never], others)
      cluster.runFor(3000)
      cluster.heal()
      settle(cluster, [...names, cluster.submit()])
      expect(cluster.runFor(30_000, () => cluster.honest.every((node) => node.core.status().epoch === 1))).toBe(true)
    }
  })
})
