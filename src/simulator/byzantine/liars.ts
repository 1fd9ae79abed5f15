/** The liars of one simulated cluster: their hands on its network and its answers, and what they have done. */
import type { ProtocolMessage } from '../../consensus/core.js'
import type { Millis, NodeId } from '../../consensus/types.js'
import type { SimulatedCluster } from '../cluster.js'
import { EpochStarts } from '../hybrid/epoch-starts.js'
import { RaftLies } from '../hybrid/raft-lies.js'
import type { SimulatedNetwork } from '../network.js'
import { SeededRandom } from '../random.js'
import { Liar } from './liar.js'
import { LiarKey } from './liar-key.js'
import type { Lie } from './lies.js'

/** Streams of chance of the liars, by ordinal. */
const LIAR_STREAM = 2000

export class Liars {
  readonly counts: Partial<Record<Lie, number>> = {}
  readonly #liars = new Map<NodeId, Liar>()
  readonly #network: SimulatedNetwork

  /** `ordinals`: of the nodes that may lie. */
  constructor(cluster: SimulatedCluster, seed: number, ordinals: readonly number[], requestTimeoutMs: Millis) {
    const { configuration, sha256, signatures, network } = cluster
    this.#network = network
    const starts = configuration.protocol === 'hybrid' ? new EpochStarts(cluster) : null
    for (const at of ordinals) {
      const member = configuration.members[at]
      const node = cluster.nodes[at]
      if (member === undefined || node === undefined) continue
      const keyOf = (configHash: () => Uint8Array): LiarKey =>
        new LiarKey({
          owner: member.id,
          sha256,
          clusterId: configuration.clusterId,
          sign: signatures.signerOf(member.publicKey),
          configHash,
        })
      const liar = new Liar({
        key: keyOf(() => starts?.contextOf(node) ?? node.running?.core.configHash() ?? new Uint8Array(32)),
        hybrid:
          starts === null
            ? null
            : {
                raft: new RaftLies(
                  keyOf(() => starts.contextOf(node)),
                  () => starts.endingOf(starts.startOf(node)).raft.origin,
                ),
                handOverKey: keyOf(() => starts.handOverContextOf(node)),
              },
        others: configuration.members.filter(({ id }) => id !== member.id).map(({ id }) => id),
        random: new SeededRandom(seed, LIAR_STREAM + at),
        requestTimeoutMs,
        onLie: (lie) => {
          this.counts[lie] = (this.counts[lie] ?? 0) + 1
        },
      })
      this.#liars.set(member.id, liar)
      node.answerOf = (type, payload) => liar.answer(type, payload)
    }
    network.liesOf = (from, to, message) => this.#liars.get(from)?.speak(to, message) ?? null
    network.framesOf = (from, _to, frame) => {
      const liar = this.#liars.get(from)
      return liar === undefined ? frame : liar.frame(frame)
    }
  }

  /** A liar heard something: it may answer at once. */
  hear(id: NodeId, from: NodeId, message: ProtocolMessage): void {
    const liar = this.#liars.get(id)
    for (const said of liar?.hear(from, message) ?? []) this.#network.say(id, from, { message: said, delayMs: 0 })
  }

  has(id: NodeId): boolean {
    return this.#liars.has(id)
  }

  get(id: NodeId): Liar | undefined {
    return this.#liars.get(id)
  }

  /** All of them, in the order of the configuration. */
  get all(): readonly Liar[] {
    return [...this.#liars.values()]
  }
}
