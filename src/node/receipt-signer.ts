/**
 * The one object of a node that signs statements for receipts. It decides first: never a second
 * statement for one entry, so that no two receipts of an honest node contradict each other; what it
 * signed is given out again, not made again. Its types of statements are no other protocol's.
 */
import { KnhkError } from '../base/error.js'
import {
  type SignContext,
  type SignedStatement,
  type Statement,
  sameStatement,
  signBytes,
} from '../consensus/bft/statement.js'
import { StatementBook } from '../consensus/bft/statement-book.js'
import type { NodeId } from '../consensus/types.js'

/** Statements that are remembered: more than there are entries whose results are kept. */
const REMEMBERED_MAX = 16_384

export class ReceiptSigner {
  readonly #self: NodeId
  readonly #sign: (bytes: Uint8Array) => Uint8Array
  readonly #book = new StatementBook(REMEMBERED_MAX)

  constructor(self: NodeId, sign: (bytes: Uint8Array) => Uint8Array) {
    this.#self = self
    this.#sign = sign
  }

  /** Throws `Refused` where this node stands for something else in that place already. */
  sign(context: SignContext, statement: Statement): SignedStatement {
    const before = this.#book.before(this.#self, statement)
    if (before !== undefined) {
      if (sameStatement(before, statement)) return before
      throw new KnhkError('Refused', `this node signed something else for entry ${statement.sequence} before`, {
        hint: 'Its state changed after the fact: `knhk log verify` and `knhk doctor` look for the reason.',
      })
    }
    const signed = { ...statement, signer: this.#self, signature: this.#sign(signBytes(context, statement)) }
    this.#book.note(signed)
    return signed
  }
}
