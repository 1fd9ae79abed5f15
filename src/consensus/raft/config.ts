/**
 * What a Raft core is made from: who takes part, the cluster's settings, the bounds, and the ports and
 * stored state of this run. Checked once here, so the rest of the room can rely on it.
 */
import { assert } from '../../base/assert.js'
import type { ClusterSettings } from '../configuration.js'
import type { Now, RestoredLog } from '../core.js'
import type { EntryKind, Sha256 } from '../entry.js'
import { type Membership, membershipProblem } from '../membership.js'
import type { Millis, NodeId } from '../types.js'

/** Every bound of the core; docs/limits.md lists them. Bytes count entry headers and bodies. */
export interface RaftLimits {
  /** Entries kept in memory for followers; only durable and executed ones are let go. */
  readonly tailEntriesMax: number
  readonly tailBytesMax: number
  /** Size of one AppendEntries; one entry goes out even when it alone is larger. */
  readonly messageBytesMax: number
  readonly messageEntriesMax: number
  /** AppendEntries with entries on their way to one peer. */
  readonly windowMessagesMax: number
  readonly windowBytesMax: number
  /** Entries of a leader that are not committed yet; beyond, proposals are refused. */
  readonly uncommittedBytesMax: number
  /** Reads that wait for confirmation, on a leader and on a forwarding follower. */
  readonly pendingReadsMax: number
  /**
   * How long a leader waits for a proposal to carry a new commit index along before it sends the index
   * alone. Long enough that a busy leader never does, short enough that nobody notices.
   */
  readonly commitPushDelayMs: Millis
  /** A leader whose disk takes longer for a write hands its leadership over. */
  readonly stalledWriteMs: Millis
  /** A learner this many entries behind counts as caught up. */
  readonly promoteLagEntriesMax: number
  /** Longest election time-outs for which another has to be the preferred leader before it is handed over to. */
  readonly preferenceTimeouts: number
}

export const DEFAULT_RAFT_LIMITS: RaftLimits = {
  tailEntriesMax: 16_384,
  tailBytesMax: 64 << 20,
  messageBytesMax: 1 << 20,
  messageEntriesMax: 1024,
  windowMessagesMax: 256,
  windowBytesMax: 16 << 20,
  uncommittedBytesMax: 64 << 20,
  pendingReadsMax: 16_384,
  commitPushDelayMs: 10,
  stalledWriteMs: 1000,
  promoteLagEntriesMax: 64,
  preferenceTimeouts: 10,
}

/** How far ahead of the quorum's median clock a leader may stamp. */
export const CLOCK_BOUND_MS: Millis = 500

export interface RaftOptions {
  readonly self: NodeId
  /** The configuration before the first entry. A node that joins later is not in it. */
  readonly genesis: Membership
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the configuration in force, 32 bytes; a message verified under another one is dropped. */
  readonly configHash: Uint8Array
  readonly settings: ClusterSettings
  readonly limits: RaftLimits
  /** Of members that shall rather lead than others, above 0; absent where none shall. */
  readonly priorities?: ReadonlyMap<NodeId, number>
  /** Only in epochs of the hybrid; plain Raft has none. */
  readonly hardening?: RaftHardening
}

/**
 * What Raft does otherwise where members may lie (src/consensus/hybrid/hardened): quorums are Byzantine,
 * entries of one term may differ, because a leader said two things, and a change of members is an entry
 * like any other, because it ends the epoch and counts in the next one.
 */
export interface RaftHardening {
  /** What a new leader's term begins with, in place of an empty entry. */
  readonly firstEntry: () => { readonly kind: EntryKind; readonly body: Uint8Array }
}

export interface RaftModules {
  readonly sha256: Sha256
  /** Uniform in [0, 1), seeded afresh at every start. */
  readonly random: () => number
  /** What the log on disk says. */
  readonly restored: RestoredLog
  /** The moment of the start. */
  readonly now: Now
}

/** Throws `Bug` where the options contradict themselves; files and flags are validated before. */
export function checkOptions(options: RaftOptions): void {
  const { genesis, settings, limits } = options
  assert(!genesis.joint && membershipProblem(genesis) === null, 'the genesis configuration is sound')
  assert(settings.heartbeatIntervalMs > 0, 'the heartbeat interval is positive')
  assert(
    settings.heartbeatIntervalMs < settings.electionTimeoutMinMs,
    'heartbeats come before an election timeout ends',
  )
  assert(settings.electionTimeoutMinMs < settings.electionTimeoutMaxMs, 'election timeouts have a range to choose from')
  for (const [name, value] of Object.entries(limits)) {
    assert(value > 0 || name === 'commitPushDelayMs', `limit ${name} is positive`)
  }
}
