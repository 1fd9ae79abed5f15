/**
 * Asks every node now and then for its status, as `knhk status` does, and hands its state digest to the
 * invariants: nodes that have applied the same entries must be in the same state.
 */
import { toHex } from '../base/bytes.js'
import { CLIENT_FRAME, decodeQueryAnswer, encodeQuery } from '../transport/client-protocol.js'
import type { SimulatedConnection } from './clients.js'
import type { SimulatedCluster } from './cluster.js'
import type { RunInvariants } from './invariants.js'
import type { SimulatedNode } from './node.js'

const INTERVAL_MS = 250

interface StatusAnswer {
  readonly digestIndex: number | null
  readonly stateDigest: Uint8Array | null
}

export class Auditor {
  readonly #cluster: SimulatedCluster
  readonly #invariants: RunInvariants
  readonly #connections = new Map<SimulatedNode, SimulatedConnection>()
  /** Index of the newest digest of each node, as it last said. */
  readonly digestIndexes = new Map<SimulatedNode, number>()
  #number = 0

  constructor(cluster: SimulatedCluster, invariants: RunInvariants) {
    this.#cluster = cluster
    this.#invariants = invariants
  }

  start(): void {
    for (const node of this.#cluster.nodes) this.#ask(node)
    this.#cluster.queue.after(INTERVAL_MS, () => this.start())
  }

  #ask(node: SimulatedNode): void {
    if (node.listener === null) return
    const query = { requestNumber: ++this.#number, read: 'local', name: 'node.status', args: {} } as const
    this.#connectionTo(node, node.listener).transmit(CLIENT_FRAME.query, encodeQuery(query))
  }

  #connectionTo(node: SimulatedNode, listener: NonNullable<SimulatedNode['listener']>): SimulatedConnection {
    const known = this.#connections.get(node)
    if (known?.open === true) return known
    const connection = listener.connect(this.#cluster.clientKey, {
      onAnswer: (type, payload) => {
        if (type === CLIENT_FRAME.answer) this.#answered(node, decodeQueryAnswer(payload).value as StatusAnswer)
      },
      onClose: () => {},
    })
    this.#connections.set(node, connection)
    return connection
  }

  #answered(node: SimulatedNode, { digestIndex, stateDigest }: StatusAnswer): void {
    if (digestIndex === null || stateDigest === null) return
    this.digestIndexes.set(node, digestIndex)
    if (node.astraySince !== null) {
      // It may have forgotten the turned bit in a crash; what it says otherwise the cluster has to find.
      if (digestIndex > node.astraySince && this.#invariants.digestAt(digestIndex) === toHex(stateDigest))
        node.foundSound()
      return
    }
    this.#invariants.digest(node.id, digestIndex, toHex(stateDigest))
  }
}
