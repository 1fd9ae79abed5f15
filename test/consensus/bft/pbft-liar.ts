/** What a Byzantine replica of PBFT sends instead of the truth, signed with its own key. */

import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import type { NewView, PbftMessage, ViewChange } from '../../../src/consensus/bft/pbft/messages.js'
import { newViewDigest, viewChangeDigest } from '../../../src/consensus/bft/pbft/new-view.js'
import { epochConfigHash } from '../../../src/consensus/bft/replicas.js'
import { type SignedStatement, type Statement, signBytes } from '../../../src/consensus/bft/statement.js'
import { type EntryKind, valueDigest } from '../../../src/consensus/entry.js'
import type { Membership } from '../../../src/consensus/membership.js'
import { epoch, logIndex, type NodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { signAs } from './keys.js'

type PrePrepare = Extract<PbftMessage, { type: 'pbftPrePrepare' }>

export class Liar {
  readonly id: NodeId
  readonly #configHash: Uint8Array

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

  /** Another digest for the same slot. */
  other<T extends Extract<PbftMessage, { type: 'pbftVote' }>>(message: T, salt = 1): T {
    const digest = sha256(Uint8Array.of(salt, ...message.vote.digest))
    return { ...message, vote: this.sign({ ...message.vote, digest }) }
  }

  /** The same batch at another time: another value for the same slot. */
  otherProposal(message: PrePrepare, laterMs = 1): PrePrepare {
    const value = { ...message.value, timestampMs: message.value.timestampMs + laterMs }
    const { sequence, epoch } = message.vote
    const index = logIndex(sequence === 0 ? 0 : sequence + 1)
    const digest = valueDigest(sha256, { epoch, index, timestampMs: value.timestampMs }, value.batchDigest)
    return { ...message, value, vote: this.sign({ ...message.vote, digest }) }
  }

  /** Any value at any place of this epoch. */
  proposal(view: number, sequence: number, kind: EntryKind, body: Uint8Array, timestampMs: number): PrePrepare {
    const batchDigest = computeBatchDigest(sha256, kind, body)
    const index = logIndex(sequence === 0 ? 0 : sequence + 1)
    const digest = valueDigest(sha256, { epoch: epoch(0), index, timestampMs }, batchDigest)
    const extra = new Uint8Array(32)
    const vote = this.sign({ mode: 'pbft', type: 'prepare', epoch: epoch(0), view, sequence, digest, extra })
    return { type: 'pbftPrePrepare', vote, value: { timestampMs, kind, batchDigest, body } }
  }

  /** Hides what is prepared. */
  forgetful(message: ViewChange, keep = 0): ViewChange {
    const content = { ...message, prepared: message.prepared.slice(0, keep) }
    return { ...content, vote: this.sign({ ...message.vote, digest: viewChangeDigest(sha256, content) }) }
  }

  /** Orders something else than what follows from the view changes. */
  wrongOrder(message: NewView): NewView {
    const order =
      message.order.length === 0
        ? [{ sequence: 0 as never, digest: sha256(Uint8Array.of(1)) }]
        : message.order.map(({ sequence, digest }) => ({ sequence, digest: sha256(digest) }))
    const content = { ...message, order }
    return { ...content, vote: this.sign({ ...message.vote, digest: newViewDigest(sha256, content) }) }
  }

  /** A random lie about whatever it is about to say; null for the truth. */
  distort(message: PbftMessage, random: () => number): readonly PbftMessage[] | null {
    const what = random()
    if (what < 0.1) return []
    if (what > 0.5) return null
    switch (message.type) {
      case 'pbftPrePrepare':
        return what < 0.3 ? [this.otherProposal(message)] : [message, this.otherProposal(message)]
      case 'pbftVote':
        if (what < 0.2) return [message, this.other(message)]
        if (what < 0.25) return [{ ...message, vote: { ...message.vote, signature: new Uint8Array(64) } }, message]
        return [this.other(message, random() < 0.5 ? 1 : 2)]
      case 'pbftViewChange':
        return [this.forgetful(message, Math.floor(random() * message.prepared.length))]
      case 'pbftNewView':
        return [this.wrongOrder(message)]
      default:
        return null
    }
  }
}
