/**
 * What an adversary says to all members of a hybrid cluster in its Raft mode: suspicions that it signed badly, or
 * two acknowledgements of one place, well signed, that contradict each other.
 */
import { NO_EXTRA } from '../../src/consensus/bft/statement.js'
import type { ProtocolMessage } from '../../src/consensus/core.js'
import { positionStatement } from '../../src/consensus/hybrid/positions.js'
import type { Epoch, LogIndex, Term } from '../../src/consensus/types.js'
import type { LiarKey } from '../../src/simulator/byzantine/liar-key.js'
import { spoiled } from './campaign.js'

export class HybridLies {
  readonly #key: LiarKey
  #epoch = 0 as Epoch
  #term = 1 as Term
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
    const place = { mode: 'raft', type: 'suspect', epoch: this.#epoch, view: this.#term, sequence: 0 } as const
    const vote = this.#key.sign({ ...place, digest: this.#digest(), extra: NO_EXTRA })
    return [{ type: 'hybridVote', vote: { ...vote, signature: spoiled(vote.signature) } }]
  }

  /** Of the first entry, far below what anybody still waits for. */
  equivocation(): ProtocolMessage[] {
    const [epoch, term, index] = [this.#epoch, this.#term, 1 as LogIndex]
    const none = { prevIndex: 0 as LogIndex, matchIndex: index, hintIndex: 0 as LogIndex, hintTerm: 0 as Term }
    const reply = { type: 'appendEntriesReply', epoch, term, success: true, ...none, hintEpoch: epoch } as const
    return [this.#digest(), this.#digest()].map((hash) => ({
      type: 'hybridAck',
      reply: { ...reply, readPosition: 0, wallMs: 0 },
      ack: this.#key.sign(positionStatement('ack', epoch, { term, index, hash })),
      held: null,
    }))
  }

  /** Another one every time. */
  #digest(): Uint8Array {
    return this.#key.sha256(Uint8Array.of(++this.#count % 256))
  }
}
