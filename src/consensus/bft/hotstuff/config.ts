/**
 * What a HotStuff core is made from: the epoch, its replicas, the bounds, and the ports and stored
 * state of this run. Checked once here, so that the rest of the room can rely on it.
 */
import { assert } from '../../../base/assert.js'
import type { Now, RestoredLog } from '../../core.js'
import type { Sha256 } from '../../entry.js'
import { type Membership, membershipProblem } from '../../membership.js'
import type { LogBase } from '../../snapshot.js'
import type { Epoch, Millis, NodeId } from '../../types.js'
import type { InitBasis, ValidateInit } from '../init.js'
import type { ModeRules } from '../mode-change.js'
import { REPLICAS_MIN, Replicas } from '../replicas.js'
import type { CommitRule } from './commit-rule.js'

/** Every bound of the core; docs/limits.md lists them. */
export interface HotStuffLimits {
  /** Time-out of a round after progress; × `timeoutFactor` per round that failed, up to the maximum. */
  readonly timeoutMs: Millis
  readonly timeoutFactor: number
  readonly timeoutMaxMs: Millis
  /** How far ahead of the own clock, and behind it, the time of a fresh block may be. */
  readonly clockAheadMaxMs: Millis
  readonly clockBehindMaxMs: Millis
  /** Blocks in memory: those above the last committed one, and committed ones kept for peers. */
  readonly treeBlocksMax: number
  readonly keptBlocksMax: number
  /** Bytes of their bodies, beyond which what nobody certified goes. */
  readonly treeBytesMax: number
  /** Block records, and bytes of them, without progress, after which the live ones are written again. */
  readonly blockRecordsMax: number
  readonly blockBytesMax: number
  /** Bytes of one proposed body; one answer with blocks or entries; a single one goes out however large. */
  readonly bodyBytesMax: number
  readonly answerBytesMax: number
  readonly answerBlocksMax: number
  /** After how long an unanswered question goes to the next peer. */
  readonly retryMs: Millis
  /** A donor has so long for a snapshot before another is asked. */
  readonly transferTimeoutMs: Millis
  /** A node that joins counts as caught up when it is at most this far behind. */
  readonly joinLagEntriesMax: number
  /** For how many rounds a leader whose round failed is passed over; four times as many with each repetition. */
  readonly exclusionRounds: number
  /** Statements remembered per signer, to recognise equivocation. */
  readonly statementsPerSigner: number
  /** Pieces of evidence against one replica in an epoch, waiting and ordered. */
  readonly evidencePerCulpritMax: number
  /** Entries of the log kept in memory; only durable and executed ones are let go. */
  readonly tailEntriesMax: number
  readonly tailBytesMax: number
}

export const DEFAULT_HOTSTUFF_LIMITS: HotStuffLimits = {
  timeoutMs: 2000,
  timeoutFactor: 1.5,
  timeoutMaxMs: 10_000,
  clockAheadMaxMs: 500,
  clockBehindMaxMs: 10_000,
  treeBlocksMax: 512,
  keptBlocksMax: 64,
  treeBytesMax: 64 << 20,
  blockRecordsMax: 8192,
  blockBytesMax: 64 << 20,
  bodyBytesMax: 8 << 20,
  answerBytesMax: 1 << 20,
  answerBlocksMax: 64,
  retryMs: 500,
  transferTimeoutMs: 30_000,
  joinLagEntriesMax: 1024,
  exclusionRounds: 256,
  statementsPerSigner: 1024,
  evidencePerCulpritMax: 4,
  tailEntriesMax: 4096,
  tailBytesMax: 64 << 20,
}

/** Where half of the tree is less than two blocks and a few, empty blocks would follow each other for ever. */
const TREE_BLOCKS_MIN = 8

export interface HotStuffOptions {
  readonly self: NodeId
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** Hash of the cluster's configuration, 32 bytes; that of the epoch follows from it and the members. */
  readonly clusterConfigHash: Uint8Array
  readonly epoch: Epoch
  /** Where the log stands before the first entry of this epoch; index 0 and the genesis chain at genesis. */
  readonly origin: Pick<LogBase, 'index' | 'chain' | 'timestampMs'>
  /** Voters only, at least four. */
  readonly membership: Membership
  /** What the INIT of this epoch rests on; genesis by default. */
  readonly basis?: InitBasis
  /** How a hand-over is to be judged; absent where the epoch does not begin with one. */
  readonly validateInit?: ValidateInit
  /** Where a MODE operation may end the epoch; absent where this protocol is the only one. */
  readonly modeRules?: ModeRules
  readonly limits: HotStuffLimits
  /** Certified blocks in a row that commit the first of them; 3 by default, 2 trades a phase for a longer lock. */
  readonly commitRule?: 2 | 3
}

export interface HotStuffModules {
  readonly sha256: Sha256
  /** Ed25519 over `bytes`, 64 bytes. Only the safety rules ever call it. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** Whether the client with this key may change the members, by what is executed here. */
  readonly mayChangeMembers: (publicKey: Uint8Array) => boolean
  /** Uniform in [0, 1), seeded afresh at every start. */
  readonly random: () => number
  /** What the log on disk says. */
  readonly restored: RestoredLog
  /** The moment of the start. */
  readonly now: Now
  /** Which blocks a certified block commits; by default that of `commitRule`. */
  readonly rule?: CommitRule
}

/** Throws `Bug` where the options contradict themselves; files and flags are validated before. */
export function checkOptions({ membership, limits, clusterId, clusterConfigHash }: HotStuffOptions): void {
  assert(clusterId.length === 16 && clusterConfigHash.length === 32, 'the cluster has an id and a configuration')
  assert(membershipProblem(membership) === null, 'the configuration is sound')
  assert(new Replicas(membership).count >= REPLICAS_MIN, 'a Byzantine cluster has at least four replicas')
  for (const [name, value] of Object.entries(limits)) assert(value > 0, `limit ${name} is positive`)
  assert(limits.treeBlocksMax >= TREE_BLOCKS_MIN, 'half of the tree holds what an idle cluster leaves open')
  assert(limits.timeoutFactor >= 1.2 && limits.timeoutFactor <= 2, 'time-outs grow by 1.2 to 2 per failed round')
  assert(limits.timeoutMs <= limits.timeoutMaxMs, 'time-outs grow up to their maximum')
}
