/**
 * What an adversary says to all members of a hybrid cluster in its Raft mode: suspicions that it signed badly, or
 * two of them, well signed, that contradict each other.
 */
import { NO_EXTRA, type SignedStatement, type Statement } from '../../src/consensus/bft/statement.js'
import type { ProtocolMessage } from '../../src/consensus/core.js'
import type { Epoch } from '../../src/consensus/types.js'
import type { LiarKey } from '../../src/simulator/byzantine/liar-key.js'
import { spoiled } from './campaign.js'

export class HybridLies {
  readonly #key: LiarKey
  #epoch = 0 as Epoch
  #term = 1
  #count = 0
  #leads = false

  constructor(key: LiarKey) {
    this.#key = key
  }

  /** Keeps up with where the cluster is. */
  hear(message: ProtocolMessage): void {
    if (message.type === 'hybridAppend') this.#leads = false
    if (!('term' in message) || !('epoch' in message)) return
    this.#epoch = message.epoch
    this.#term = message.term
  }

  /** … and with what this member is in it. */
  speak(message: ProtocolMessage): void {
    if (message.type === 'hybridAppend') this.#leads = true
  }

  get leads(): boolean {
    return this.#leads
  }

  badSignature(): ProtocolMessage[] {
    const vote = this.#suspect()
    return [{ type: 'hybridVote', vote: { ...vote, signature: spoiled(vote.signature) } }]
  }

  /** Both for one term. */
  equivocation(): ProtocolMessage[] {
    return [this.#suspect(), this.#suspect()].map((vote) => ({ type: 'hybridVote', vote }))
  }

  #suspect(): SignedStatement {
    this.#count++
    const digest = new Uint8Array(32).fill(this.#count % 256)
    const statement: Statement = {
      mode: 'raft',
      type: 'suspect',
      epoch: this.#epoch,
      view: this.#term,
      sequence: 0,
      digest,
      extra: NO_EXTRA,
    }
    return this.#key.sign(statement)
  }
}
