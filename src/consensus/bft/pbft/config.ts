/**
 * What a PBFT core is made from: who takes part, the settings that all replicas share, the bounds, and
 * the ports and stored state of this run.
 */
import { assert } from '../../../base/assert.js'
import type { Now, RestoredLog } from '../../core.js'
import type { Sha256 } from '../../entry.js'
import { type Membership, membershipProblem } from '../../membership.js'
import type { Epoch, LogIndex, Millis, NodeId } from '../../types.js'
import { CHECKPOINT_INTERVAL } from '../checkpoints.js'
import type { Origin } from '../epoch.js'
import type { HandOver } from '../init.js'
import type { ModeRules } from '../mode-change.js'
import { REPLICAS_MIN } from '../replicas.js'

/** Equal on all replicas. */
export interface PbftSettings {
  /** A known request may wait so long before the primary is accused; doubles per failed view. */
  readonly requestTimeoutMs: Millis
  readonly requestTimeoutMaxMs: Millis
  /** A checkpoint is taken at every multiple of this log index. */
  readonly checkpointInterval: number
  /** Slots above the stable checkpoint that are open for agreement (L); at least twice the interval. */
  readonly windowSlots: number
  /** How far a fresh proposal's time may be from the own time of day. */
  readonly timestampBoundMs: Millis
}

export const DEFAULT_PBFT_SETTINGS: PbftSettings = {
  requestTimeoutMs: 2000,
  requestTimeoutMaxMs: 10_000,
  checkpointInterval: CHECKPOINT_INTERVAL,
  windowSlots: 2 * CHECKPOINT_INTERVAL,
  timestampBoundMs: 10_000,
}

/** Every bound of the core; docs/limits.md lists them. */
export interface PbftLimits {
  /** Proposals of the primary that are not decided yet. */
  readonly slotsInFlightMax: number
  /** Entries kept in memory; only durable and executed ones are let go. */
  readonly tailEntriesMax: number
  readonly tailBytesMax: number
  /** Size of one message with decided entries; one goes out even when it alone is larger. */
  readonly messageBytesMax: number
  /** A replica that makes no progress says where it stands, this often while something is open … */
  readonly statusIntervalMs: Millis
  /** … and this often while nothing is. */
  readonly statusIdleMs: Millis
  /** A donor has so long for a snapshot before another is asked. */
  readonly transferTimeoutMs: Millis
  /** Different values remembered for one slot: one per view in which one was proposed. */
  readonly valuesPerSlotMax: number
  /** Slot records, and bytes of them, that may stand in the log without progress before the live ones are written again. */
  readonly slotRecordsMax: number
  readonly slotBytesMax: number
  /** Statements remembered per signer, for evidence. */
  readonly statementsPerSignerMax: number
  /** Pieces of evidence kept per culprit. */
  readonly evidencePerCulpritMax: number
  /** Certificates whose signatures need no second look. */
  readonly verifiedCertificatesMax: number
  /** A node that joins counts as caught up when it is at most this far behind. */
  readonly joinLagEntriesMax: number
}

export const DEFAULT_PBFT_LIMITS: PbftLimits = {
  slotsInFlightMax: 8,
  tailEntriesMax: 4096,
  tailBytesMax: 64 << 20,
  messageBytesMax: 1 << 20,
  statusIntervalMs: 150,
  statusIdleMs: 1000,
  transferTimeoutMs: 10_000,
  valuesPerSlotMax: 16,
  slotRecordsMax: 8192,
  slotBytesMax: 64 << 20,
  statementsPerSignerMax: 4096,
  evidencePerCulpritMax: 4,
  verifiedCertificatesMax: 4096,
  joinLagEntriesMax: 64,
}

export interface PbftOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the cluster's configuration, 32 bytes. */
  readonly clusterConfigHash: Uint8Array
  /** Where to begin when nothing is stored yet; a stored safety record knows better. */
  readonly epoch: Epoch
  readonly origin: Origin
  readonly membership: Membership
  /** Index of the entry that brought the members, where that is not 0. */
  readonly configuredAt?: LogIndex
  /** Who contains this core knows that it signed nothing in this epoch before its first safety record. */
  readonly knowsItsPast?: boolean
  /** What this epoch's INIT rests on where that is neither genesis nor a checkpoint; null without a hand-over. */
  readonly handOver: HandOver | null
  /** Where a MODE operation may end the epoch; absent where this protocol is the only one. */
  readonly modeRules?: ModeRules
  /** Members known to lie from elsewhere: their views end at once. */
  readonly distrusts?: (id: NodeId) => boolean
  readonly settings: PbftSettings
  readonly limits: PbftLimits
}

export interface PbftModules {
  readonly sha256: Sha256
  /** Ed25519 with this node's key: 64 bytes. Only SafetyRules calls it. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** Whether the client with this key may change the members, by what is executed here. */
  readonly mayChangeMembers: (publicKey: Uint8Array) => boolean
  /** Uniform in [0, 1), seeded afresh at every start. */
  readonly random: () => number
  readonly restored: RestoredLog
  readonly now: Now
}

/** Throws `Bug` where the options contradict themselves; files and flags are validated before. */
export function checkOptions({ membership, settings, limits }: PbftOptions): void {
  assert(membershipProblem(membership) === null, 'the configuration is sound')
  const voters = membership.members.filter((member) => member.role === 'voter').length
  assert(voters >= REPLICAS_MIN, `PBFT needs ${REPLICAS_MIN} replicas`)
  assert(settings.windowSlots >= 2 * settings.checkpointInterval, 'the window spans two checkpoints')
  assert(settings.requestTimeoutMs <= settings.requestTimeoutMaxMs, 'a time-out has room to grow')
  for (const [name, value] of Object.entries({ ...settings, ...limits })) assert(value > 0, `${name} is positive`)
}
