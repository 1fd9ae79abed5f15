/**
 * What the consensus room knows of snapshots: a place in the log at which a durable copy of the state
 * exists, and what names that copy. The bytes are the business of storage and transport.
 */
import type { MembershipRecord } from './membership.js'
import type { Epoch, LogIndex, Millis, Term } from './types.js'

/** What a log follows: everything up to `index` is covered by a snapshot, or nothing at all (index 0). */
export interface LogBase {
  readonly index: LogIndex
  readonly epoch: Epoch
  readonly term: Term
  /** chain(index); the genesis chain for index 0. */
  readonly chain: Uint8Array
  /** Timestamp of the entry at `index`; 0 for index 0. */
  readonly timestampMs: Millis
  /** The configuration in force at `index`; null for the genesis configuration. */
  readonly membership: MembershipRecord | null
}

/** A durable, verified snapshot. */
export interface SnapshotOffer {
  /** The state it holds is that after this entry. */
  readonly base: LogBase
  /** SHA-256 of the whole file, 32 bytes: equal on every node that took it at the same index. */
  readonly id: Uint8Array
  readonly bytes: number
}
