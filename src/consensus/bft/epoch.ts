/**
 * One epoch of a Byzantine protocol: where it begins in the log, who its replicas are, what their signatures
 * are bound to, and what leads from it to the next. In PBFT sequence k has log index origin + 1 + k; sequence
 * 0 is INIT, and the primary of a view is members[(epoch + view) mod n].
 */
import type { Entry, Sha256 } from '../entry.js'
import type { MembershipRecord } from '../membership.js'
import type { Epoch, LogIndex, Millis, NodeId, SequenceNumber } from '../types.js'
import type { Certificate } from './certificate.js'
import { epochConfigHash, Replicas } from './replicas.js'
import type { SignContext } from './statement.js'

/** The log position before an epoch's INIT; index 0 and the genesis chain at genesis. */
export interface Origin {
  readonly index: LogIndex
  readonly chain: Uint8Array
  readonly timestampMs: Millis
}

export interface EpochPorts {
  readonly sha256: Sha256
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the cluster's configuration, 32 bytes. */
  readonly clusterConfigHash: Uint8Array
}

/** How one epoch led to the next, provable to whoever trusts the earlier one. */
export interface EpochStep {
  /** The entry of kind `membership` that ended its epoch, with its commit certificate. */
  readonly entry: Entry
  /** Of the state after it. */
  readonly checkpoint: Certificate
}

/** Steps that are kept: a node that missed more changes of members cannot follow. */
export const EPOCH_STEPS_MAX = 256

export class EpochContext {
  readonly epoch: Epoch
  readonly origin: Origin
  readonly record: MembershipRecord
  readonly replicas: Replicas
  /** What every signature of this epoch is bound to. */
  readonly sign: SignContext

  constructor(ports: EpochPorts, epoch: Epoch, origin: Origin, record: MembershipRecord) {
    this.epoch = epoch
    this.origin = origin
    this.record = record
    this.replicas = new Replicas(record.membership)
    const configHash = epochConfigHash(ports.sha256, ports.clusterConfigHash, record.membership)
    this.sign = { clusterId: ports.clusterId, configHash }
  }

  /** Log index of INIT. */
  get initIndex(): LogIndex {
    return (this.origin.index + 1) as LogIndex
  }

  indexOf(sequence: number): LogIndex {
    return (this.origin.index + 1 + sequence) as LogIndex
  }

  sequenceOf(index: number): SequenceNumber {
    return (index - this.origin.index - 1) as SequenceNumber
  }

  primary(view: number): NodeId {
    return this.replicas.at(this.epoch + view)
  }
}
