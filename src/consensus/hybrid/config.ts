/** What the hybrid is made from. */
import type { HotStuffLimits } from '../bft/hotstuff/config.js'
import type { PbftLimits, PbftSettings } from '../bft/pbft/config.js'
import type { ClusterSettings } from '../configuration.js'
import type { Now, RestoredLog } from '../core.js'
import type { Sha256 } from '../entry.js'
import type { Membership } from '../membership.js'
import type { RaftLimits } from '../raft/config.js'
import type { Millis, Mode, NodeId } from '../types.js'
import type { EpochLink, LinkedEpoch } from './epoch-links.js'

export interface HybridLimits {
  /** While an epoch ends everybody repeats what the others may lack, this often. */
  readonly repeatMs: Millis
  /** Who asks with messages of an epoch that is over gets its certificate at most this often. */
  readonly helpMs: Millis
  /** Bytes of entries in one answer about the end of an epoch. */
  readonly answerBytesMax: number
}

export const DEFAULT_HYBRID_LIMITS: HybridLimits = { repeatMs: 100, helpMs: 50, answerBytesMax: 1 << 20 }

export interface HybridOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the cluster's configuration, 32 bytes. */
  readonly clusterConfigHash: Uint8Array
  /** Before the first entry; voters only. */
  readonly membership: Membership
  /** The position before the first entry, where the cluster began with the state of another one. */
  readonly origin?: LinkedEpoch['origin']
  readonly settings: ClusterSettings
  /** What follows a Raft epoch. */
  readonly bft: Exclude<Mode, 'raft'>
  /** A Byzantine epoch lasts at least so long; doubled by every return to Raft that did not hold. */
  readonly residencyMs: Millis
  /** Signature failures count for so long. */
  readonly threatWindowMs: Millis
  readonly raftLimits: RaftLimits
  readonly pbftSettings: PbftSettings
  readonly pbftLimits: PbftLimits
  readonly hotstuffLimits: HotStuffLimits
  readonly limits: HybridLimits
}

export interface HybridModules {
  readonly sha256: Sha256
  /** Ed25519 with this node's key: 64 bytes. Only the safety rules of the protocols call it. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** Whether the client with this key may change the members, by what is executed here. */
  readonly mayChangeMembers: (publicKey: Uint8Array) => boolean
  /** Members with evidence against them in replicated state, by what is executed here, that nobody cleared. */
  readonly liveCulprits: () => readonly NodeId[]
  /** How epochs led to each other, as the driver kept it: for who comes from before what the record holds. */
  readonly links?: readonly EpochLink[]
  /** Uniform in [0, 1), seeded afresh at every start. */
  readonly random: () => number
  readonly restored: RestoredLog
  readonly now: Now
}
