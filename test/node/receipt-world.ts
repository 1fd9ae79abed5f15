/**
 * A simulated cluster of any protocol with a client that signs, and what a client library offers to ask
 * its nodes: enough to collect receipts and evidence from the production node loop.
 */
import { toUtf8 } from '../../src/base/bytes.js'
import { KnhkError } from '../../src/base/error.js'
import type { Client, QueryOptions } from '../../src/client/api.js'
import { changeSignBytes, targetMembership } from '../../src/consensus/bft/change-authority.js'
import type { SignatureCheck } from '../../src/consensus/bft/checks.js'
import { requestSignBytes, signedRequest } from '../../src/consensus/bft/client-request.js'
import type { TargetMember } from '../../src/consensus/membership.js'
import { encodeRequest, NO_SESSION, type SessionId } from '../../src/consensus/request.js'
import type { ProtocolName } from '../../src/consensus/types.js'
import { epoch, logIndex, nodeId } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { configurationHash } from '../../src/node/compose.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster, type SimulatedClusterOptions } from '../../src/simulator/cluster.js'
import { signatureHolds, simulatedSigner } from '../../src/simulator/signatures.js'
import { type ClientOrder, encodeOrder } from '../../src/transport/client-orders.js'
import {
  CLIENT_FRAME,
  decodeApplied,
  decodeQueryAnswer,
  decodeRefused,
  encodeQuery,
  PROPOSE_HEADER_BYTES,
  writeProposeHeader,
} from '../../src/transport/client-protocol.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { Operation } from '../../src/workflow/operations.js'
import type { Trust } from '../../src/workflow/receipts/verify.js'
import { decodeResults, type PlacedResult } from '../../src/workflow/result-codec.js'

export const holdsHere = (check: SignatureCheck): boolean => signatureHolds(sha256, check)

export const put = (key: string, value: string): Operation =>
  kvOperation({ operation: 'kv.put', key: toUtf8(key), value: toUtf8(value) })

type Asked = Pick<Client, 'query' | 'clusterStatus'>

export class ReceiptWorld {
  readonly cluster: SimulatedCluster
  readonly trust: Trust
  #session: SessionId = NO_SESSION
  #sequence = 1
  #number = 1

  private constructor(cluster: SimulatedCluster) {
    this.cluster = cluster
    const { configuration } = cluster
    const clusterConfigHash = configurationHash(sha256, configuration)
    this.trust = { sha256, configuration, clusterConfigHash, holds: holdsHere }
  }

  static async make(protocol: ProtocolName, options: Partial<SimulatedClusterOptions> = {}): Promise<ReceiptWorld> {
    const nodes = protocol === 'raft' ? 3 : 4
    const cluster = new SimulatedCluster({ seed: 5, nodes, protocol, sha256, ...options })
    await cluster.start()
    await cluster.run(20_000, () => cluster.leader() !== null)
    const world = new ReceiptWorld(cluster)
    const [opened] = await world.submit([{ type: 'OpenSession', ordered: false }])
    world.#session = { index: (opened as PlacedResult).index, offset: (opened as PlacedResult).position }
    return world
  }

  /** One request with these operations, answered. */
  async submit(operations: readonly Operation[]): Promise<PlacedResult[]> {
    const firstSequence = this.#sequence
    this.#sequence += operations.length
    const header = { session: this.#session, firstSequence, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }
    const unsigned = encodeRequest(header, operations.map(encodeOperation))
    const { clusterId, protocol } = this.cluster.configuration
    const sign = simulatedSigner(sha256, SIMULATED_CLIENT_KEY)
    const request =
      protocol === 'raft' ? unsigned : signedRequest(unsigned, sign(requestSignBytes(sha256, clusterId, unsigned)))
    const payload = new Uint8Array(PROPOSE_HEADER_BYTES + request.length)
    payload.set(request, PROPOSE_HEADER_BYTES)
    writeProposeHeader(payload, this.#number++)
    let results: PlacedResult[] | null = null
    const leader = this.cluster.leader()
    for (const node of protocol === 'raft' ? [leader] : this.cluster.nodes) {
      const connection = node?.listener?.connect(SIMULATED_CLIENT_KEY, {
        onAnswer: (type, answer) => {
          if (type !== CLIENT_FRAME.applied) return
          const frame = decodeApplied(answer)
          results = decodeResults(frame.results, frame.index, frame.firstPosition)
        },
        onClose: () => {},
      })
      connection?.transmit(CLIENT_FRAME.propose, payload)
    }
    await this.cluster.run(20_000, () => results !== null)
    if (results === null) throw new Error('no answer')
    await this.#caughtUp((results[0] as PlacedResult | undefined)?.index ?? 0)
    return results
  }

  /**
   * Until all members have executed the entry: what collects receipts pauses in real time where too few
   * could sign, and an idle simulated cluster gets through a minute of its own in such a pause.
   */
  async #caughtUp(index: number): Promise<void> {
    const members = this.cluster.leader()?.running?.core.status().membership.membership.members ?? []
    const behind = (): boolean =>
      members.some(({ id }) => {
        const { running } = this.cluster.node(id)
        return running !== null && running.machine.appliedIndex < index
      })
    if (!(await this.cluster.run(20_000, () => !behind()))) throw new Error(`not all members executed entry ${index}`)
  }

  /** What commands ask through; simulated time has to pass meanwhile: `cluster.finish`. */
  get client(): Asked {
    return {
      query: async (name, args, options = {}) => this.#query(name, args, options),
      clusterStatus: async () => this.#status() as Awaited<ReturnType<Client['clusterStatus']>>,
    }
  }

  /** The first change of members of this cluster, as its admin orders it. */
  change(target: readonly TargetMember[]): ClientOrder {
    const place = { clusterId: this.cluster.configuration.clusterId, epoch: epoch(0), planned: logIndex(0) }
    const signed = changeSignBytes(sha256, place, targetMembership(target))
    const signature = simulatedSigner(sha256, SIMULATED_CLIENT_KEY)(signed)
    const authority = { epoch: place.epoch, publicKey: SIMULATED_CLIENT_KEY, signature }
    return { kind: 'changeMembership', planned: place.planned, target, authority }
  }

  /** Gives an order to a node; null when it is under way, else why not. */
  async order(node: string, order: ClientOrder): Promise<string | null> {
    let answered: string | null | undefined
    const connection = this.cluster.node(nodeId(node)).listener?.connect(SIMULATED_CLIENT_KEY, {
      onAnswer: (type, answer) => {
        if (type === CLIENT_FRAME.ordered) answered = null
        else if (type === CLIENT_FRAME.refused) answered = decodeRefused(answer).message
      },
      onClose: () => {},
    })
    connection?.transmit(CLIENT_FRAME.order, encodeOrder({ requestNumber: this.#number++, order }))
    await this.cluster.run(20_000, () => answered !== undefined)
    return answered === undefined ? 'no answer' : answered
  }

  #status(): unknown {
    const { cluster } = this
    return {
      leader: cluster.leader()?.id ?? null,
      nodes: cluster.nodes.map(({ id, running }) => ({ id, reachable: running !== null, error: null })),
    }
  }

  #query(name: string, args: Readonly<Record<string, unknown>>, { node, read = 'linearizable' }: QueryOptions) {
    return new Promise<Awaited<ReturnType<Client['query']>>>((resolve, reject) => {
      const { listener } = this.cluster.node(nodeId(node as string))
      const requestNumber = this.#number++
      const connection = listener?.connect(SIMULATED_CLIENT_KEY, {
        onAnswer: (type, answer) => {
          if (type === CLIENT_FRAME.answer) resolve({ ...decodeQueryAnswer(answer), node: node as string })
          else if (type === CLIENT_FRAME.refused) {
            const { code, message, details } = decodeRefused(answer)
            reject(new KnhkError(code, message, { details }))
          }
        },
        onClose: () => {},
      })
      if (connection === undefined) reject(new KnhkError('Unreachable', 'it does not run'))
      else connection.transmit(CLIENT_FRAME.query, encodeQuery({ requestNumber, read: read as 'local', name, args }))
    })
  }
}
