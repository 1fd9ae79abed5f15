/**
 * Raft's messages, named as in the paper (Ongaro & Ousterhout, figure 2) and the thesis (PreVote 9.6,
 * ReadIndex 6.4, TimeoutNow 3.10, InstallSnapshot 5).
 *
 * Every reply echoes what it answers (term, prevIndex, count or round), so a late or duplicated one is
 * recognised. `wallMs` is the sender's time of day, for the bound on leader timestamps.
 */
import type { Entry } from '../entry.js'
import type { MembershipRecord } from '../membership.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { Epoch, LogIndex, Millis, ReadId, Term } from '../types.js'

interface Common {
  readonly epoch: Epoch
  /** The sender's current term; for PreVote and its grant the term that would be campaigned for. */
  readonly term: Term
}

/** Asks "would you vote for me in `term`?" without changing anybody's term. */
export interface PreVote extends Common {
  readonly type: 'preVote'
  readonly round: number
  readonly lastIndex: LogIndex
  /** Epoch and term of the entry at `lastIndex`. */
  readonly lastEpoch: Epoch
  readonly lastTerm: Term
}

export interface PreVoteReply extends Common {
  readonly type: 'preVoteReply'
  readonly round: number
  readonly granted: boolean
  readonly wallMs: Millis
}

export interface RequestVote extends Common {
  readonly type: 'requestVote'
  readonly lastIndex: LogIndex
  /** Epoch and term of the entry at `lastIndex`. */
  readonly lastEpoch: Epoch
  readonly lastTerm: Term
  /** Set in a leadership transfer: vote although a leader lives. */
  readonly transfer: boolean
}

export interface RequestVoteReply extends Common {
  readonly type: 'requestVoteReply'
  readonly granted: boolean
  readonly wallMs: Millis
}

export interface AppendEntries extends Common {
  readonly type: 'appendEntries'
  readonly prevIndex: LogIndex
  /** Epoch and term of the entry at `prevIndex`. */
  readonly prevEpoch: Epoch
  readonly prevTerm: Term
  readonly entries: readonly Entry[]
  readonly commitIndex: LogIndex
  /** Highest read position that waits for confirmation; acks echo it. */
  readonly readPosition: number
}

export interface AppendEntriesReply extends Common {
  readonly type: 'appendEntriesReply'
  readonly success: boolean
  /** Echo of the request. */
  readonly prevIndex: LogIndex
  /** On success the last index that the request covered, never more. 0 on failure. */
  readonly matchIndex: LogIndex
  /** On failure: the follower's best guess of where the logs meet, and its epoch and term there. */
  readonly hintIndex: LogIndex
  readonly hintEpoch: Epoch
  readonly hintTerm: Term
  readonly readPosition: number
  readonly wallMs: Millis
}

/** Sent in idle times and for read rounds; `commitIndex` never exceeds what the peer has acknowledged. */
export interface Heartbeat extends Common {
  readonly type: 'heartbeat'
  readonly commitIndex: LogIndex
  /** What the receiver has acknowledged in this term: where its log ends below, it lost something without a trace. */
  readonly acknowledgedIndex: LogIndex
  /** The last index of the leader's log: a damaged follower is whole again when it holds that. */
  readonly lastIndex: LogIndex
  readonly readPosition: number
  /** The leader's chain at `commitIndex`, so that a divergence shows at once; null when it has left memory. */
  readonly commitChain: Uint8Array | null
}

export interface HeartbeatReply extends Common {
  readonly type: 'heartbeatReply'
  readonly readPosition: number
  readonly wallMs: Millis
  /** Index of the newest compared digest of the sender's state; 0 with none. */
  readonly digestIndex: LogIndex
  /** 32 bytes. */
  readonly stateDigest: Uint8Array | null
}

/** The state of the receiver differs from that of the leader and a majority. */
export interface Diverged extends Common {
  readonly type: 'diverged'
  readonly index: LogIndex
  /** What the state should have been there, 32 bytes. */
  readonly stateDigest: Uint8Array
  /** The newest index known before, at which a majority agreed; 0 for none. */
  readonly agreedIndex: LogIndex
}

/** A follower asks the leader for a read index on behalf of its own clients. */
export interface ReadIndexRequest extends Common {
  readonly type: 'readIndexRequest'
  readonly readId: ReadId
}

export interface ReadIndexReply extends Common {
  readonly type: 'readIndexReply'
  readonly readId: ReadId
  /** 0 when refused (not the leader any more). */
  readonly index: LogIndex
}

/** Leadership transfer: campaign at once. */
export interface TimeoutNow extends Common {
  readonly type: 'timeoutNow'
}

/** Offers a snapshot to a peer whose next entry the leader's log no longer holds; repeated with the heartbeats. */
export interface InstallSnapshot extends Common {
  readonly type: 'installSnapshot'
  readonly snapshot: SnapshotOffer
}

/** Sent once the log of the peer begins at or after what was offered. */
export interface InstallSnapshotReply extends Common {
  readonly type: 'installSnapshotReply'
  /** Everything up to here is durable on the peer, as log or as snapshot. */
  readonly matchIndex: LogIndex
  readonly wallMs: Millis
}

/**
 * Tells a node that asks for votes while a leader lives who the members are: the leader may have joined
 * after that node last heard anything, and its key be unknown there.
 */
export interface MembershipHint extends Common {
  readonly type: 'membershipHint'
  readonly record: MembershipRecord
}

export type RaftMessage =
  | PreVote
  | PreVoteReply
  | RequestVote
  | RequestVoteReply
  | AppendEntries
  | AppendEntriesReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndexRequest
  | ReadIndexReply
  | TimeoutNow
  | InstallSnapshot
  | InstallSnapshotReply
  | Diverged
  | MembershipHint
