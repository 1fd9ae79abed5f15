/**
 * A member that lies: its node is the production one, and what it says passes through here on its way
 * out, with its key at hand. It lies in one way at a time, from the start of a window on.
 */
import { isHotStuff } from '../../consensus/bft/hotstuff/index.js'
import { isPbft } from '../../consensus/bft/pbft/index.js'
import type { BftMessage } from '../../consensus/bft/wire.js'
import type { ProtocolMessage } from '../../consensus/core.js'
import { isHybrid } from '../../consensus/hybrid/codec.js'
import type { Millis, NodeId } from '../../consensus/types.js'
import type { SnapshotFrame } from '../../node/ports.js'
import { CLIENT_FRAME } from '../../transport/client-protocol.js'
import { HybridLies } from '../hybrid/hybrid-lies.js'
import { outOfTurn, unsigned } from '../hybrid/out-of-turn.js'
import type { RaftLies } from '../hybrid/raft-lies.js'
import type { Saying } from '../network.js'
import type { SeededRandom } from '../random.js'
import { HotStuffLies } from './hotstuff-lies.js'
import { flipped, type LiarKey } from './liar-key.js'
import type { Lie } from './lies.js'
import { Memory } from './memory.js'
import { PbftLies } from './pbft-lies.js'

export interface LiarOptions {
  readonly key: LiarKey
  /** Of a hybrid: its lies in Raft epochs, and its key where one ends. Null elsewhere. */
  readonly hybrid: { readonly raft: RaftLies; readonly handOverKey: LiarKey } | null
  readonly others: readonly NodeId[]
  readonly random: SeededRandom
  /** A slow primary stays just below this. */
  readonly requestTimeoutMs: Millis
  /** A lie was told. */
  readonly onLie: (lie: Lie) => void
}

/** Share of the messages that a mutation strikes; an equivocator is consistent. */
const MUTATED = 0.5
const REPEATED = 0.3
const ENOUGH_DELAY = 0.9

export class Liar {
  readonly #options: LiarOptions
  readonly #memory = new Memory()
  readonly #pbft: PbftLies
  readonly #hotstuff: HotStuffLies
  readonly #hybrid: HybridLies | null
  #lie: Lie | null = null
  /** Who is told something else, or nothing. */
  #others = new Set<NodeId>()

  constructor(options: LiarOptions) {
    this.#options = options
    const { key, random, hybrid } = options
    const memory = this.#memory
    this.#pbft = new PbftLies(key, memory, random)
    this.#hotstuff = new HotStuffLies(key, memory, random)
    this.#hybrid =
      hybrid === null
        ? null
        : new HybridLies({ ...hybrid, handOver: new PbftLies(hybrid.handOverKey, memory, random), memory, random })
  }

  get lie(): Lie | null {
    return this.#lie
  }

  /** Lies so from now on; null ends it. */
  take(lie: Lie | null): void {
    this.#lie = lie
    this.#hybrid?.begin()
    const { others, random } = this.#options
    this.#others = new Set(others.filter(() => random.chance(0.5)))
    if (this.#others.size === 0) this.#others.add(random.pick(others))
  }

  /** What others said can be said again. Returns what it says to that at once, whatever its node does. */
  hear(from: NodeId, message: ProtocolMessage): readonly ProtocolMessage[] {
    if (isSigned(message)) this.#memory.note(message)
    const { hybrid, onLie } = this.#options
    const said = hybrid === null ? [] : outOfTurn(hybrid.raft.key, this.#lie, from, message)
    if (said.length > 0 && this.#lie !== null) onLie(this.#lie)
    return said
  }

  speak(to: NodeId, message: ProtocolMessage): readonly Saying[] | null {
    const lie = this.#lie
    const isOfProtocol = isSigned(message)
    if (!isOfProtocol && this.#hybrid === null) return lie === 'silence' || lie === 'withhold' ? [] : null
    if (isOfProtocol) this.#memory.note(message)
    if (lie === null) return null
    const said = isOfProtocol ? this.#said(lie, to, message) : now(unsigned(lie, message))
    if (said.length === 1 && said[0]?.message === message && said[0].delayMs === 0) return said
    this.#options.onLie(lie)
    return said
  }

  frame(frame: SnapshotFrame): SnapshotFrame | null {
    if (this.#lie === 'silence') return null
    if (this.#lie !== 'lieInTransfer' || frame.type !== 'snapshotChunk' || frame.bytes.length === 0) return frame
    this.#options.onLie('lieInTransfer')
    return { ...frame, bytes: flipped(frame.bytes, this.#options.random) }
  }

  answer(type: number, payload: Uint8Array): Uint8Array | null {
    if (this.#lie === 'silence') return null
    if (this.#lie !== 'wrongResult' || type !== CLIENT_FRAME.applied) return payload
    this.#options.onLie('wrongResult')
    const wrong = new Uint8Array(payload)
    // The number of the request stays, or nobody would look at the rest.
    wrong.set(flipped(payload.subarray(10), this.#options.random), 10)
    return wrong
  }

  #said(lie: Lie, to: NodeId, message: BftMessage): readonly Saying[] {
    const { random } = this.#options
    const isOther = this.#others.has(to)
    switch (lie) {
      case 'equivocate':
        return now(isOther ? this.#mutate(message, 'equivocate') : [message])
      case 'tamper':
        return now(random.chance(MUTATED) ? this.#mutate(message, 'tamper') : [message])
      case 'forge':
        return now(random.chance(MUTATED) ? this.#forged(message) : [message])
      case 'withhold':
        return now(isOther && this.#isBody(message) ? [] : [message])
      case 'replay':
        return now(this.#replayed(message))
      case 'lieInTransfer':
        return now(this.#mutate(message, 'transfer'))
      case 'flood':
        return now(this.#mutate(message, 'flood'))
      case 'silence':
        return []
      case 'slowPrimary':
        return [{ message, delayMs: this.#isProposal(message) ? this.#slowMs() : 0 }]
      case 'wrongResult':
        return now([message])
    }
  }

  #mutate(message: BftMessage, how: 'equivocate' | 'tamper' | 'transfer' | 'flood'): BftMessage[] {
    if (isPbft(message)) return this.#pbft[how](message)
    if (isHybrid(message)) return this.#hybrid?.[how](message) ?? [message]
    return isHotStuff(message) ? this.#hotstuff[how](message) : [message]
  }

  #forged(message: BftMessage): BftMessage[] {
    const { others } = this.#options
    if (isPbft(message)) return this.#pbft.forge(message, others)
    if (isHybrid(message)) return this.#hybrid?.forge(message, others) ?? [message]
    return isHotStuff(message) ? this.#hotstuff.forge(message, others) : [message]
  }

  #replayed(message: BftMessage): BftMessage[] {
    const { random } = this.#options
    if (!random.chance(REPEATED)) return [message]
    if (random.chance(0.2)) {
      if (isPbft(message)) return [message, this.#pbft.asStranger(message)]
      if (isHotStuff(message)) return [message, this.#hotstuff.asStranger(message)]
      if (isHybrid(message) && this.#hybrid !== null) return [message, this.#hybrid.asStranger(message)]
    }
    const old = this.#memory.message(random)
    return old === null ? [message] : [message, old]
  }

  #isBody(message: BftMessage): boolean {
    if (isHybrid(message)) return this.#hybrid?.isBody(message) ?? false
    return isPbft(message) ? this.#pbft.isBody(message) : isHotStuff(message) && this.#hotstuff.isBody(message)
  }

  #isProposal(message: BftMessage): boolean {
    if (isHybrid(message)) return this.#hybrid?.isProposal(message) ?? false
    return isPbft(message) ? this.#pbft.isProposal(message) : isHotStuff(message) && this.#hotstuff.isProposal(message)
  }

  #slowMs(): Millis {
    const { requestTimeoutMs, random } = this.#options
    return requestTimeoutMs * ENOUGH_DELAY * (0.5 + random.next() / 2)
  }
}

function isSigned(message: ProtocolMessage): message is BftMessage {
  return isPbft(message) || isHotStuff(message) || isHybrid(message)
}

function now(messages: readonly ProtocolMessage[]): readonly Saying[] {
  return messages.map((message) => ({ message, delayMs: 0 }))
}
