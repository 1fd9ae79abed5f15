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

type Cluster = SimulatedCluster

async function started(protocol: 'pbft' | 'hotstuff', nodes: number): Promise<Cluster> {
  const cluster = new SimulatedCluster({ seed: 5, nodes, protocol, sha256 })
  await cluster.start()
  return cluster
}

/** Gives a request to these nodes and to nobody else, and waits for the answers of all of them. */
async function ask(cluster: Cluster, nodes: readonly SimulatedNode[], sequence: number): Promise<void> {
  const frame = signedFrame(cluster.configuration.clusterId, sequence, [{ type: 'OpenSession', ordered: false }])
  const answered = new Set<string>()
  for (const node of nodes) {
    const onAnswer = (type: number): void => {
      if (type === CLIENT_FRAME.applied) answered.add(node.id)
    }
    node.listener?.connect(SIMULATED_CLIENT_KEY, { onAnswer, onClose: () => {} })?.transmit(CLIENT_FRAME.propose, frame)
  }
  await cluster.run(20_000, () => answered.size === nodes.length)
  expect(answered.size).toBe(nodes.length)
}

test.each(['pbft', 'hotstuff'] as const)(
  '%s: a restarted replica answers what it executed before',
  async (protocol) => {
    const cluster = await started(protocol, 4)
    await ask(cluster, cluster.nodes, 1)
    const view = (node: SimulatedNode): number | null => node.running?.core.status().view ?? null
    const backup = cluster.nodes.find((node) => node !== cluster.leader()) as SimulatedNode
    const before = view(backup)
    // Long enough for its state to be on the disk: nothing is executed again at the start.
    await cluster.run(10_000, () => false)
    backup.crash('process')
    await cluster.start()
    await ask(cluster, [backup], 1)
    if (protocol === 'pbft') for (const node of cluster.nodes) expect(view(node)).toBe(before)
  },
)

test('hotstuff: what one replica alone was asked goes to whoever leads by then', async () => {
  const cluster = await started('hotstuff', 7)
  for (let sequence = 1; sequence <= 14; sequence++) {
    const node = cluster.nodes[sequence % 7] as SimulatedNode
    await ask(cluster, [node], sequence)
  }
})
