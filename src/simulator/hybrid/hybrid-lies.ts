/**
 * What a liar makes of the hybrid's messages. As a leader of a Raft epoch it gives one side of the cluster
 * another history, as a follower it acknowledges two, as a voter it votes for everybody, and where the
 * epoch ends it shows one abort history here and another there. What it says in the hand-over it distorts
 * as it would in any epoch of PBFT, in that instance's own signing context.
 */
import type { Certificate } from '../../consensus/bft/certificate.js'
import type { PbftMessage, PrePrepare } from '../../consensus/bft/pbft/messages.js'
import { valueDigest } from '../../consensus/entry.js'
import type { HybridAppend, HybridCheckpoint, HybridMessage } from '../../consensus/hybrid/messages.js'
import type { LogIndex, NodeId, Term } from '../../consensus/types.js'
import { flipped, type LiarKey, slightlyOff } from '../byzantine/liar-key.js'
import type { Memory } from '../byzantine/memory.js'
import { type PbftLies, tampered } from '../byzantine/pbft-lies.js'
import type { SeededRandom } from '../random.js'
import { hugeEntry, liedEntries } from './entry-lies.js'
import type { RaftLies } from './raft-lies.js'

export interface HybridLiesOptions {
  readonly raft: RaftLies
  /** In the signing context of the instance that decides a hand-over. */
  readonly handOver: PbftLies
  readonly handOverKey: LiarKey
  readonly memory: Memory
  readonly random: SeededRandom
}

const wrap = (message: Extract<HybridMessage, { type: 'hybridHandOver' }>, inner: PbftMessage[]): HybridMessage[] =>
  inner.map((one) => ({ ...message, message: one }))

export class HybridLies {
  readonly #options: HybridLiesOptions
  /** Whether the second history of the present lie has begun. */
  #isForked = false
  /** Whether the present lie has sent what is too large to be sent often. */
  #hasSentHuge = false

  constructor(options: HybridLiesOptions) {
    this.#options = options
  }

  /** Another lie begins: a second history with the next append. */
  begin(): void {
    this.#isForked = false
    this.#hasSentHuge = false
  }

  /** What the other side of the cluster is told. */
  equivocate(message: HybridMessage): HybridMessage[] {
    const { raft, random } = this.#options
    switch (message.type) {
      case 'hybridAppend':
        return [this.#fork(message)]
      case 'hybridAck': {
        if (message.ack === null) return [message]
        const second = { ...message, ack: raft.other(message.ack) }
        return random.chance(0.5) ? [message, second] : [second]
      }
      case 'hybridHeld':
        return message.held === null ? [message] : [{ ...message, held: raft.other(message.held) }]
      case 'hybridGrant':
        return message.grant === null ? [message] : [{ ...message, grant: raft.other(message.grant) }]
      case 'hybridVote':
        return [{ ...message, vote: raft.other(message.vote) }]
      case 'hybridHistory':
        return [{ ...message, history: raft.forgetful(message.history) }]
      case 'hybridVoteRequest':
        return [raft.forgetfulRequest(message)]
      case 'hybridCheckpoint':
        return message.own === null ? [message] : [{ ...message, own: raft.other(message.own) }]
      case 'hybridHandOver': {
        const { message: inner } = message
        if (inner.type === 'pbftPrePrepare') return wrap(message, [this.#secondHandOver(inner)])
        return wrap(message, this.#options.handOver.equivocate(inner))
      }
      default:
        return [message]
    }
  }

  tamper(message: HybridMessage): HybridMessage[] {
    const { random } = this.#options
    switch (message.type) {
      case 'hybridAppend':
        return [this.#tamperedAppend(message)]
      case 'hybridAck': {
        const { reply } = message
        if (message.ack === null || random.chance(0.3))
          return [{ ...message, reply: { ...reply, matchIndex: (reply.matchIndex + 1) as LogIndex } }]
        return [{ ...message, ack: this.#off(message.ack) }]
      }
      case 'hybridGrant':
        return message.grant === null ? [message] : [{ ...message, grant: this.#off(message.grant) }]
      case 'hybridTerm': {
        const { termCertificate: own } = message
        return [{ ...message, termCertificate: { ...own, certificate: this.#tampered(own.certificate) } }]
      }
      case 'hybridCommit':
        if (random.chance(0.5)) return [{ ...message, collects: !message.collects }]
        return [{ ...message, commit: this.#tampered(message.commit) }]
      case 'hybridHeld':
        if (message.held === null || random.chance(0.5)) return [{ ...message, waits: !message.waits }]
        return [{ ...message, held: this.#off(message.held) }]
      case 'hybridVote':
        return [{ ...message, vote: this.#off(message.vote) }]
      case 'hybridVoteRequest': {
        const term = (message.request.term + random.between(1, 5)) as Term
        return [{ ...message, request: { ...message.request, term, transfer: true } }]
      }
      case 'hybridHistory':
        return [{ ...message, history: this.#tamperedHistory(message.history) }]
      case 'hybridSwitch': {
        const { certificate } = message
        return [{ ...message, certificate: { ...certificate, certificate: this.#tampered(certificate.certificate) } }]
      }
      case 'hybridCheckpoint':
        return [this.#tamperedCheckpoint(message)]
      case 'hybridHandOver':
        return wrap(message, this.#options.handOver.tamper(message.message))
      default:
        return [message]
    }
  }

  /** In others' names, with one signature for many, with what no client signed. */
  forge(message: HybridMessage, others: readonly NodeId[]): HybridMessage[] {
    const { raft, random } = this.#options
    const signer = random.pick(others)
    switch (message.type) {
      case 'hybridAppend':
        return [random.chance(0.5) ? raft.withForgedBody(message) : this.#withOwnSignatures(message)]
      case 'hybridAck':
        return message.ack === null ? [message] : [message, { ...message, ack: { ...message.ack, signer } }]
      case 'hybridGrant':
        return message.grant === null ? [message] : [{ ...message, grant: { ...message.grant, signer } }]
      case 'hybridTerm': {
        const { termCertificate: own } = message
        return [{ ...message, termCertificate: { ...own, certificate: this.#ownSignatures(own.certificate) } }]
      }
      case 'hybridCommit':
        return [{ ...message, commit: this.#ownSignatures(message.commit) }]
      case 'hybridHeld':
        return message.held === null ? [message] : [{ ...message, held: { ...message.held, signer } }]
      case 'hybridVote':
        return [message, { ...message, vote: { ...message.vote, signer } }]
      case 'hybridEvidence':
        return [{ ...message, evidence: { ...message.evidence, culprit: signer } }]
      case 'hybridHistory': {
        const { history } = message
        return [{ ...message, history: { ...history, vote: { ...history.vote, signer } } }]
      }
      case 'hybridSwitch': {
        const { certificate } = message
        const forged = { ...certificate, certificate: this.#ownSignatures(certificate.certificate) }
        return [{ ...message, certificate: forged }]
      }
      case 'hybridHandOver':
        return wrap(message, this.#options.handOver.forge(message.message, others))
      default:
        return [message]
    }
  }

  /** What some members do not get to see: bodies, certificates of commits, histories. */
  isBody(message: HybridMessage): boolean {
    switch (message.type) {
      case 'hybridAppend':
        return message.append.entries.length > 0
      case 'hybridEntries':
      case 'hybridHistory':
      case 'hybridCommit':
        return true
      case 'hybridHandOver':
        return this.#options.handOver.isBody(message.message)
      default:
        return false
    }
  }

  isProposal(message: HybridMessage): boolean {
    if (message.type === 'hybridHandOver') return this.#options.handOver.isProposal(message.message)
    return message.type === 'hybridAppend' && message.append.entries.length > 0
  }

  /** Wrong bodies and labels, histories that forget, more than it has. */
  transfer(message: HybridMessage): HybridMessage[] {
    const { raft, random } = this.#options
    switch (message.type) {
      case 'hybridEntries':
        return [liedEntries(raft.key, message, random)]
      case 'hybridHistory':
        return [{ ...message, history: raft.forgetful(message.history) }]
      case 'hybridCheckpoint': {
        const { snapshot, proof } = message
        if (snapshot === null) return [message]
        if (proof !== null && random.chance(0.5)) return [{ ...message, proof: flipped(proof, random) }]
        return [{ ...message, snapshot: { ...snapshot, id: flipped(snapshot.id, random) } }]
      }
      case 'hybridFetch':
        return [{ ...message, upTo: (message.upTo + 1000) as LogIndex }]
      case 'hybridHandOver':
        return wrap(message, this.#options.handOver.transfer(message.message))
      default:
        return [message]
    }
  }

  /** Signed votes for terms and places that may never come, and what no member wants. */
  flood(message: HybridMessage): HybridMessage[] {
    const { raft, random } = this.#options
    switch (message.type) {
      case 'hybridAck': {
        const { ack } = message
        if (ack === null) return [message]
        const more = Array.from({ length: 5 }, (): HybridMessage => {
          const sequence = ack.sequence + random.between(1, 1000)
          return { ...message, ack: raft.key.sign({ ...ack, sequence }) }
        })
        return [message, ...more]
      }
      case 'hybridAppend': {
        const { epoch, term } = message.append
        const suspicion = { mode: 'raft', type: 'suspect', epoch, sequence: 0 } as const
        const bytes = { digest: flipped(new Uint8Array(32), random), extra: new Uint8Array(32) }
        const more = Array.from({ length: 3 }, (_, at): HybridMessage => {
          const vote = raft.key.sign({ ...suspicion, ...bytes, view: term + at })
          return { type: 'hybridVote', vote }
        })
        const panic = raft.key.sign({ ...suspicion, ...bytes, type: 'panic', view: 0 })
        return [message, ...more, { type: 'hybridVote', vote: panic }]
      }
      case 'hybridHistory': {
        if (this.#hasSentHuge) return [message]
        this.#hasSentHuge = true
        return [message, hugeEntry(raft.key, message.history)]
      }
      case 'hybridHandOver':
        return wrap(message, this.#options.handOver.flood(message.message))
      default:
        return [message]
    }
  }

  /** What it says, signed for another cluster or another configuration. */
  asStranger(message: HybridMessage): HybridMessage {
    const { raft, random, handOver } = this.#options
    switch (message.type) {
      case 'hybridVote':
        return { ...message, vote: raft.key.signAsStranger(message.vote, random) }
      case 'hybridHeld':
        return message.held === null ? message : { ...message, held: raft.key.signAsStranger(message.held, random) }
      case 'hybridAppend':
        return { ...message, header: raft.key.signAsStranger(message.header, random) }
      case 'hybridHandOver':
        return { ...message, message: handOver.asStranger(message.message) }
      default:
        return message
    }
  }

  #fork(message: HybridAppend): HybridAppend {
    const { raft } = this.#options
    const first = message.append.entries.find(({ kind, term }) => kind !== 'mode' && term === message.append.term)
    if (!this.#isForked && first !== undefined) {
      this.#isForked = true
      raft.forkFrom(first.index)
    }
    return raft.forked(message)
  }

  #tamperedAppend(message: HybridAppend): HybridAppend {
    const { raft, random } = this.#options
    const { append, commit } = message
    const at = append.entries.length - 1
    const last = append.entries[at]
    switch (random.between(0, 6)) {
      case 0:
        return { ...message, header: this.#off(message.header) }
      case 1: {
        if (last === undefined) return message
        const changed = { ...last, body: flipped(last.body, random) }
        return { ...message, append: { ...append, entries: [...append.entries.slice(0, at), changed] } }
      }
      case 2:
        return { ...message, append: { ...append, prevTerm: (append.prevTerm + 1) as Term } }
      case 3:
        return { ...message, append: { ...append, prevIndex: Math.max(0, append.prevIndex - 1) as LogIndex } }
      case 4:
        return { ...message, bridge: message.bridge.slice(1), termCertificate: null }
      case 5:
        return { ...message, append: { ...append, commitIndex: (append.commitIndex + 1000) as LogIndex } }
      default:
        return commit === null ? raft.forked(message) : { ...message, commit: this.#tampered(commit), proof: commit }
    }
  }

  #tamperedCheckpoint(message: HybridCheckpoint): HybridCheckpoint {
    const { own, certificate, links } = message
    if (own !== null && this.#options.random.chance(0.5)) return { ...message, own: this.#off(own) }
    if (certificate !== null) return { ...message, certificate: this.#tampered(certificate) }
    return { ...message, links: links.slice(1) }
  }

  #tamperedHistory(history: Extract<HybridMessage, { type: 'hybridHistory' }>['history']) {
    const { raft, random } = this.#options
    switch (random.between(0, 3)) {
      case 0:
        return raft.signed({ ...history, lastAck: null })
      case 1:
        return raft.signed({ ...history, commit: null })
      case 2:
        return raft.signed({ ...history, headers: history.headers.slice(1) })
      default:
        return { ...history, vote: this.#off(history.vote) }
    }
  }

  #withOwnSignatures(message: HybridAppend): HybridAppend {
    const { commit, termCertificate: term } = message
    if (commit !== null) return { ...message, commit: this.#ownSignatures(commit) }
    if (term === null) return message
    return { ...message, termCertificate: { ...term, certificate: this.#ownSignatures(term.certificate) } }
  }

  #ownSignatures(certificate: Certificate): Certificate {
    const own = this.#options.raft.key.sign(certificate.statement).signature
    return { ...certificate, signatures: certificate.signatures.map(() => own) }
  }

  /** The same hand-over at another time: two decisions, if anybody let both pass. */
  #secondHandOver(message: PrePrepare): PrePrepare {
    const { handOverKey } = this.#options
    const { vote, value } = message
    if (vote.signer !== handOverKey.owner) return message
    const second = { ...value, timestampMs: value.timestampMs + 1 }
    // Votes for sequence 0 bind index 0.
    const place = { epoch: vote.epoch, index: 0 as LogIndex, timestampMs: second.timestampMs }
    const digest = valueDigest(handOverKey.sha256, place, second.batchDigest)
    return { ...message, value: second, vote: handOverKey.sign({ ...vote, digest }) }
  }

  #off(statement: Parameters<typeof slightlyOff>[0]) {
    const { raft, memory, random } = this.#options
    return raft.key.sign(slightlyOff(statement, memory.digests, random))
  }

  #tampered(certificate: Certificate): Certificate {
    return tampered(certificate, this.#options.random)
  }
}
