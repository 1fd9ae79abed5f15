/** What a Byzantine member of a hybrid Raft epoch says instead of the truth, under its own key. */
import { epochConfigHash } from '../../../src/consensus/bft/replicas.js'
import { type SignedStatement, type Statement, signBytes } from '../../../src/consensus/bft/statement.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { type Entry, makeEntry } from '../../../src/consensus/entry.js'
import { type AbortHistory, abortStatement } from '../../../src/consensus/hybrid/abort-history.js'
import type { HybridAppend } from '../../../src/consensus/hybrid/messages.js'
import { positionOf } from '../../../src/consensus/hybrid/positions.js'
import type { Membership } from '../../../src/consensus/membership.js'
import { logIndex, type NodeId, term } from '../../../src/consensus/types.js'
import { signAs } from '../bft/keys.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'

export class RaftLiar {
  readonly id: NodeId
  readonly #configHash: Uint8Array
  /** Members that are told the other branch, and its entries by index. */
  readonly #victims = new Set<NodeId>()
  readonly #branch = new Map<number, Entry>()
  #branchTerm = 0
  #forksFrom = Number.POSITIVE_INFINITY

  constructor(id: NodeId, membership: Membership) {
    this.id = id
    this.#configHash = epochConfigHash(sha256, CONFIG_HASH, membership)
  }

  sign(statement: Statement): SignedStatement {
    const { mode, type, epoch, view, sequence, digest, extra } = statement
    const plain = { mode, type, epoch, view, sequence, digest, extra }
    const bytes = signBytes({ clusterId: CLUSTER_ID, configHash: this.#configHash }, plain)
    return { ...plain, signer: this.id, signature: signAs(this.id)(bytes) }
  }

  /** From this index on these members are told another history of the present term. */
  fork(victims: readonly NodeId[], fromIndex: number): void {
    this.#victims.clear()
    for (const id of victims) this.#victims.add(id)
    this.#forksFrom = fromIndex
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
      const known = this.#branch.get(entry.index)
      const { chain: _chain, header: _header, body, certificate: _certificate, ...fields } = entry
      const other =
        known ??
        makeEntry(
          sha256,
          { ...fields, timestampMs: fields.timestampMs + 1, previousChain: previous ?? fields.previousChain },
          body,
        )
      this.#branch.set(entry.index, other)
      previous = other.chain
      return other
    })
    const digest = entries.at(-1)?.chain ?? this.#branch.get(append.prevIndex)?.chain ?? header.digest
    return { ...message, append: { ...append, entries }, header: this.sign({ ...header, digest }) }
  }

  /** A history that shows no more than what is certified. */
  forgetful(history: AbortHistory): AbortHistory {
    const { commit } = history
    const origin = { term: term(0), index: logIndex(0), hash: new Uint8Array(32) }
    const tip = commit === null ? origin : positionOf(commit)
    const content = { ...history, tip, term: null, header: null, headers: [], lastAck: null }
    return { ...content, vote: this.sign(abortStatement(sha256, content)) }
  }

  /** A random lie about whatever it is about to say; null for the truth. */
  distort(to: NodeId, message: ProtocolMessage, random: () => number): readonly ProtocolMessage[] | null {
    if (message.type === 'hybridAppend' && this.#victims.has(to)) return [this.forked(message)]
    const what = random()
    if (what < 0.04) return []
    if (what > 0.12) return null
    switch (message.type) {
      case 'hybridAck':
        return message.ack === null ? null : [{ ...message, ack: this.#other(message.ack) }]
      case 'hybridHeld':
        return [{ ...message, held: this.#other(message.held) }]
      case 'hybridGrant':
        return message.grant === null ? null : [{ ...message, grant: this.#other(message.grant) }]
      case 'hybridHistory':
        return what < 0.08 ? [] : [{ ...message, history: this.forgetful(message.history) }]
      case 'hybridEntries':
      case 'hybridHandOver':
        return []
      case 'hybridVoteRequest':
        return [{ ...message, request: { ...message.request, term: term(message.request.term + 3), transfer: true } }]
      case 'heartbeat':
        return [{ ...message, commitIndex: logIndex(message.commitIndex + 1000), acknowledgedIndex: logIndex(9999) }]
      case 'heartbeatReply':
        return [{ ...message, term: term(message.term + 7) }]
      default:
        return null
    }
  }

  #other(statement: SignedStatement): SignedStatement {
    return this.sign({ ...statement, digest: sha256(statement.digest) })
  }
}
