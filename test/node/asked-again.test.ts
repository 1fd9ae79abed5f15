/**
 * A replica that lost, with its memory, what it answered, and is asked again: the primary answered long ago and would
 * propose nothing. It orders the request once more, so that the replica can answer, and nobody is accused for it.
 */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { CLIENT_FRAME } from '../../src/transport/client-protocol.js'
import { signedFrame } from './propose-frames.js'

test.each(['pbft', 'hotstuff'] as const)(
  '%s: a restarted replica answers what it executed before',
  async (protocol) => {
    const cluster = new SimulatedCluster({ seed: 5, nodes: 4, protocol, sha256 })
    await cluster.start()
    const { clusterId } = cluster.configuration
    const frame = signedFrame(clusterId, 1, [{ type: 'OpenSession', ordered: false }])
    const ask = async (nodes: readonly SimulatedNode[]): Promise<void> => {
      const answered = new Set<string>()
      for (const node of nodes) {
        const onAnswer = (type: number): void => {
          if (type === CLIENT_FRAME.applied) answered.add(node.id)
        }
        node.listener
          ?.connect(SIMULATED_CLIENT_KEY, { onAnswer, onClose: () => {} })
          ?.transmit(CLIENT_FRAME.propose, frame)
      }
      await cluster.run(20_000, () => answered.size === nodes.length)
      expect(answered.size).toBe(nodes.length)
    }
    await ask(cluster.nodes)
    const view = (node: SimulatedNode): number | null => node.running?.core.status().view ?? null
    const backup = cluster.nodes.find((node) => node !== cluster.leader()) as SimulatedNode
    const before = view(backup)
    // Long enough for its state to be on the disk: nothing is executed again at the start.
    await cluster.run(10_000, () => false)
    backup.crash('process')
    await cluster.start()
    await ask([backup])
    if (protocol === 'pbft') for (const node of cluster.nodes) expect(view(node)).toBe(before)
  },
)
