/**
 * What a liar makes of PBFT's messages. An equivocating primary gives one side of the cluster another
 * value for the same slot and then votes on each side for what that side was given; the other lies are
 * small mutations, signed again with the liar's own key.
 */
import { computeBatchDigest } from '../../consensus/batch-digest.js'
import type { Certificate } from '../../consensus/bft/certificate.js'
import type { PbftMessage, PrePrepare, ViewChange, Vote } from '../../consensus/bft/pbft/messages.js'
import { newViewDigest, viewChangeDigest } from '../../consensus/bft/pbft/new-view.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import { valueDigest } from '../../consensus/entry.js'
import type { LogIndex, NodeId, SequenceNumber, ViewNumber } from '../../consensus/types.js'
import type { SeededRandom } from '../random.js'
import { flipped, type LiarKey, slightlyOff } from './liar-key.js'
import type { Memory } from './memory.js'

/** Slots whose second value is remembered. */
const SLOTS_MAX = 64

export class PbftLies {
  readonly #key: LiarKey
  readonly #memory: Memory
  readonly #random: SeededRandom
  /** Digest of the second value of a slot, by view and sequence. */
  readonly #seconds = new Map<string, Uint8Array>()

  constructor(key: LiarKey, memory: Memory, random: SeededRandom) {
    this.#key = key
    this.#memory = memory
    this.#random = random
  }

  /** What the other side of the cluster is told. */
  equivocate(message: PbftMessage): PbftMessage[] {
    switch (message.type) {
      case 'pbftPrePrepare':
        return [this.#secondProposal(message)]
      case 'pbftVote':
        return [this.#secondVote(message)]
      case 'pbftViewChange': {
        // As if it had never prepared the last slots that it knows of.
        const prepared = message.prepared.slice(0, this.#random.between(0, message.prepared.length))
        return [this.#viewChange(message, { ...message, prepared })]
      }
      default:
        return [message]
    }
  }

  tamper(message: PbftMessage): PbftMessage[] {
    const random = this.#random
    switch (message.type) {
      case 'pbftPrePrepare':
        return random.chance(0.5)
          ? [{ ...message, vote: this.#off(message.vote) }]
          : [{ ...message, value: { ...message.value, timestampMs: message.value.timestampMs + 1 } }]
      case 'pbftVote':
        return [{ ...message, vote: this.#off(message.vote) }]
      case 'pbftCertificate':
        return [{ ...message, certificate: tampered(message.certificate, random) }]
      case 'pbftViewChange': {
        if (random.chance(0.3)) return [{ ...message, vote: this.#off(message.vote) }]
        const content = { ...message, prepared: message.prepared.map((one) => tampered(one, random)) }
        return [this.#viewChange(message, random.chance(0.5) ? content : { ...message, stable: null })]
      }
      case 'pbftNewView': {
        const order = message.order.map(({ sequence, digest }) =>
          random.chance(0.3) ? { sequence, digest: this.#digest(digest) } : { sequence, digest },
        )
        const content = { ...message, order: random.chance(0.3) ? order.slice(1) : order }
        const digest = newViewDigest(this.#key.sha256, content)
        return [{ ...content, vote: this.#key.sign({ ...message.vote, digest }) }]
      }
      case 'pbftStatus':
        return [{ ...message, view: (message.view + 1) as ViewNumber, lastIndex: (message.lastIndex + 1) as LogIndex }]
      default:
        return [message]
    }
  }

  /** In others' names, with other clients' words, with one signature for many. */
  forge(message: PbftMessage, others: readonly NodeId[]): PbftMessage[] {
    const random = this.#random
    const signer = random.pick(others)
    switch (message.type) {
      case 'pbftPrePrepare':
        return [this.#forgedBody(message)]
      case 'pbftVote': {
        const forged: Vote = { type: 'pbftVote', vote: { ...message.vote, signer } }
        return [message, forged]
      }
      case 'pbftCertificate': {
        const { certificate } = message
        const own = this.#key.sign(certificate.statement).signature
        return [{ ...message, certificate: { ...certificate, signatures: certificate.signatures.map(() => own) } }]
      }
      case 'pbftViewChange':
        return [{ ...message, vote: { ...message.vote, signer } }]
      default:
        return [message]
    }
  }

  /** Proposals and values; what carries no body is said. */
  isBody(message: PbftMessage): boolean {
    return message.type === 'pbftPrePrepare' || message.type === 'pbftValue' || message.type === 'pbftDecided'
  }

  isProposal(message: PbftMessage): boolean {
    return message.type === 'pbftPrePrepare' || message.type === 'pbftNewView'
  }

  transfer(message: PbftMessage): PbftMessage[] {
    const random = this.#random
    switch (message.type) {
      case 'pbftDecided': {
        const entries = message.entries.map((entry) =>
          random.chance(0.3) ? { ...entry, body: flipped(entry.body, random) } : entry,
        )
        return [{ ...message, entries, lastIndex: (message.lastIndex + 1000) as LogIndex }]
      }
      case 'pbftValue':
        return [{ ...message, value: { ...message.value, body: flipped(message.value.body, random) } }]
      case 'pbftOffer': {
        const { snapshot } = message
        const wrong = random.chance(0.5)
          ? { ...snapshot, id: flipped(snapshot.id, random) }
          : { ...snapshot, base: { ...snapshot.base, index: (snapshot.base.index + 1) as LogIndex } }
        return [{ ...message, snapshot: wrong }]
      }
      case 'pbftStatus':
        return [{ ...message, lastIndex: (message.lastIndex + 1000) as LogIndex, slots: new Uint8Array(0) }]
      default:
        return [message]
    }
  }

  /** Signed votes for slots and views that may never come. */
  flood(message: PbftMessage): PbftMessage[] {
    if (message.type !== 'pbftVote' && message.type !== 'pbftStatus') return [message]
    const random = this.#random
    const more: PbftMessage[] = []
    if (message.type === 'pbftStatus') {
      const digest = flipped(new Uint8Array(32), random)
      const sequence = random.between(0, 500) as SequenceNumber
      more.push({ type: 'pbftFetch', epoch: message.epoch, sequence, digest }, { ...message, wantsEntries: true })
    } else {
      for (let at = 0; at < 5; at++) {
        const view = message.vote.view + random.between(0, 3)
        const sequence = message.vote.sequence + random.between(0, 1000)
        more.push({ type: 'pbftVote', vote: this.#key.sign({ ...message.vote, view, sequence }) })
      }
      const vote = { ...message.vote, type: 'viewChange', view: message.vote.view + random.between(1, 1000) } as const
      const change: ViewChange = { type: 'pbftViewChange', vote: { ...vote }, stable: null, prepared: [] }
      more.push(this.#viewChange(change, { ...change, vote: { ...vote, sequence: 0 } }))
    }
    return [message, ...more]
  }

  /** What it says, signed for another cluster or another configuration. */
  asStranger(message: PbftMessage): PbftMessage {
    return message.type === 'pbftVote'
      ? { ...message, vote: this.#key.signAsStranger(message.vote, this.#random) }
      : message
  }

  #secondProposal(message: PrePrepare): PrePrepare {
    const { vote, value } = message
    if (vote.signer !== this.#key.owner || value.kind !== 'data') return message
    const second = { ...value, timestampMs: value.timestampMs + 1 }
    // Sequence k of the first epoch has index k + 1; of a later one the side just does not accept it.
    const place = { epoch: vote.epoch, index: (vote.sequence + 1) as LogIndex, timestampMs: second.timestampMs }
    const digest = valueDigest(this.#key.sha256, place, second.batchDigest)
    this.#remember(vote, digest)
    return { ...message, value: second, vote: this.#key.sign({ ...vote, digest }) }
  }

  #secondVote(message: Vote): Vote {
    const { vote } = message
    const second = this.#seconds.get(slotOf(vote))
    if (second === undefined && this.#random.chance(0.7)) return message
    return { ...message, vote: this.#key.sign({ ...vote, digest: second ?? this.#digest(vote.digest) }) }
  }

  #forgedBody(message: PrePrepare): PrePrepare {
    const { vote, value } = message
    if (vote.signer !== this.#key.owner || value.kind !== 'data') return message
    const body = new Uint8Array(value.body)
    const last = body.length - 1
    // The last byte belongs to a client's signature.
    body[last] = (body[last] as number) ^ 1
    const batchDigest = computeBatchDigest(this.#key.sha256, 'data', body)
    const place = { epoch: vote.epoch, index: (vote.sequence + 1) as LogIndex, timestampMs: value.timestampMs }
    const digest = valueDigest(this.#key.sha256, place, batchDigest)
    return { ...message, value: { ...value, body, batchDigest }, vote: this.#key.sign({ ...vote, digest }) }
  }

  #viewChange(message: ViewChange, content: ViewChange): ViewChange {
    const digest = viewChangeDigest(this.#key.sha256, content)
    return { ...content, vote: this.#key.sign({ ...message.vote, sequence: 0, digest }) }
  }

  #off(vote: SignedStatement): SignedStatement {
    return this.#key.sign(slightlyOff(vote, this.#memory.digests, this.#random))
  }

  #digest(other: Uint8Array): Uint8Array {
    const { digests } = this.#memory
    return digests.length > 0 && this.#random.chance(0.7) ? this.#random.pick(digests) : flipped(other, this.#random)
  }

  #remember(vote: SignedStatement, digest: Uint8Array): void {
    this.#seconds.set(slotOf(vote), digest)
    if (this.#seconds.size > SLOTS_MAX) this.#seconds.delete(this.#seconds.keys().next().value as string)
  }
}

function slotOf({ view, sequence }: { readonly view: ViewNumber | number; readonly sequence: number }): string {
  return `${view}/${sequence}`
}

/** One signature less, one that does not hold, or another view. */
export function tampered(certificate: Certificate, random: SeededRandom): Certificate {
  const { statement, signers, signatures } = certificate
  switch (random.between(0, 2)) {
    case 0:
      return { statement, signers: signers.slice(1), signatures: signatures.slice(1) }
    case 1:
      return { statement, signers, signatures: signatures.map((one, at) => (at === 0 ? flipped(one, random) : one)) }
    default:
      return { statement: { ...statement, view: statement.view + 1 }, signers, signatures }
  }
}
