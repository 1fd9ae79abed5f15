/**
 * Where the epochs of a simulated hybrid began, as its nodes have it on their disks, and what an epoch is
 * judged by. Invariants and liars both need it, and neither looks into a node's memory for it.
 */
import { toHex } from '../../base/bytes.js'
import { epochConfigHash } from '../../consensus/bft/replicas.js'
import { endingEpochOf, genesisEpoch } from '../../consensus/hybrid/epoch-links.js'
import { decodeEpochRecord, type EpochRecord, type EpochStart } from '../../consensus/hybrid/epoch-record.js'
import {
  type EndingEpoch,
  handOverConfigHash,
  type SwitchCertificate,
} from '../../consensus/hybrid/switch-certificate.js'
import { genesisMembership } from '../../consensus/membership.js'
import { configurationHash } from '../../node/compose.js'
import type { SimulatedCluster } from '../cluster.js'
import type { SimulatedNode } from '../node.js'

export class EpochStarts {
  readonly #cluster: Pick<SimulatedCluster, 'configuration' | 'sha256'>
  readonly #clusterConfigHash: Uint8Array
  readonly #first: EpochStart
  /** The newest record of each node, by its bytes: they change only when it is written. */
  readonly #decoded = new WeakMap<Uint8Array, EpochRecord>()
  /** By epoch and origin. */
  readonly #endings = new Map<string, EndingEpoch>()

  constructor(cluster: Pick<SimulatedCluster, 'configuration' | 'sha256'>) {
    const { configuration, sha256 } = cluster
    this.#cluster = cluster
    this.#clusterConfigHash = configurationHash(sha256, configuration)
    this.#first = genesisEpoch(genesisMembership(configuration))
  }

  /** What a node has written about its epoch; null before its first word. */
  recordOf({ durable }: SimulatedNode): EpochRecord | null {
    return durable.safety === null ? null : this.decode(durable.safety)
  }

  decode(safety: Uint8Array): EpochRecord {
    const known = this.#decoded.get(safety)
    if (known !== undefined) return known
    const record = decodeEpochRecord(safety)
    this.#decoded.set(safety, record)
    return record
  }

  /** The epoch that a node is in, for certain. */
  startOf(node: SimulatedNode): EpochStart {
    return this.recordOf(node)?.start ?? this.#first
  }

  /** How Raft epochs ended, as a record has it. */
  switchesIn({ links }: EpochRecord): readonly SwitchCertificate[] {
    return links.flatMap((link) => (link.kind === 'switch' ? [link.certificate] : []))
  }

  get first(): EpochStart {
    return this.#first
  }

  /** What the end of this epoch is judged by. */
  endingOf(start: EpochStart): EndingEpoch {
    const key = `${start.epoch}/${toHex(start.origin.chain)}`
    const known = this.#endings.get(key)
    if (known !== undefined) return known
    const { sha256, configuration } = this.#cluster
    const { clusterId } = configuration
    const ending = endingEpochOf({ sha256, clusterId, clusterConfigHash: this.#clusterConfigHash }, start)
    this.#endings.set(key, ending)
    return ending
  }

  /** What a member's signatures are bound to in its epoch, and in the instance that decides its end. */
  contextOf(node: SimulatedNode): Uint8Array {
    return this.endingOf(this.startOf(node)).raft.sign.configHash
  }

  handOverContextOf(node: SimulatedNode): Uint8Array {
    const ending = this.endingOf(this.startOf(node))
    return epochConfigHash(this.#cluster.sha256, handOverConfigHash(ending), ending.membership)
  }
}
