/** What a cluster of Byzantine cores in memory is made of: its options, its faults, its nodes. */
import type { Core, Now, ProtocolMessage, RestoredLog } from '../../../src/consensus/core.js'
import type { Membership } from '../../../src/consensus/membership.js'
import type { SnapshotOffer } from '../../../src/consensus/snapshot.js'
import type { NodeId } from '../../../src/consensus/types.js'
import { CALM as COMMON_CALM, type Faults as CommonFaults, type NodeParts } from '../core-cluster.js'
import type { ByzantineDisk } from './byzantine-disk.js'

export interface CoreSeed {
  readonly self: NodeId
  readonly membership: Membership
  readonly sign: (bytes: Uint8Array) => Uint8Array
  readonly random: () => number
  readonly restored: RestoredLog
  readonly now: Now
}

export interface ClusterOptions {
  readonly seed: number
  readonly membership: Membership
  /** Nodes that are in no configuration yet. */
  readonly spares?: readonly NodeId[]
  readonly makeCore: (seed: CoreSeed) => Core
  /** The framed requests that a message proposes, so that nobody proposes them again; null for none. */
  readonly bodyOf: (message: ProtocolMessage) => Uint8Array | null
  /** State digests are told at the multiples of this index, and after membership and mode entries. */
  readonly checkpointInterval: number
  /** Requests in one proposal at most. */
  readonly batchMax?: number
}

export interface Faults extends CommonFaults {
  /** How long a verification takes at most; messages of one link keep their order. */
  readonly verifyMaxMs: number
}

export const CALM: Faults = { ...COMMON_CALM, verifyMaxMs: 0 }

export interface Request {
  readonly bytes: Uint8Array
  readonly sinceMs: number
}

export interface Node extends NodeParts<Core, ByzantineDisk> {
  state: Uint8Array
  readonly pool: Map<string, Request>
  readonly inFlight: Set<string>
  restoring: { readonly snapshot: SnapshotOffer; readonly after: number } | null
  fetching: string | null
  /** When the last message of each peer is through with verification. */
  readonly verifiedAtMs: Map<NodeId, number>
  demandMs: number | null
}
