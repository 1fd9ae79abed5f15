/**
 * What a liar makes of HotStuff's messages. An equivocating leader gives one side of the cluster another
 * block for its round and votes for both; the other lies are small mutations, signed again with the liar's
 * own key.
 */
import { computeBatchDigest } from '../../consensus/batch-digest.js'
import { type HashedHeader, hashHeader } from '../../consensus/bft/hotstuff/block.js'
import { extraRound, type Qc, qcRound, voteStatement } from '../../consensus/bft/hotstuff/certificates.js'
import type { HotStuffMessage, HsProposal, HsTimeout, HsVote } from '../../consensus/bft/hotstuff/messages.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import type { LogIndex, NodeId } from '../../consensus/types.js'
import type { SeededRandom } from '../random.js'
import { flipped, type LiarKey, roundExtra, slightlyOff } from './liar-key.js'
import type { Memory } from './memory.js'

/** Rounds whose second block is remembered; older certificates that are. */
const ROUNDS_MAX = 64
const CERTIFICATES_MAX = 8

export class HotStuffLies {
  readonly #key: LiarKey
  readonly #memory: Memory
  readonly #random: SeededRandom
  /** The second block of a round, by round. */
  readonly #seconds = new Map<number, HashedHeader>()
  readonly #certificates: Qc[] = []

  constructor(key: LiarKey, memory: Memory, random: SeededRandom) {
    this.#key = key
    this.#memory = memory
    this.#random = random
  }

  /** What the other side of the cluster is told. */
  equivocate(message: HotStuffMessage): HotStuffMessage[] {
    switch (message.type) {
      case 'hsProposal':
        return [this.#secondProposal(message)]
      case 'hsVote':
        return this.#bothVotes(message)
      case 'hsTimeout':
        return [this.#olderTimeout(message)]
      case 'hsCheckpoint':
        return [{ ...message, checkpoint: this.#key.sign({ ...message.checkpoint, digest: this.#digest() }) }]
      default:
        return [message]
    }
  }

  tamper(message: HotStuffMessage): HotStuffMessage[] {
    const random = this.#random
    switch (message.type) {
      case 'hsProposal': {
        if (message.header.proposer !== this.#key.owner) return [message]
        const { header } = message
        switch (random.between(0, 4)) {
          case 0:
            return [this.#block(message, { ...header, round: header.round + 1 })]
          case 1:
            return [this.#block(message, { ...header, parentRound: Math.max(0, header.parentRound - 1) })]
          case 2:
            return [this.#block(message, { ...header, index: (header.index + 1) as LogIndex })]
          case 3:
            return [{ ...message, justify: this.#olderQc(message.justify) }]
          default:
            return [{ ...message, tc: null }]
        }
      }
      case 'hsVote':
        return [{ ...message, vote: this.#off(message.vote) }]
      case 'hsTimeout': {
        if (random.chance(0.5)) return [this.#olderTimeout(message)]
        const timeout = this.#key.sign({ ...message.timeout, view: message.timeout.view + 1 })
        return [{ ...message, timeout }]
      }
      case 'hsAdvance':
        return [{ ...message, qc: tamperedQc(message.qc, random) }]
      case 'hsCheckpoint':
        return [{ ...message, checkpoint: this.#off(message.checkpoint) }]
      default:
        return [message]
    }
  }

  /** In others' names, with other clients' words, with one signature for many. */
  forge(message: HotStuffMessage, others: readonly NodeId[]): HotStuffMessage[] {
    const signer = this.#random.pick(others)
    switch (message.type) {
      case 'hsProposal':
        return [this.#forgedBody(message)]
      case 'hsVote':
        return [message, { ...message, vote: { ...message.vote, signer } }]
      case 'hsTimeout':
        return [{ ...message, timeout: { ...message.timeout, signer } }]
      case 'hsAdvance': {
        const own = this.#key.sign(message.qc.statement).signature
        return [{ ...message, qc: { ...message.qc, signatures: message.qc.signatures.map(() => own) } }]
      }
      default:
        return [message]
    }
  }

  isBody(message: HotStuffMessage): boolean {
    return message.type === 'hsProposal' || message.type === 'hsBlocks' || message.type === 'hsEntries'
  }

  isProposal(message: HotStuffMessage): boolean {
    return message.type === 'hsProposal'
  }

  transfer(message: HotStuffMessage): HotStuffMessage[] {
    const random = this.#random
    switch (message.type) {
      case 'hsEntries': {
        const entries = message.entries.map((entry) =>
          random.chance(0.3) ? { ...entry, body: flipped(entry.body, random) } : entry,
        )
        return [{ ...message, entries }]
      }
      case 'hsBlocks': {
        const blocks = message.blocks.map((block) =>
          random.chance(0.3) ? { ...block, body: flipped(block.body, random) } : block,
        )
        return [{ ...message, blocks, committedIndex: (message.committedIndex + 1000) as LogIndex }]
      }
      case 'hsSnapshot':
        return [{ ...message, snapshot: { ...message.snapshot, id: flipped(message.snapshot.id, random) } }]
      case 'hsStatus':
        return [{ ...message, committedIndex: (message.committedIndex + 1000) as LogIndex }]
      default:
        return [message]
    }
  }

  /** Votes and time-outs for rounds that may never come, and questions. */
  flood(message: HotStuffMessage): HotStuffMessage[] {
    const random = this.#random
    const more: HotStuffMessage[] = []
    if (message.type === 'hsVote') {
      for (let at = 0; at < 5; at++) {
        const view = message.vote.view + random.between(1, 1000)
        more.push({ ...message, vote: this.#key.sign({ ...message.vote, view, digest: this.#digest() }) })
      }
    }
    if (message.type === 'hsProposal' && message.header.proposer === this.#key.owner) {
      for (let at = 0; at < 3; at++) {
        const { header } = message
        more.push(this.#block(message, { ...header, timestampMs: header.timestampMs + 1 + at }))
      }
      more.push({ type: 'hsFetchBlocks', epoch: message.header.epoch, hash: this.#digest(), height: -1 })
    }
    return [message, ...more]
  }

  /** What it says, signed for another cluster or another configuration. */
  asStranger(message: HotStuffMessage): HotStuffMessage {
    return message.type === 'hsVote'
      ? { ...message, vote: this.#key.signAsStranger(message.vote, this.#random) }
      : message
  }

  #secondProposal(message: HsProposal): HsProposal {
    const { header } = message
    if (header.proposer !== this.#key.owner) return message
    const { body } = this.#memory
    // An empty block gets the payload of an earlier one, which clients did sign.
    if (header.kind === 'empty' && body !== null) {
      const batchDigest = computeBatchDigest(this.#key.sha256, 'data', body)
      return this.#second(message, { ...header, kind: 'data', batchDigest, timestampMs: header.timestampMs + 1 }, body)
    }
    if (header.kind !== 'data') return message
    return this.#second(message, { ...header, timestampMs: header.timestampMs + 1 }, message.body)
  }

  #second(message: HsProposal, header: HsProposal['header'], body: Uint8Array): HsProposal {
    this.#seconds.set(header.round, hashHeader(this.#key.sha256, header))
    if (this.#seconds.size > ROUNDS_MAX) this.#seconds.delete(this.#seconds.keys().next().value as number)
    return { type: 'hsProposal', ...this.#key.signBlock(message, header, body) }
  }

  #bothVotes(message: HsVote): HsVote[] {
    const { vote } = message
    const second = this.#seconds.get(vote.view)
    if (second === undefined) {
      return this.#random.chance(0.7)
        ? [message]
        : [{ ...message, vote: this.#key.sign({ ...vote, digest: this.#digest() }) }]
    }
    return [message, { ...message, vote: this.#key.sign(voteStatement(second)) }]
  }

  /** As if it had never seen the newest certificate: what a lock is to be forgotten with. */
  #olderTimeout(message: HsTimeout): HsTimeout {
    const qc = this.#olderQc(message.highQc)
    if (qc === message.highQc) return message
    const timeout = this.#key.sign({ ...message.timeout, extra: roundExtra(qcRound(qc)) })
    return { ...message, timeout, highQc: qc }
  }

  #olderQc(qc: Qc): Qc {
    const older = this.#certificates.filter((one) => qcRound(one) < qcRound(qc))
    if (!this.#certificates.some((one) => qcRound(one) === qcRound(qc))) this.#certificates.push(qc)
    if (this.#certificates.length > CERTIFICATES_MAX) this.#certificates.shift()
    return older.length === 0 ? qc : this.#random.pick(older)
  }

  #forgedBody(message: HsProposal): HsProposal {
    const { header } = message
    if (header.proposer !== this.#key.owner || header.kind !== 'data') return message
    const body = new Uint8Array(message.body)
    const last = body.length - 1
    // The last byte belongs to a client's signature.
    body[last] = (body[last] as number) ^ 1
    const batchDigest = computeBatchDigest(this.#key.sha256, 'data', body)
    return { type: 'hsProposal', ...this.#key.signBlock(message, { ...header, batchDigest }, body) }
  }

  #block(message: HsProposal, header: HsProposal['header']): HsProposal {
    return { type: 'hsProposal', ...this.#key.signBlock(message, header) }
  }

  #off(signed: SignedStatement): SignedStatement {
    if (signed.type === 'vote' && this.#random.chance(0.3)) {
      const round = Math.max(0, extraRound(signed) + this.#random.pick([-1, 1]))
      return this.#key.sign({ ...signed, extra: roundExtra(round) })
    }
    // A round that no number can hold, or more than a round.
    if (this.#random.chance(0.1)) return this.#key.sign({ ...signed, extra: new Uint8Array(32).fill(0xff) })
    return this.#key.sign(slightlyOff(signed, this.#memory.digests, this.#random))
  }

  #digest(): Uint8Array {
    const { digests } = this.#memory
    return digests.length > 0 ? this.#random.pick(digests) : flipped(new Uint8Array(32), this.#random)
  }
}

/** One signature less, one that does not hold, or another round. */
function tamperedQc(qc: Qc, random: SeededRandom): Qc {
  const { statement, signers, signatures } = qc
  switch (random.between(0, 2)) {
    case 0:
      return { statement, signers: signers.slice(1), signatures: signatures.slice(1) }
    case 1:
      return { statement, signers, signatures: signatures.map((one, at) => (at === 0 ? flipped(one, random) : one)) }
    default:
      return { statement: { ...statement, view: statement.view + 1 }, signers, signatures }
  }
}
