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
  /** Directed pairs whose messages are held up, and until when. */
  readonly #clogged = new Map<string, Millis>()
  /** When the latest message of a directed pair was, or will be, delivered. */
  readonly #latestMs = new Map<string, Millis>()
  delivered = 0
  lost = 0
  delayed = 0
  duplicated = 0
  reordered = 0

  constructor(queue: EventQueue, random: SeededRandom, options: NetworkOptions = CALM_NETWORK) {
    this.#queue = queue
    this.#random = random
    this.options = options
  }

  /** The links of one run of one node; replaces those of its earlier run. `guard` runs what arrives. */
  attach(self: NodeId, guard: (callback: () => void) => void): SimulatedLinks {
    const links = new SimulatedLinks((to, message) => this.#send(self, links, to, message), guard)
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

  /** Holds up what is sent from → to, and delivers it after `durationMs`. */
  clog(from: NodeId, to: NodeId, durationMs: Millis): void {
    this.#clogged.set(`${from}>${to}`, this.#queue.nowMs + durationMs)
  }

  heal(): void {
    this.#cut.clear()
    this.#clogged.clear()
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
    const pair = `${from}>${to}`
    if (this.#cut.has(pair)) return
    if (this.#random.chance(this.options.loss)) {
      this.lost++
      return
    }
    const { type, parts } = encodeMessage(message)
    const payload = concatBytes(parts)
    const receiver = this.#ends.get(to)
    const copies = this.#random.chance(this.options.duplication) ? 2 : 1
    this.duplicated += copies - 1
    for (let copy = 0; copy < copies; copy++) {
      this.#queue.after(this.#latencyMs(pair), () => {
        // A crash of either side ends the connection and what was on its way.
        if (receiver === undefined || this.#ends.get(to) !== receiver || this.#ends.get(from) !== sender) return
        const decoded = decodeMessage(type, payload)
        if (decoded === null) return
        this.delivered++
        receiver.guard(() => receiver.onMessage(from, decoded))
      })
    }
  }

  #latencyMs(pair: string): Millis {
    const { latencyMinMs, latencyMaxMs, delay } = this.options
    let latencyMs = latencyMinMs + this.#random.next() * (latencyMaxMs - latencyMinMs)
    if (this.#random.chance(delay)) {
      this.delayed++
      latencyMs *= 1 + 9 * this.#random.next()
    }
    const { nowMs } = this.#queue
    latencyMs = Math.max(latencyMs, (this.#clogged.get(pair) ?? 0) - nowMs)
    const atMs = nowMs + latencyMs
    const latestMs = this.#latestMs.get(pair) ?? 0
    if (atMs < latestMs) this.reordered++
    else this.#latestMs.set(pair, atMs)
    return latencyMs
  }
}

export class SimulatedLinks implements PeerLinks {
  readonly guard: (callback: () => void) => void
  readonly #transmit: (to: NodeId, message: ProtocolMessage) => void
  #queued: { to: NodeId; message: ProtocolMessage }[] = []
  onMessage: PeerLinks['onMessage'] = () => {}
  onConnectionChange: PeerLinks['onConnectionChange'] = () => {}

  constructor(transmit: (to: NodeId, message: ProtocolMessage) => void, guard: (callback: () => void) => void) {
    this.#transmit = transmit
    this.guard = guard
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
