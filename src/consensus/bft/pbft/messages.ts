/**
 * PBFT's messages, named as in Castro and Liskov, "Practical Byzantine Fault Tolerance" (OSDI 1999),
 * section 4. Two things are folded together: the signature on a pre-prepare is the primary's PREPARE of
 * the same value, so that a prepared certificate is a quorum of signatures under one statement; and
 * checkpoint, prepare and commit votes are one message, told apart by their statement.
 *
 * Whatever is signed is a `SignedStatement`; a view change or new view binds its content by its digest.
 */
import type { Entry, EntryKind } from '../../entry.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { Epoch, LogIndex, Millis, SequenceNumber, ViewNumber } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { EpochStep } from '../epoch.js'
import type { Evidence } from '../evidence.js'
import type { SignedStatement } from '../statement.js'

/** What fills a slot: all but its place. Its digest d is `valueDigest` of epoch, index, time and batch digest. */
export interface Value {
  /** Proposed time; 0 for a null request. */
  readonly timestampMs: Millis
  readonly kind: EntryKind
  /** Digest of `body`, 32 bytes; ingress has recomputed it. */
  readonly batchDigest: Uint8Array
  readonly body: Uint8Array
}

/** PRE-PREPARE: the primary proposes `value` for the slot that `vote`, its own PREPARE, names. */
export interface PrePrepare {
  readonly type: 'pbftPrePrepare'
  readonly vote: SignedStatement
  readonly value: Value
}

/** PREPARE, COMMIT or CHECKPOINT of its signer. A checkpoint's sequence is the log index. */
export interface Vote {
  readonly type: 'pbftVote'
  readonly vote: SignedStatement
}

/** A quorum of such votes. A commit certificate is a proof of decision in any view. */
export interface CertificateMessage {
  readonly type: 'pbftCertificate'
  readonly certificate: Certificate
}

/** VIEW-CHANGE: what its signer knows to be stable, and the certificates of all slots above. */
export interface ViewChange {
  readonly type: 'pbftViewChange'
  readonly vote: SignedStatement
  /** Newest stable checkpoint; null where that is the epoch's origin. */
  readonly stable: Certificate | null
  /** Per slot the certificate (prepare or commit) with the highest view, sequences ascending. */
  readonly prepared: readonly Certificate[]
}

export interface OrderedSlot {
  readonly sequence: SequenceNumber
  /** d of the value that the slot gets again, or of the null request. */
  readonly digest: Uint8Array
}

/** NEW-VIEW: a quorum of view changes and what follows from them. */
export interface NewView {
  readonly type: 'pbftNewView'
  readonly vote: SignedStatement
  /** Of exactly a quorum, in the configuration's order. */
  readonly viewChanges: readonly ViewChange[]
  readonly order: readonly OrderedSlot[]
}

/** STATUS: where a replica stands, so that others send what it lacks. Not signed: it is believed by nobody but helpers. */
export interface Status {
  readonly type: 'pbftStatus'
  readonly epoch: Epoch
  readonly view: ViewNumber
  readonly active: boolean
  /** The last entry decided in order. */
  readonly lastIndex: LogIndex
  readonly stableIndex: LogIndex
  /** Asks this peer for decided entries, or a snapshot where those are gone. */
  readonly wantsEntries: boolean
  /** The own state is wrong: asks this peer for a snapshot whatever it has of the log. */
  readonly wantsSnapshot: boolean
  /** Per slot above `lastIndex`: bit 0 has a proposal of this view, bit 1 is prepared in it. */
  readonly slots: Uint8Array
}

/** FETCH: who has the value with this digest? */
export interface FetchValue {
  readonly type: 'pbftFetch'
  readonly epoch: Epoch
  readonly sequence: SequenceNumber
  readonly digest: Uint8Array
}

/** The answer: worth what its digest says. */
export interface ValueMessage {
  readonly type: 'pbftValue'
  readonly epoch: Epoch
  readonly sequence: SequenceNumber
  readonly value: Value
}

/** Decided entries with their commit certificates. */
export interface Decided {
  readonly type: 'pbftDecided'
  /** One epoch, without a gap. */
  readonly entries: readonly Entry[]
  /** Where the sender's log ends. */
  readonly lastIndex: LogIndex
}

/** The entries asked for are gone; this certified snapshot holds what they did. */
export interface Offer {
  readonly type: 'pbftOffer'
  readonly snapshot: SnapshotOffer
  /** Checkpoint certificate of its state. */
  readonly certificate: Certificate
  /** From the asker's epoch to the one that signed it. */
  readonly steps: readonly EpochStep[]
}

export interface EvidenceMessage {
  readonly type: 'pbftEvidence'
  readonly evidence: Evidence
}

export type PbftMessage =
  | PrePrepare
  | Vote
  | CertificateMessage
  | ViewChange
  | NewView
  | Status
  | FetchValue
  | ValueMessage
  | Decided
  | Offer
  | EvidenceMessage
