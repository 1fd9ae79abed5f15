/**
 * A member that lies: its node is the production one, and what it says passes through here on its way
 * out, with its key at hand. It lies in one way at a time, from the start of a window on.
 */
import { isHotStuff } from '../../consensus/bft/hotstuff/index.js'
import { isPbft } from '../../consensus/bft/pbft/index.js'
import type { BftMessage } from '../../consensus/bft/wire.js'
import type { ProtocolMessage } from '../../consensus/core.js'
import type { Millis, NodeId } from '../../consensus/types.js'
import type { SnapshotFrame } from '../../node/ports.js'
import { CLIENT_FRAME } from '../../transport/client-protocol.js'
import type { Saying } from '../network.js'
import type { SeededRandom } from '../random.js'
import { HotStuffLies } from './hotstuff-lies.js'
import { flipped, type LiarKey } from './liar-key.js'
import type { Lie } from './lies.js'
import { Memory } from './memory.js'
import { PbftLies } from './pbft-lies.js'

export interface LiarOptions {
  readonly key: LiarKey
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
  #lie: Lie | null = null
  /** Who is told something else, or nothing. */
  #others = new Set<NodeId>()

  constructor(options: LiarOptions) {
    this.#options = options
    const { key, random } = options
    this.#pbft = new PbftLies(key, this.#memory, random)
    this.#hotstuff = new HotStuffLies(key, this.#memory, random)
  }

  get lie(): Lie | null {
    return this.#lie
  }

  /** Lies so from now on; null ends it. */
  take(lie: Lie | null): void {
    this.#lie = lie
    const { others, random } = this.#options
    this.#others = new Set(others.filter(() => random.chance(0.5)))
    if (this.#others.size === 0) this.#others.add(random.pick(others))
  }

  /** What others said can be said again. */
  hear(message: ProtocolMessage): void {
    if (isPbft(message) || isHotStuff(message)) this.#memory.note(message)
  }

  speak(to: NodeId, message: ProtocolMessage): readonly Saying[] | null {
    const lie = this.#lie
    if (!isPbft(message) && !isHotStuff(message)) return lie === 'silence' || lie === 'withhold' ? [] : null
    this.#memory.note(message)
    if (lie === null) return null
    const said = this.#said(lie, to, message)
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
    const wrong = payload.slice()
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
    return isHotStuff(message) ? this.#hotstuff[how](message) : [message]
  }

  #forged(message: BftMessage): BftMessage[] {
    const { others } = this.#options
    if (isPbft(message)) return this.#pbft.forge(message, others)
    return isHotStuff(message) ? this.#hotstuff.forge(message, others) : [message]
  }

  #replayed(message: BftMessage): BftMessage[] {
    const { random } = this.#options
    if (!random.chance(REPEATED)) return [message]
    if (random.chance(0.2)) {
      if (isPbft(message)) return [message, this.#pbft.asStranger(message)]
      if (isHotStuff(message)) return [message, this.#hotstuff.asStranger(message)]
    }
    const old = this.#memory.message(random)
    return old === null ? [message] : [message, old]
  }

  #isBody(message: BftMessage): boolean {
    return isPbft(message) ? this.#pbft.isBody(message) : isHotStuff(message) && this.#hotstuff.isBody(message)
  }

  #isProposal(message: BftMessage): boolean {
    return isPbft(message) ? this.#pbft.isProposal(message) : isHotStuff(message) && this.#hotstuff.isProposal(message)
  }

  #slowMs(): Millis {
    const { requestTimeoutMs, random } = this.#options
    return requestTimeoutMs * ENOUGH_DELAY * (0.5 + random.next() / 2)
  }
}

function now(messages: readonly BftMessage[]): readonly Saying[] {
  return messages.map((message) => ({ message, delayMs: 0 }))
}
