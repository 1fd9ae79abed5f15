/**
 * The simulated network between members: every message goes through the production codec, takes a
 * random time, and can be lost, repeated, overtaken or cut off. Links drop what was on its way when a
 * side crashes, as a broken TCP connection does.
 */
import { concatBytes } from '../base/bytes.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { PeerLinks } from '../node/ports.js'
import { decodeMessage, encodeMessage } from '../transport/raft-codec.js'
import type { EventQueue } from './event-queue.js'
import type { SeededRandom } from './random.js'

export interface NetworkOptions {
  readonly latencyMinMs: Millis
  readonly latencyMaxMs: Millis
  /** Probabilities per message. */
  readonly loss: number
  readonly duplication: number
  /** Share of messages that take up to ten times as long, and so are overtaken. */
  readonly delay: number
}

export const CALM_NETWORK: NetworkOptions = { latencyMinMs: 0.1, latencyMaxMs: 0.5, loss: 0, duplication: 0, delay: 0 }

export class SimulatedNetwork {
  options: NetworkOptions
  readonly #queue: EventQueue
  readonly #random: SeededRandom
  readonly #ends = new Map<NodeId, SimulatedLinks>()
  /** Directed pairs that are cut: `from>to`. */
  readonly #cut = new Set<string>()
  delivered = 0
  lost = 0

  constructor(queue: EventQueue, random: SeededRandom, options: NetworkOptions = CALM_NETWORK) {
    this.#queue = queue
    this.#random = random
    this.options = options
  }

  /** The links of one run of one node; replaces those of its earlier run. */
  attach(self: NodeId): SimulatedLinks {
    const links = new SimulatedLinks((to, message) => this.#send(self, links, to, message))
    this.#ends.set(self, links)
    return links
  }

  detach(self: NodeId): void {
    this.#ends.delete(self)
  }

  /** Cuts the direction from → to. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`)
  }

  heal(): void {
    this.#cut.clear()
  }

  /** Cuts both directions between every member of one group and every member of the other. */
  partition(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cut(a, b)
        this.cut(b, a)
      }
    }
  }

  #send(from: NodeId, sender: SimulatedLinks, to: NodeId, message: ProtocolMessage): void {
    if (this.#cut.has(`${from}>${to}`) || this.#random.chance(this.options.loss)) {
      this.lost++
      return
    }
    const { type, parts } = encodeMessage(message)
    const payload = concatBytes(parts)
    const receiver = this.#ends.get(to)
    const copies = this.#random.chance(this.options.duplication) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      this.#queue.after(this.#latencyMs(), () => {
        // A crash of either side ends the connection and what was on its way.
        if (receiver === undefined || this.#ends.get(to) !== receiver || this.#ends.get(from) !== sender) return
        const decoded = decodeMessage(type, payload)
        if (decoded === null) return
        this.delivered++
        receiver.onMessage(from, decoded)
      })
    }
  }

  #latencyMs(): Millis {
    const { latencyMinMs, latencyMaxMs, delay } = this.options
    const base = latencyMinMs + this.#random.next() * (latencyMaxMs - latencyMinMs)
    return this.#random.chance(delay) ? base * (1 + 9 * this.#random.next()) : base
  }
}

export class SimulatedLinks implements PeerLinks {
  readonly #transmit: (to: NodeId, message: ProtocolMessage) => void
  #queued: { to: NodeId; message: ProtocolMessage }[] = []
  onMessage: PeerLinks['onMessage'] = () => {}
  onConnectionChange: PeerLinks['onConnectionChange'] = () => {}

  constructor(transmit: (to: NodeId, message: ProtocolMessage) => void) {
    this.#transmit = transmit
  }

  send(to: NodeId, message: ProtocolMessage): boolean {
    this.#queued.push({ to, message })
    return true
  }

  flush(): void {
    const queued = this.#queued
    this.#queued = []
    for (const { to, message } of queued) this.#transmit(to, message)
  }

  isConnected(): boolean {
    return true
  }

  rttMs(): null {
    return null
  }

  async close(): Promise<void> {
    this.onMessage = () => {}
  }
}
