/**
 * Shows four replicas of each Byzantine protocol on the production node loop: what a client signed and sent to
 * all of them is ordered, executed and answered by every one, with the same answer, and proven in their logs.
 */
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import { CLIENT_FRAME } from '../../src/transport/client-protocol.js'
import { signedFrame } from './propose-frames.js'

test.each(['pbft', 'hotstuff'] as const)(
  '%s answers from every replica, equally, and again after restarts',
  async (protocol) => {
    const cluster = new SimulatedCluster({ seed: 5, nodes: 4, protocol, sha256 })
    await cluster.start()
    const { clusterId } = cluster.configuration
    const ask = async (sequence: number): Promise<string[]> => {
      const answers = new Map<string, string>()
      for (const node of cluster.nodes) {
        const connection = node.listener?.connect(SIMULATED_CLIENT_KEY, {
          onAnswer: (type, answer) => {
            if (type === CLIENT_FRAME.applied) answers.set(node.id, toHex(answer))
          },
          onClose: () => {},
        })
        connection?.transmit(
          CLIENT_FRAME.propose,
          signedFrame(clusterId, sequence, [{ type: 'OpenSession', ordered: false }]),
        )
      }
      await cluster.run(20_000, () => answers.size === 4)
      return [...answers.values()]
    }
    for (let sequence = 1; sequence <= 5; sequence++) {
      const answers = await ask(sequence)
      expect(answers).toHaveLength(4)
      expect(new Set(answers).size).toBe(1)
    }
    for (const node of cluster.nodes) node.crash('power')
    await cluster.start()
    const answers = await ask(6)
    expect(answers).toHaveLength(4)
    expect(new Set(answers).size).toBe(1)
    for (const node of cluster.nodes) expect(node.running?.core.status()).toMatchObject({ mode: protocol })
  },
)
