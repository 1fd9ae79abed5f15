/**
 * The narrow waist: what every protocol implements and every driver (node, simulator, tests, REPL
 * time travel, benchmark) calls. A core is a pure state machine: input and time in, effects out.
 * It never reads a clock, never waits, never parses a body (etcd-io/raft's Step/Ready and openraft's
 * engine commands are the models).
 *
 * Order of effects is order of execution. A `send` with `after` leaves only when that write is
 * durable: the one place where "no vote, ack or reply before its write is on disk" is said.
 */
import type { ChangeAuthority } from './bft/change-authority.js'
import type { SignatureCheck } from './bft/checks.js'
import type { IsVerified } from './bft/client-request.js'
import type { BftMessage } from './bft/wire.js'
import type { Entry, EntryKind } from './entry.js'
import type { EpochLink } from './hybrid/epoch-links.js'
import type { ThreatReport } from './hybrid/threat-model.js'
import type { MembershipRecord, TargetMember } from './membership.js'
import type { RaftMessage } from './raft/messages.js'
import type { LogBase, SnapshotOffer } from './snapshot.js'
import type { Assurance, Epoch, LogIndex, Millis, Mode, NodeId, ReadId, Term, ViewNumber, WriteId } from './types.js'

export interface Now {
  /** Never jumps; timers use only this. */
  readonly monotonicMs: Millis
  /** Time of day; timestamps use only this. */
  readonly wallMs: Millis
}

/** Every message of every protocol; BFT and hybrid extend the union. */
export type ProtocolMessage = RaftMessage | BftMessage

export type Input =
  | {
      readonly type: 'message'
      readonly from: NodeId
      /** Configuration under which ingress verified it; the core checks that it is still the right one. */
      readonly configHash: Uint8Array
      readonly message: ProtocolMessage
    }
  | {
      readonly type: 'propose'
      readonly proposalId: number
      readonly kind: EntryKind
      readonly body: Uint8Array
      readonly batchDigest: Uint8Array
    }
  /**
   * One round for all reads that arrived together. With `lease` a leader that holds a lease answers at
   * once; the driver looks at `holdsLease` again after the read. Without one it is a read like any other.
   */
  | { readonly type: 'read'; readonly readId: ReadId; readonly lease: boolean }
  | { readonly type: 'tick' }
  /** Everything up to and including this write is durable. Ignored where (epoch, term, index) is stale. */
  | {
      readonly type: 'stored'
      readonly writeId: WriteId
      readonly epoch: Epoch
      readonly term: Term
      readonly index: LogIndex
    }
  /** Entries that a `load` asked for; empty when they are gone from the log. */
  | { readonly type: 'loaded'; readonly peer: NodeId; readonly from: LogIndex; readonly entries: readonly Entry[] }
  /**
   * A snapshot of the own state is durable. Entries up to `compactTo` are no longer needed by this node;
   * null keeps all. `compactTo.membership` is filled in by the core.
   */
  | {
      readonly type: 'snapshotTaken'
      readonly snapshot: SnapshotOffer
      readonly compactTo: Omit<LogBase, 'membership'> | null
    }
  /** A peer asked for a snapshot that this node no longer has: it is not on offer any more. */
  | { readonly type: 'snapshotGone'; readonly id: Uint8Array }
  /** The snapshot that `fetchSnapshot` asked for is here, verified and durable. */
  | { readonly type: 'snapshotFetched'; readonly snapshot: SnapshotOffer }
  /** The snapshot that `fetchSnapshot` asked for does not hold the certified state: its donor lied, or rotted. */
  | { readonly type: 'snapshotRejected'; readonly from: NodeId; readonly id: Uint8Array }
  /**
   * Since when the oldest client request that this node knows and that is not executed has waited
   * (monotonic); null for none. Byzantine protocols suspect a primary that leaves it waiting.
   */
  | { readonly type: 'demand'; readonly waitingSinceMs: Millis | null }
  /** Answered by `ordered` or `orderRefused`. */
  | { readonly type: 'order'; readonly orderId: number; readonly order: OperatorOrder }
  /** The way back from execution, and the digests of the state at compared indexes, when they are computed. */
  | {
      readonly type: 'executed'
      readonly upTo: LogIndex
      readonly stateDigest: Uint8Array | null
      readonly resultRoot: Uint8Array | null
    }
  /** A member's connection delivered what does not hold: a signature, or what no honest member says. Hybrid only. */
  | {
      readonly type: 'invalid'
      readonly from: NodeId
      readonly reason: 'unsound' | 'signature'
      readonly message: ProtocolMessage
    }
  /** The replicated state cleared what is held against a member; null for all. Hybrid only. */
  | { readonly type: 'clear'; readonly node: NodeId | null }
  /** The driver noticed that the process stood still: leases and quorum contact count as expired, timers restart. */
  | { readonly type: 'paused'; readonly pausedMs: Millis }

export type OperatorOrder =
  /** Hybrid only; the driver has checked the role of who asks. `bft` is the configured one of the two. */
  | { readonly kind: 'setMode'; readonly mode: Mode | 'bft' }
  /** Without a target the leader chooses the most complete voter. */
  | { readonly kind: 'transferLeadership'; readonly target: NodeId | null }
  | {
      readonly kind: 'changeMembership'
      /** Index of the configuration that the change was planned against. */
      readonly planned: LogIndex
      readonly target: readonly TargetMember[]
      /** Whose order it is, for replicas that do not believe each other. Absent in plain Raft. */
      readonly authority?: ChangeAuthority
    }

/** What must survive a crash besides entries; written in the same ordered journal. */
export interface HardState {
  readonly epoch: Epoch
  readonly term: Term
  readonly votedFor: NodeId | null
}

export type StoreRecord =
  | { readonly kind: 'hardState'; readonly hardState: HardState }
  /** Removes entries with index ≥ `from`. */
  | { readonly kind: 'truncate'; readonly from: LogIndex }
  | { readonly kind: 'entries'; readonly entries: readonly Entry[] }
  /**
   * The log begins after `base`, which a durable snapshot covers: what it holds up to there is dropped.
   * A log that does not hold the entry at `base` (index and chain) is dropped as a whole.
   */
  | { readonly kind: 'base'; readonly base: LogBase }
  /** What a replica must know again before it signs anything; the newest replaces all before it. */
  | { readonly kind: 'safety'; readonly safety: Uint8Array }
  /**
   * A protocol message on the way to becoming the entry at `index` (slots of PBFT, blocks of HotStuff):
   * handed back by `RestoredLog.pending` as long as the log ends below `index`.
   */
  | { readonly kind: 'slot' | 'block'; readonly index: LogIndex; readonly payload: Uint8Array }
  /**
   * Of the slots and blocks that were written before, the last `count` are all that is live: the core has just written
   * them again, and what is older is not handed back any more.
   */
  | { readonly kind: 'live'; readonly count: number }
  /** How this node left an epoch: nothing is signed in it any more. The newest of an epoch replaces those before it. */
  | { readonly kind: 'abort'; readonly epoch: Epoch; readonly payload: Uint8Array }

/** Why a proposal or read was not taken. Nothing of it was appended. */
export type RefusalCode =
  | 'EpochChanging'
  | 'NotLeader'
  | 'NoLeader'
  | 'LeadershipLost'
  | 'ResourceExhausted'
  | 'UnsupportedRead'

/** Why an order was not carried out. `StalePlan`: the configuration is not the one it was planned against. */
export type OrderRefusalCode =
  | 'NotLeader'
  | 'NoLeader'
  | 'ChangeInProgress'
  | 'StalePlan'
  /** Who shall get a vote lacks too much of the log. */
  | 'NotCaughtUp'
  | 'InvalidArgument'
  | 'NotFound'
  /** Refused for safety; the reason says why, with numbers. */
  | 'EpochChanging'
  | 'ModeRefused'

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'learner'

export type Effect =
  | { readonly type: 'send'; readonly to: NodeId; readonly message: ProtocolMessage; readonly after?: WriteId }
  /**
   * `epoch` and `term` of the core when the write was made, `index` of the last entry in it (0 without
   * entries): the driver hands them back, unchanged, in `stored`.
   */
  | {
      readonly type: 'store'
      readonly writeId: WriteId
      readonly epoch: Epoch
      readonly term: Term
      readonly index: LogIndex
      readonly records: readonly StoreRecord[]
    }
  /** Read entries from the log for a lagging peer; answered by `loaded`. At most one open per peer. */
  | { readonly type: 'load'; readonly peer: NodeId; readonly from: LogIndex; readonly maxBytes: number }
  /** Never past what is durable on this node, so it may be applied at once. */
  | {
      readonly type: 'commit'
      readonly upTo: LogIndex
      readonly assurance: Assurance
      readonly certificate?: Uint8Array
    }
  | { readonly type: 'proposed'; readonly proposalId: number; readonly index: LogIndex; readonly term: Term }
  | {
      readonly type: 'refused'
      readonly proposalId: number
      readonly code: RefusalCode
      readonly leader: NodeId | null
    }
  /** The read may be served once everything up to `index` is applied. */
  | { readonly type: 'readReady'; readonly readId: ReadId; readonly index: LogIndex }
  | {
      readonly type: 'readRefused'
      readonly readId: ReadId
      readonly code: RefusalCode
      readonly leader: NodeId | null
    }
  | {
      readonly type: 'roleChanged'
      readonly role: Role
      readonly epoch: Epoch
      readonly term: Term
      readonly leader: NodeId | null
    }
  /** The order is under way: a change of members at the entry `index`; null where no entry was needed. */
  | { readonly type: 'ordered'; readonly orderId: number; readonly index: LogIndex | null }
  | {
      readonly type: 'orderRefused'
      readonly orderId: number
      readonly code: OrderRefusalCode
      readonly reason: string
      readonly leader: NodeId | null
      /** When asking again can help by the passing of time. */
      readonly retryAfterMs?: Millis
    }
  /** This leader has what this node's log can no longer be given: fetch it. Repeated until it is here. */
  | {
      readonly type: 'fetchSnapshot'
      readonly from: NodeId
      readonly snapshot: SnapshotOffer
      /** What the state in it must hash to, 32 bytes; null where the sender is trusted (plain Raft). */
      readonly stateDigest: Uint8Array | null
    }
  /** A quorum signed the state after the entry at `index`: what state transfer and receipts rest on. */
  | {
      readonly type: 'checkpointStable'
      readonly index: LogIndex
      readonly stateDigest: Uint8Array
      readonly certificate: Uint8Array
      /** HotStuff: the commit proof of the entry at `index`, which the next blocks follow. Absent where it is not held. */
      readonly proof?: Uint8Array
    }
  /** The applied state is to be replaced by this snapshot, once the write `after` is durable. */
  | { readonly type: 'restoreState'; readonly snapshot: SnapshotOffer; readonly after: WriteId }
  /** The configuration in force changed (appended, rolled back, or committed). */
  | {
      readonly type: 'membershipChanged'
      readonly record: MembershipRecord
      readonly committed: boolean
    }
  /** The state of this node differs from that of a majority at `index`; at `agreedIndex` it did not yet. */
  | { readonly type: 'diverged'; readonly index: LogIndex; readonly agreedIndex: LogIndex }
  /** Another member knows a newer configuration: its members may be talked to, and count for nothing yet. */
  | { readonly type: 'membershipHinted'; readonly record: MembershipRecord }
  /** This node has lost what it acknowledged: it neither votes nor leads until `repaired`. */
  | { readonly type: 'damaged'; readonly lastIndex: LogIndex }
  /** A damaged node holds again all that it can have acknowledged: it votes from here on. */
  | { readonly type: 'repaired' }
  | { readonly type: 'evidence'; readonly evidence: Uint8Array }
  /** What this node holds against members changed. */
  | ({ readonly type: 'threat' } & ThreatReport)
  /** This node told the others that the epoch has to end. */
  | { readonly type: 'panicked'; readonly epoch: Epoch }
  /** An epoch ended (`isUnderWay`: nothing is answered until the next begins), or the next one began. */
  | {
      readonly type: 'epochChanged'
      readonly epoch: Epoch
      readonly mode: Mode
      readonly isUnderWay: boolean
      readonly reason: string
    }

/** For people, metrics and `status`. What a protocol does not have is null. */
export interface CoreStatus {
  readonly mode: Mode
  readonly role: Role
  readonly epoch: Epoch
  readonly term: Term
  readonly view: ViewNumber | null
  readonly round: number | null
  readonly leader: NodeId | null
  readonly firstIndex: LogIndex
  readonly lastIndex: LogIndex
  readonly commitIndex: LogIndex
  /** On a leader, what it knows of each peer; empty elsewhere. */
  readonly peers: readonly PeerStatus[]
  /** The configuration in force, and whether it is committed. */
  readonly membership: MembershipRecord
  readonly membershipCommitted: boolean
  /** False for a damaged node that is not repaired yet. */
  readonly mayVote: boolean
  /** What this node holds against members; null where nobody is suspected of lying. */
  readonly threat: ThreatReport | null
  /**
   * Hybrid: it started with a damaged log, and may have forgotten a later epoch that it spoke in. Until a quorum shows
   * otherwise it has no say at the end of the present one. Absent means false.
   */
  readonly isForgetful?: boolean
}

export interface PeerStatus {
  readonly id: NodeId
  readonly matchIndex: LogIndex
  readonly flow: 'probe' | 'replicate' | 'snapshot'
  /** The snapshot that the peer is fetching; null for none. It must stay readable. */
  readonly offered: SnapshotOffer | null
  /** Heard from within the last election timeout. */
  readonly active: boolean
}

export interface Core {
  /** Runs to completion. `now.monotonicMs` never decreases between calls. */
  step(input: Input, now: Now): Effect[]
  /** Monotonic time at which it next wants a `tick`; undefined for never. */
  deadline(): Millis | undefined
  status(): CoreStatus
  /** An entry that is still in memory; undefined when it has to be read from the log. */
  entry(index: LogIndex): Entry | undefined
  /** The configuration in force at an index at or above the log's base. */
  membershipAt(index: LogIndex): MembershipRecord
  /** True when a proposal would be taken now: this node leads, and its pipeline has room. */
  mayPropose(): boolean
  /** True while this leader's lease lasts: nobody else can lead. */
  holdsLease(now: Now): boolean
  /**
   * Hash of the configuration under which messages are verified now, 32 bytes: read together with `checks`,
   * and handed back with the message once they hold.
   */
  configHash(): Uint8Array
  /** How the newest epochs led to each other, oldest first; only where the protocol can change. */
  epochLinks?(): readonly EpochLink[]
  /** What to do with an unverified message before a verification is spent on it. */
  interest(from: NodeId, message: ProtocolMessage): 'verify' | 'keep' | 'drop'
  /**
   * The signatures that a message claims, for `interest` = `verify`: the core may see the message only
   * when all of them hold. Null where it is unsound by rules that need no signature: its sender is at fault.
   * A client's request for which `isVerified` says yes needs no check.
   */
  checks(from: NodeId, message: ProtocolMessage, isVerified?: IsVerified): readonly SignatureCheck[] | null
  /** Hybrid, in a Byzantine epoch: why it does not end in Raft now. Null where nothing speaks against it. */
  stays?(now: Now): Stays | null
}

/** Why the mode stays as it is. */
export interface Stays {
  readonly reason: string
  /** When time alone helps; null where somebody has to act first. */
  readonly retryAfterMs: Millis | null
}

/** What the log on disk says at start; all a core needs to continue. */
export interface RestoredLog {
  readonly hardState: HardState
  /** What the log follows. */
  readonly base: LogBase
  readonly lastIndex: LogIndex
  /** Runs of equal (epoch, term) in index order, first run starting at base.index + 1. Empty for an empty log. */
  readonly termRuns: readonly { readonly first: LogIndex; readonly epoch: Epoch; readonly term: Term }[]
  /** Configurations that entries after the base brought, in index order. */
  readonly memberships: readonly MembershipRecord[]
  /** The newest snapshot on disk; null where there is none. Its index is at least that of the base. */
  readonly snapshot: SnapshotOffer | null
  /** The ids of all snapshots on disk, wherever they lie. Absent means that none is known. */
  readonly snapshotIds?: readonly Uint8Array[]
  /** The newest entries, contiguous up to `lastIndex`; may be fewer than the log holds. */
  readonly tail: readonly Entry[]
  /** Everything up to here is known to be committed (applied before the restart); 0 if unknown. */
  readonly commitIndex: LogIndex
  /** False after damage: the node neither votes nor leads until it is repaired. */
  readonly mayVote: boolean
  /** The newest `safety` record; null before the first. */
  readonly safety: Uint8Array | null
  /** `slot` and `block` records above `lastIndex`, in the order in which they were written. */
  readonly pending: readonly PendingRecord[]
  /** The newest `abort` record of each of the newest epochs (two at most), epochs ascending; empty for none. */
  readonly aborts: readonly AbortRecord[]
  /**
   * True where neither the applied state nor a snapshot on disk reaches the base: the log is whole, and nothing can
   * be executed before a certified snapshot of others is here. Absent means false.
   */
  readonly stateLost?: boolean
}

/** A `slot` or `block` record as it was written. */
export type PendingRecord = Extract<StoreRecord, { kind: 'slot' | 'block' }>
/** An `abort` record as it was written. */
export type AbortRecord = Extract<StoreRecord, { kind: 'abort' }>
