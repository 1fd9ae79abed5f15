/**
 * HotStuff's messages. The normal case is linear: a leader sends one proposal to all, everybody answers
 * the next leader with one vote. Everything else exists for rounds that fail and replicas that lag.
 */
import type { Entry } from '../../entry.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { Epoch, LogIndex } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { EpochStep } from '../epoch.js'
import type { SignedStatement } from '../statement.js'
import type { BlockHeader } from './block.js'
import type { Qc, Tc } from './certificates.js'

/** A block with what justifies it. */
export interface BlockParts {
  readonly header: BlockHeader
  /** The framed requests; empty for kind `empty`. */
  readonly body: Uint8Array
  /** Certifies the parent. */
  readonly justify: Qc
  /** Of the round before, where the parent is of an older one; null otherwise. */
  readonly tc: Tc | null
  /** The proposer's, over the proposal statement. */
  readonly signature: Uint8Array
}

export interface HsProposal extends BlockParts {
  readonly type: 'hsProposal'
}

/** A proposal without its payload: enough to prove what its proposer signed. */
export interface SignedHeader {
  readonly header: BlockHeader
  /** The proposer's, over the proposal statement. */
  readonly signature: Uint8Array
}

/** To the leader of the next round. */
export interface HsVote {
  readonly type: 'hsVote'
  readonly vote: SignedStatement
}

/**
 * Its round ended without progress. The certificates prove that the sender was in this round; its last
 * vote goes along, so that votes for a leader that died still become a QC.
 */
export interface HsTimeout {
  readonly type: 'hsTimeout'
  readonly timeout: SignedStatement
  readonly highQc: Qc
  /** Null where `highQc` is of the round before. */
  readonly tc: Tc | null
  readonly lastVote: SignedStatement | null
  /** The block of that vote: two proposals of one round meet here, though each replica saw only one. */
  readonly lastBlock: SignedHeader | null
}

/** Why a later round is entered: to a peer that is behind, and to all when there is nothing more to propose. */
export interface HsAdvance {
  readonly type: 'hsAdvance'
  readonly qc: Qc
  readonly tc: Tc | null
}

/** Asks for a block and its ancestors above `height`. */
export interface HsFetchBlocks {
  readonly type: 'hsFetchBlocks'
  readonly epoch: Epoch
  readonly hash: Uint8Array
  readonly height: number
}

/** From the asked block downwards, each followed by its parent; empty where the sender does not hold it. */
export interface HsBlocks {
  readonly type: 'hsBlocks'
  readonly epoch: Epoch
  readonly hash: Uint8Array
  readonly blocks: readonly BlockParts[]
  /** The sender's last committed log index. */
  readonly committedIndex: LogIndex
}

/** Where the sender stands; with `asks` the receiver answers with what the sender lacks. */
export interface HsStatus {
  readonly type: 'hsStatus'
  readonly epoch: Epoch
  readonly round: number
  readonly committedIndex: LogIndex
  readonly asks: boolean
}

/** Asks for decided entries of the sender's epoch from an index on. */
export interface HsFetchEntries {
  readonly type: 'hsFetchEntries'
  readonly epoch: Epoch
  readonly from: LogIndex
}

/** Decided entries, each with its proof. */
export interface HsEntries {
  readonly type: 'hsEntries'
  readonly epoch: Epoch
  readonly entries: readonly Entry[]
}

/** The entries that were asked for are gone: a certified snapshot that takes their place. */
export interface HsSnapshot {
  readonly type: 'hsSnapshot'
  readonly snapshot: SnapshotOffer
  readonly checkpoint: Certificate
  /** The commit proof of the entry at the snapshot's index: what the next blocks follow. */
  readonly proof: Uint8Array
  /** From the epoch of whoever asked to that of the snapshot, and into the next one where it was taken at the end of its epoch. */
  readonly steps: readonly EpochStep[]
}

export interface HsCheckpoint {
  readonly type: 'hsCheckpoint'
  readonly checkpoint: SignedStatement
}

/** The epoch ended with this certified checkpoint, at the entry that changed its members. */
export interface HsEpochEnd {
  readonly type: 'hsEpochEnd'
  readonly checkpoint: Certificate
}

/** Asks where the others stand, by who may have forgotten what it signed: `rejoin.ts`. */
export interface HsRejoin {
  readonly type: 'hsRejoin'
  readonly epoch: Epoch
  readonly nonce: number
}

/** The answer, with the highest certificates of whoever answers. */
export interface HsStanding {
  readonly type: 'hsStanding'
  readonly nonce: number
  readonly qc: Qc
  readonly tc: Tc | null
  readonly committedIndex: LogIndex
}

/** See `evidence.ts`; repeated by everybody who has it until it is ordered. */
export interface HsEvidence {
  readonly type: 'hsEvidence'
  readonly epoch: Epoch
  readonly evidence: Uint8Array
}

export type HotStuffMessage =
  | HsProposal
  | HsVote
  | HsTimeout
  | HsAdvance
  | HsFetchBlocks
  | HsBlocks
  | HsStatus
  | HsFetchEntries
  | HsEntries
  | HsSnapshot
  | HsCheckpoint
  | HsEpochEnd
  | HsEvidence
  | HsRejoin
  | HsStanding
