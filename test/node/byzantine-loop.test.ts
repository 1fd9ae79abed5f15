/**
 * Shows four replicas of each Byzantine protocol on the production node loop: what a client signed and sent to
 * all of them is ordered, executed and answered by every one, with the same answer, and proven in their logs.
 */
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import { requestSignBytes, signedRequest } from '../../src/consensus/bft/client-request.js'
import { encodeRequest, NO_SESSION } from '../../src/consensus/request.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster } from '../../src/simulator/cluster.js'
import { simulatedSigner } from '../../src/simulator/signatures.js'
import { CLIENT_FRAME, PROPOSE_HEADER_BYTES, writeProposeHeader } from '../../src/transport/client-protocol.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { Operation } from '../../src/workflow/operations.js'

/** The payload of a propose frame with a request that the simulated client signed. */
function signedFrame(clusterId: Uint8Array, firstSequence: number, operations: readonly Operation[]): Uint8Array {
  const header = { session: NO_SESSION, firstSequence, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }
  const unsigned = encodeRequest(header, operations.map(encodeOperation))
  const sign = simulatedSigner(sha256, SIMULATED_CLIENT_KEY)
  const request = signedRequest(unsigned, sign(requestSignBytes(sha256, clusterId, unsigned)))
  const payload = new Uint8Array(PROPOSE_HEADER_BYTES + request.length)
  payload.set(request, PROPOSE_HEADER_BYTES)
  writeProposeHeader(payload, firstSequence)
  return payload
}

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
