/**
 * The messages of the hybrid. In a Raft epoch the messages that can change what is decided travel with
 * what R1 to R10 sign; the rest of Raft's (PreVote, heartbeats, read index, TimeoutNow) goes as it is. The
 * others lead from one epoch to the next.
 */
import type { Certificate } from '../bft/certificate.js'
import type { Evidence } from '../bft/evidence.js'
import type { PbftMessage } from '../bft/pbft/messages.js'
import type { SignedStatement } from '../bft/statement.js'
import type { Entry } from '../entry.js'
import type { AppendEntries, AppendEntriesReply, RequestVote, RequestVoteReply } from '../raft/messages.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { Epoch, LogIndex, Term } from '../types.js'
import type { AbortHistory } from './abort-history.js'
import type { EpochLink } from './epoch-links.js'
import type { BareHeader } from './headers.js'
import type { Position, TermCertificate } from './positions.js'
import type { SwitchCertificate } from './switch-certificate.js'

export interface HybridAppend {
  readonly type: 'hybridAppend'
  readonly append: AppendEntries
  /** The leader's word about where its log stands after these entries. */
  readonly header: SignedStatement
  /** Null once the peer has acknowledged something in this term. */
  readonly termCertificate: TermCertificate | null
  /** The highest commit certificate and commit proof known; null for none in this epoch. */
  readonly commit: Certificate | null
  readonly proof: Certificate | null
  /** Somebody waits for proofs: who takes this is to say which certificate it holds. */
  readonly collects: boolean
  /** Where the entries end below the term's tip: the headers up to it. */
  readonly bridge: readonly BareHeader[]
}

export interface HybridAck {
  readonly type: 'hybridAck'
  readonly reply: AppendEntriesReply
  /** Null for a refusal, and below the term's tip. */
  readonly ack: SignedStatement | null
  /** The highest commit certificate that is on the follower's disk; null where nobody waits for a proof of it. */
  readonly held: SignedStatement | null
}

export interface HybridVoteRequest {
  readonly type: 'hybridVoteRequest'
  readonly request: RequestVote
  readonly tip: Position
  /** What proves the tip: its term's certificate and that leader's word; null where `commit` or the origin does. */
  readonly termCertificate: TermCertificate | null
  readonly header: SignedStatement | null
  readonly commit: Certificate | null
  /** From what is certified to the tip. */
  readonly headers: readonly BareHeader[]
}

export interface HybridGrant {
  readonly type: 'hybridGrant'
  readonly reply: RequestVoteReply
  readonly grant: SignedStatement | null
}

/** Who leads the present term; sent before heartbeats until the peer has acknowledged something. */
export interface HybridTerm {
  readonly type: 'hybridTerm'
  readonly epoch: Epoch
  readonly termCertificate: TermCertificate
}

/** Certificates that no append carries, because there is nothing to append. */
export interface HybridCommit {
  readonly type: 'hybridCommit'
  readonly epoch: Epoch
  readonly commit: Certificate
  readonly proof: Certificate | null
  /** As in an append. */
  readonly collects: boolean
}

/** HELD by itself: in answer to that, or from a member that tells its clients only what is proven. */
export interface HybridHeld {
  readonly type: 'hybridHeld'
  readonly epoch: Epoch
  /** Null from who has no vote. */
  readonly held: SignedStatement | null
  /** Its sender waits for the proof. */
  readonly waits: boolean
}

/** PANIC, SUSPECT or CLEAR. */
export interface HybridVote {
  readonly type: 'hybridVote'
  readonly vote: SignedStatement
}

export interface HybridEvidence {
  readonly type: 'hybridEvidence'
  readonly evidence: Evidence
}

export interface HybridHistory {
  readonly type: 'hybridHistory'
  readonly history: AbortHistory
}

/** A message of the instance of PBFT that decides where an epoch ends. */
export interface HybridHandOver {
  readonly type: 'hybridHandOver'
  /** The epoch that ends. */
  readonly epoch: Epoch
  readonly message: PbftMessage
}

export interface HybridSwitch {
  readonly type: 'hybridSwitch'
  readonly certificate: SwitchCertificate
}

/** Asks for entries of the log at the end of an epoch. */
export interface HybridFetch {
  readonly type: 'hybridFetch'
  readonly epoch: Epoch
  readonly from: LogIndex
  readonly upTo: LogIndex
}

export interface HybridEntries {
  readonly type: 'hybridEntries'
  readonly epoch: Epoch
  readonly entries: readonly Entry[]
}

/**
 * Signed states of an epoch: a member's own word, or the newest that a quorum gave; and a snapshot of that
 * state for who lacks more than a log can give.
 */
export interface HybridCheckpoint {
  readonly type: 'hybridCheckpoint'
  readonly epoch: Epoch
  /** The term that the sender leads, with a snapshot in Raft. */
  readonly leads: Term
  readonly own: SignedStatement | null
  readonly certificate: Certificate | null
  /** Of the state that `certificate` is about. */
  readonly snapshot: SnapshotOffer | null
  /** Of a state inside an epoch of HotStuff: the commit proof of the entry at its index. */
  readonly proof: Uint8Array | null
  /** The sender's highest commit certificate, with a snapshot: at or above it. */
  readonly commit: Certificate | null
  /** From the receiver's epoch to that of the certificate. */
  readonly links: readonly EpochLink[]
}

export type HybridMessage =
  | HybridAppend
  | HybridAck
  | HybridVoteRequest
  | HybridGrant
  | HybridTerm
  | HybridCommit
  | HybridHeld
  | HybridVote
  | HybridEvidence
  | HybridHistory
  | HybridHandOver
  | HybridSwitch
  | HybridFetch
  | HybridEntries
  | HybridCheckpoint
