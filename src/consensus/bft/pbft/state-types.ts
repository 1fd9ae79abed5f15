/** The small records that the state of a replica is made of. */
import type { MembershipRecord } from '../../membership.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { Epoch, LogIndex, Millis, NodeId } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { Evidence } from '../evidence.js'

/** An entry that ends the epoch was decided: nothing follows it. */
export interface Ending {
  readonly index: LogIndex
  /** True where another protocol follows: this core goes no further. */
  readonly isWedge: boolean
  readonly record: MembershipRecord
}

/** A change of members that waits until it can be proposed alone. */
export interface PendingChange {
  readonly orderId: number
  readonly body: Uint8Array
}

export interface PeerPlace {
  readonly epoch: Epoch
  readonly lastIndex: LogIndex
  /** The highest it ever told: going back and forth earns no more help. */
  readonly highest: LogIndex
  readonly helpedMs: Millis
  /** Values it asked for since. */
  fetches: number
}

export interface KnownEvidence {
  readonly evidence: Evidence
  readonly sinceMs: Millis
  ordered: boolean
  /** The view in which this primary proposed it. */
  proposedIn: number | null
}

export interface Transfer {
  readonly from: NodeId
  readonly snapshot: SnapshotOffer
  readonly certificate: Certificate
  readonly sinceMs: Millis
}
