/**
 * The safety rules: the only holder of the key (after Aptos' SafetyRules). They decide first, then
 * sign, and remember what they signed; the caller makes that durable before anything leaves. Asked
 * again for what was signed they return the same signature: a replica re-sends, it never re-creates.
 *
 * Vote iff: the round is above the last voted one and not timed out; the block follows a certificate of
 * the round before, or comes with a TC of it and builds on at least the highest certificate named
 * there; and it extends the lock, or its certificate is of a later round than the lock (safeNode).
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { Epoch, NodeId } from '../../types.js'
import { type SignContext, type SignedStatement, type Statement, sameStatement, signBytes } from '../statement.js'
import type { HashedHeader } from './block.js'
import {
  justifies,
  proposalStatement,
  type Qc,
  qcRound,
  type Tc,
  tcHighRound,
  timeoutStatement,
  voteStatement,
} from './certificates.js'
import type { HsTimeout, SignedHeader } from './messages.js'

/** What must be known again before anything is signed. */
export interface SafetyData {
  readonly epoch: Epoch
  /** True while it may have forgotten what it signed: it signs nothing. */
  readonly forgot: boolean
  readonly lastVotedRound: number
  readonly lastProposedRound: number
  /** After a restart nothing is proposed in a round up to this one, whether or not something was before. */
  readonly fencedRound: number
  readonly lockedRound: number
  readonly lockedHash: Uint8Array
  readonly highQc: Qc
  readonly lastVote: SignedStatement | null
  readonly lastTimeout: HsTimeout | null
  readonly lastCheckpoint: SignedStatement | null
}

/** Of a replica that has signed nothing in its epoch, and is locked on nothing but its genesis block. */
export function freshSafety(epoch: Epoch, genesisHash: Uint8Array, highQc: Qc): SafetyData {
  return {
    epoch,
    forgot: false,
    lastVotedRound: 0,
    lastProposedRound: 0,
    fencedRound: 0,
    lockedRound: 0,
    lockedHash: genesisHash,
    highQc,
    lastVote: null,
    lastTimeout: null,
    lastCheckpoint: null,
  }
}

export class SafetyRules {
  readonly #self: NodeId
  readonly #context: SignContext
  readonly #sign: (bytes: Uint8Array) => Uint8Array
  /** False for a node that is no replica. */
  readonly #isReplica: boolean
  #data: SafetyData

  constructor(
    self: NodeId,
    context: SignContext,
    sign: (bytes: Uint8Array) => Uint8Array,
    isReplica: boolean,
    data: SafetyData,
  ) {
    this.#self = self
    this.#context = context
    this.#sign = sign
    this.#isReplica = isReplica
    this.#data = data
  }

  get data(): SafetyData {
    return this.#data
  }

  /** False for who is no replica, or may have forgotten what it signed. */
  get maySign(): boolean {
    return this.#isReplica && !this.#data.forgot
  }

  /** Everything that may be forgotten is of rounds up to this one, which are over. */
  rejoin(floorRound: number): void {
    const lastVotedRound = Math.max(this.#data.lastVotedRound, floorRound)
    const lastProposedRound = Math.max(this.#data.lastProposedRound, floorRound)
    this.#data = { ...this.#data, forgot: false, lastVotedRound, lastProposedRound }
  }

  get highQc(): Qc {
    return this.#data.highQc
  }

  /** The vote for a block, or null where a rule forbids it. `extendsLock`: it descends from the locked block. */
  vote(block: HashedHeader, justify: Qc, tc: Tc | null, extendsLock: boolean): SignedStatement | null {
    const { header } = block
    const { epoch, lastVotedRound, lastVote, lockedRound } = this.#data
    const statement = voteStatement(block)
    if (!this.maySign || header.epoch !== epoch) return null
    if (lastVote !== null && sameStatement(lastVote, statement)) return lastVote
    if (header.round <= lastVotedRound || header.round <= this.timedOutRound) return null
    if (!justifies(justify, header)) return null
    const follows = header.parentRound === header.round - 1
    const passesOver =
      tc !== null && tc.round === header.round - 1 && tc.epoch === epoch && header.parentRound >= tcHighRound(tc)
    if (!follows && !passesOver) return null
    if (!extendsLock && header.parentRound <= lockedRound) return null
    const signed = this.#signed(statement)
    this.#data = { ...this.#data, lastVotedRound: header.round, lastVote: signed }
    return signed
  }

  /**
   * Gives up to propose in this round after a restart. Once that is durable, a block of the round may leave before it
   * is durable itself: whoever crashes in between can never sign another one.
   */
  fence(round: number): void {
    if (round > this.#data.fencedRound) this.#data = { ...this.#data, fencedRound: round }
  }

  /** The signature under an own block; null where one of this round or a later one was made before. */
  propose(block: HashedHeader): SignedStatement | null {
    const { epoch, lastProposedRound } = this.#data
    const { round } = block.header
    if (!this.maySign || block.header.epoch !== epoch || round <= lastProposedRound) return null
    this.#data = { ...this.#data, lastProposedRound: round }
    return this.#signed(proposalStatement(block))
  }

  /** The time-out of a round, with the TC that led into it and the block of the last vote; after it there is no vote in that round. */
  timeout(round: number, tc: Tc | null, lastBlock: SignedHeader | null): HsTimeout | null {
    const { epoch, lastVotedRound, lastTimeout, highQc, lastVote } = this.#data
    if (lastTimeout !== null && lastTimeout.timeout.view === round) return lastTimeout
    if (!this.maySign || round <= this.timedOutRound || round < lastVotedRound) return null
    const timeout = this.#signed(timeoutStatement(epoch, round, qcRound(highQc)))
    const message: HsTimeout = {
      type: 'hsTimeout',
      timeout,
      highQc,
      tc: qcRound(highQc) === round - 1 ? null : tc,
      lastVote,
      lastBlock,
    }
    this.#data = { ...this.#data, lastTimeout: message }
    return message
  }

  /** A checkpoint: indexes only grow, and one index is signed once. */
  checkpoint(statement: Statement): SignedStatement | null {
    const { lastCheckpoint } = this.#data
    if (!this.maySign) return null
    if (lastCheckpoint !== null && statement.sequence <= lastCheckpoint.sequence) {
      return sameStatement(statement, lastCheckpoint) ? lastCheckpoint : null
    }
    const signed = this.#signed(statement)
    this.#data = { ...this.#data, lastCheckpoint: signed }
    return signed
  }

  get timedOutRound(): number {
    return this.#data.lastTimeout?.timeout.view ?? 0
  }

  /** Notes a verified QC: the highest is kept. */
  observe(qc: Qc): void {
    if (qcRound(qc) > qcRound(this.#data.highQc)) this.#data = { ...this.#data, highQc: qc }
  }

  /** Notes that a certificate locks `block`: locks only move to later rounds. */
  lock(block: HashedHeader): void {
    if (block.header.round <= this.#data.lockedRound) return
    this.#data = { ...this.#data, lockedRound: block.header.round, lockedHash: block.hash }
  }

  isLocked(block: HashedHeader): boolean {
    return bytesEqual(block.hash, this.#data.lockedHash)
  }

  #signed(statement: Statement): SignedStatement {
    return { ...statement, signer: this.#self, signature: this.#sign(signBytes(this.#context, statement)) }
  }
}
