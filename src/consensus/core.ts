/**
 * The narrow waist: what every protocol implements and every driver (node, simulator, tests, REPL
 * time travel, benchmark) calls. A core is a pure state machine: input and time in, effects out.
 * It never reads a clock, never waits, never parses a body (etcd-io/raft's Step/Ready and openraft's
 * engine commands are the models).
 *
 * Order of effects is order of execution. A `send` with `after` leaves only when that write is
 * durable: the one place where "no vote, ack or reply before its write is on disk" is said.
 */
import type { Entry, EntryKind } from './entry.js'
import type { RaftMessage } from './raft/messages.js'
import type { Assurance, Epoch, LogIndex, Millis, Mode, NodeId, ReadId, Term, ViewNumber, WriteId } from './types.js'

export interface Now {
  /** Never jumps; timers use only this. */
  readonly monotonicMs: Millis
  /** Time of day; timestamps use only this. */
  readonly wallMs: Millis
}

/** Every message of every protocol; BFT and hybrid extend the union. */
export type ProtocolMessage = RaftMessage

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
  /** One round for all reads that arrived together. */
  | { readonly type: 'read'; readonly readId: ReadId }
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
  | { readonly type: 'snapshotInstalled'; readonly index: LogIndex; readonly term: Term }
  | { readonly type: 'order'; readonly order: OperatorOrder }
  /** The way back from execution: checkpoints and configuration changes need it. */
  | {
      readonly type: 'executed'
      readonly upTo: LogIndex
      readonly stateDigest: Uint8Array | null
      readonly resultRoot: Uint8Array | null
    }
  /** The driver noticed that the process stood still: leases and quorum contact count as expired, timers restart. */
  | { readonly type: 'paused'; readonly pausedMs: Millis }

export type OperatorOrder = { readonly kind: 'transferLeadership'; readonly target: NodeId }

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

/** Why a proposal or read was not taken. Nothing of it was appended. */
export type RefusalCode = 'NotLeader' | 'NoLeader' | 'LeadershipLost' | 'ResourceExhausted' | 'UnsupportedRead'

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
  | { readonly type: 'snapshotWanted'; readonly peer: NodeId }
  | { readonly type: 'installSnapshot'; readonly from: NodeId; readonly index: LogIndex; readonly term: Term }
  | { readonly type: 'evidence'; readonly evidence: Uint8Array }

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
}

export interface PeerStatus {
  readonly id: NodeId
  readonly matchIndex: LogIndex
  readonly flow: 'probe' | 'replicate' | 'snapshot'
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
  /** What to do with an unverified message before a verification is spent on it. */
  interest(from: NodeId, message: ProtocolMessage): 'verify' | 'keep' | 'drop'
}

/** What the log on disk says at start; all a core needs to continue. */
export interface RestoredLog {
  readonly hardState: HardState
  /** What the log follows: the last snapshot, or index 0, term 0 and the genesis chain. */
  readonly base: { readonly index: LogIndex; readonly term: Term; readonly epoch: Epoch; readonly chain: Uint8Array }
  readonly lastIndex: LogIndex
  /** Runs of equal (epoch, term) in index order, first run starting at base.index + 1. Empty for an empty log. */
  readonly termRuns: readonly { readonly first: LogIndex; readonly epoch: Epoch; readonly term: Term }[]
  /** The newest entries, contiguous up to `lastIndex`; may be fewer than the log holds. */
  readonly tail: readonly Entry[]
  /** Everything up to here is known to be committed (applied before the restart); 0 if unknown. */
  readonly commitIndex: LogIndex
  /** False after damage: the node neither votes nor leads until it is repaired. */
  readonly mayVote: boolean
}
