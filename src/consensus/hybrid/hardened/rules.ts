/**
 * The double-sign guard of a hybrid Raft epoch: the only holder of the key in it. It decides first, then
 * signs: one chain per (term, index), one grant per term, nothing of a term that is over, and nothing at
 * all once the epoch is aborted (R3, R5, and S1 of the hand-over).
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual } from '../../../base/bytes.js'
import {
  NO_EXTRA,
  type SignedStatement,
  type Statement,
  sameStatement,
  signBytes,
  slotKey,
} from '../../bft/statement.js'
import type { NodeId, Term } from '../../types.js'
import { type AbortHistory, abortStatement, type HistoryContent } from '../abort-history.js'
import { grantStatement, type Position, positionStatement, type RaftEpoch } from '../positions.js'

export interface Grant {
  readonly term: Term
  readonly candidate: NodeId
  readonly tip: Position
  readonly vote: SignedStatement
}

/** Statements of the present term that are remembered; what is older is below what is certified. */
const SAID_MAX = 8192

export class RaftRules {
  readonly #self: NodeId
  readonly #epoch: RaftEpoch
  readonly #sign: (bytes: Uint8Array) => Uint8Array
  #grant: Grant | null
  #lastAck: SignedStatement | null
  /** The highest term in which anything was granted, acknowledged or led. */
  #term: number
  /** Index of the newest checkpoint that was signed. */
  #checkpointAt: number
  #isClosed: boolean
  readonly #said = new Map<string, SignedStatement>()

  constructor(
    self: NodeId,
    epoch: RaftEpoch,
    sign: (bytes: Uint8Array) => Uint8Array,
    start: {
      readonly grant: Grant | null
      readonly lastAck: SignedStatement | null
      readonly checkpointAt: number
      readonly isAborted: boolean
    },
  ) {
    this.#self = self
    this.#epoch = epoch
    this.#sign = sign
    this.#grant = start.grant
    this.#lastAck = start.lastAck
    this.#term = Math.max(start.grant?.term ?? 0, start.lastAck?.view ?? 0)
    this.#checkpointAt = start.checkpointAt
    this.#isClosed = start.isAborted
    if (start.lastAck !== null) this.#said.set(slotKey(start.lastAck), start.lastAck)
  }

  get grant(): Grant | null {
    return this.#grant
  }

  get lastAck(): SignedStatement | null {
    return this.#lastAck
  }

  /** A vote for `candidate` on this tip; null where this term's vote went elsewhere. */
  grantFor(term: Term, candidate: NodeId, tip: Position): SignedStatement | null {
    assert(!this.#isClosed, 'nothing is granted after the abort')
    const before = this.#grant
    if (before !== null && before.term === term) {
      const statement = grantStatement(this.#epoch.sha256, this.#epoch.epoch, term, candidate, tip)
      return sameStatement(before.vote, statement) ? before.vote : null
    }
    if (term < this.#term || (before !== null && term < before.term)) return null
    const vote = this.#state(grantStatement(this.#epoch.sha256, this.#epoch.epoch, term, candidate, tip))
    this.#grant = { term, candidate, tip, vote }
    this.#enter(term)
    return vote
  }

  /** The word of the leader of this term about its own log. */
  header(position: Position): SignedStatement {
    assert(this.#grant?.term === position.term && this.#grant.candidate === this.#self, 'a leader was elected')
    return this.#once('header', position)
  }

  /** Null where a later term was seen. */
  ack(position: Position): SignedStatement | null {
    if (position.term < this.#term) return null
    const ack = this.#once('ack', position)
    const last = this.#lastAck
    if (last === null || position.term > last.view || position.index > last.sequence) this.#lastAck = ack
    return ack
  }

  held(position: Position): SignedStatement {
    assert(!this.#isClosed, 'nothing is said after the abort')
    const statement = positionStatement('held', this.#epoch.epoch, position)
    return this.#said.get(slotKey(statement)) ?? this.#state(statement)
  }

  /** Whether this node made this signature, as far as it remembers: then it needs no check. */
  made(statement: Statement, signature: Uint8Array): boolean {
    const said = this.#said.get(slotKey(statement))
    return said !== undefined && sameStatement(said, statement) && bytesEqual(said.signature, signature)
  }

  /** The digest of the own state at an index: at most one for each, and never at an earlier one. */
  checkpoint(statement: Statement): SignedStatement {
    assert(!this.#isClosed, 'nothing is said after the abort')
    assert(statement.sequence > this.#checkpointAt, 'checkpoints are signed in order')
    this.#checkpointAt = statement.sequence
    return { ...statement, signer: this.#self, signature: this.#sign(signBytes(this.#epoch.sign, statement)) }
  }

  /** PANIC for the epoch, or SUSPECT of a member's leadership of a term. */
  vote(type: 'panic' | 'suspect', term: number, digest: Uint8Array): SignedStatement {
    assert(!this.#isClosed, 'nothing is said after the abort')
    const { epoch } = this.#epoch
    const statement: Statement = { mode: 'raft', type, epoch, view: term, sequence: 0, digest, extra: NO_EXTRA }
    return this.#said.get(slotKey(statement)) ?? this.#state(statement)
  }

  /** The one history of this epoch. Nothing is signed in it from here on. */
  abort(content: HistoryContent): AbortHistory {
    assert(!this.#isClosed, 'an epoch is aborted once')
    const vote = this.#state(abortStatement(this.#epoch.sha256, content))
    this.#isClosed = true
    return { ...content, vote }
  }

  #once(type: 'header' | 'ack', position: Position): SignedStatement {
    assert(!this.#isClosed, 'nothing is said after the abort')
    const statement = positionStatement(type, this.#epoch.epoch, position)
    const before = this.#said.get(slotKey(statement))
    if (before !== undefined) {
      assert(bytesEqual(before.digest, statement.digest), 'one chain for each place and term')
      return before
    }
    this.#enter(position.term)
    return this.#state(statement)
  }

  #enter(term: number): void {
    assert(term >= this.#term, 'nothing is signed in a term that is over')
    if (term > this.#term) this.#said.clear()
    this.#term = term
  }

  #state(statement: Statement): SignedStatement {
    const signature = this.#sign(signBytes(this.#epoch.sign, statement))
    const signed = { ...statement, signer: this.#self, signature }
    this.#said.set(slotKey(statement), signed)
    if (this.#said.size > SAID_MAX) this.#said.delete(this.#said.keys().next().value as string)
    return signed
  }
}
