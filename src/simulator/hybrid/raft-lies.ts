/**
 * The lies of one Byzantine member of a hybrid Raft epoch that take more than another word: a second
 * history of a term, told to some, and an end of the log that shows no more than what is certified. The
 * simulator and the tests of the engine both lie with these.
 */
import { computeBatchDigest } from '../../consensus/batch-digest.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import { type Entry, makeEntry } from '../../consensus/entry.js'
import { type AbortHistory, abortStatement } from '../../consensus/hybrid/abort-history.js'
import type { HybridAppend, HybridVoteRequest } from '../../consensus/hybrid/messages.js'
import { type Position, positionOf } from '../../consensus/hybrid/positions.js'
import type { LiarKey } from '../byzantine/liar-key.js'

/** Entries of the second history that are remembered. */
const BRANCH_MAX = 4096

export class RaftLies {
  readonly key: LiarKey
  /** Where the epoch begins. */
  readonly #origin: () => Position
  /** Entries of the second history of this term, by index. */
  readonly #branch = new Map<number, Entry>()
  #branchTerm = 0
  #forksFrom = Number.POSITIVE_INFINITY

  constructor(key: LiarKey, origin: () => Position) {
    this.key = key
    this.#origin = origin
  }

  /** From this index on there is a second history of the present term. */
  forkFrom(index: number): void {
    this.#forksFrom = index
  }

  /** The same entries with another time, chained to each other, under a header of the liar's. */
  forked(message: HybridAppend): HybridAppend {
    const { append, header } = message
    if (append.term !== this.#branchTerm) this.#branch.clear()
    this.#branchTerm = append.term
    let previous = this.#branch.get(append.prevIndex)?.chain
    const entries = append.entries.map((entry) => {
      if (entry.index < this.#forksFrom || entry.term !== append.term || entry.kind === 'mode') {
        previous = undefined
        return entry
      }
      const other =
        this.#branch.get(entry.index) ?? this.#rewritten(entry, { timestampMs: entry.timestampMs + 1 }, previous)
      this.#branch.set(entry.index, other)
      if (this.#branch.size > BRANCH_MAX) this.#branch.delete(this.#branch.keys().next().value as number)
      previous = other.chain
      return other
    })
    const digest = entries.at(-1)?.chain ?? this.#branch.get(append.prevIndex)?.chain ?? header.digest
    return { ...message, append: { ...append, entries }, header: this.key.sign({ ...header, digest }) }
  }

  /** An append whose last entry holds what no client signed, under a chain and a header that fit it. */
  withForgedBody(message: HybridAppend): HybridAppend {
    const { append, header } = message
    const last = append.entries.at(-1)
    if (last === undefined || last.kind !== 'data' || last.body.length === 0) return message
    const body = last.body.slice()
    const at = body.length - 1
    // The last byte belongs to a client's signature.
    body[at] = (body[at] as number) ^ 1
    const batchDigest = computeBatchDigest(this.key.sha256, 'data', body)
    const forged = this.#rewritten({ ...last, body }, { batchDigest }, undefined)
    const entries = [...append.entries.slice(0, -1), forged]
    return { ...message, append: { ...append, entries }, header: this.key.sign({ ...header, digest: forged.chain }) }
  }

  /** A history that shows no more than what is certified. */
  forgetful(history: AbortHistory): AbortHistory {
    const { commit } = history
    const tip = commit === null ? this.#origin() : positionOf(commit)
    return this.signed({ ...history, tip, term: null, header: null, headers: [], lastAck: null })
  }

  /** A history with another content, under a signature that holds. */
  signed(content: AbortHistory): AbortHistory {
    return { ...content, vote: this.key.sign(abortStatement(this.key.sha256, content)) }
  }

  /** Asks for a vote as if it knew no more than what is certified. */
  forgetfulRequest(message: HybridVoteRequest): HybridVoteRequest {
    const { commit } = message
    const tip = commit === null ? this.#origin() : positionOf(commit)
    return { ...message, tip, termCertificate: null, header: null, headers: [] }
  }

  /** Another word in the same place. */
  other(statement: SignedStatement): SignedStatement {
    return this.key.sign({ ...statement, digest: this.key.sha256(statement.digest) })
  }

  #rewritten(
    entry: Entry,
    change: Partial<Pick<Entry, 'timestampMs' | 'batchDigest'>>,
    previous: Uint8Array | undefined,
  ): Entry {
    const { chain: _chain, header: _header, body, certificate: _certificate, ...fields } = entry
    const previousChain = previous ?? fields.previousChain
    return makeEntry(this.key.sha256, { ...fields, ...change, previousChain }, body)
  }
}
