/**
 * The simulated network between members: every message goes through the production codec, takes a
 * random time, and can be lost, repeated, overtaken or cut off. Links drop what was on its way when a
 * side crashes, as a broken TCP connection does.
 */
import { concatBytes } from '../base/bytes.js'
import { hasCode } from '../base/error.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { PeerLinks, SnapshotFrame, SnapshotLinks } from '../node/ports.js'
import { decodeMessage, MessageEncoder } from '../transport/message-codec.js'
import { describeMessage } from './describe-message.js'
import type { EventQueue } from './event-queue.js'
import type { Failpoints } from './failpoints.js'
import type { SeededRandom } from './random.js'
import type { Trace } from './trace.js'

/** Frames of snapshots that one node has on their way. */
const FRAMES_MAX = 64

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

/** What a liar says in place of one message. */
export interface Saying {
  readonly message: ProtocolMessage
  /** Held back for so long before it leaves. */
  readonly delayMs: Millis
}

export class SimulatedNetwork {
  options: NetworkOptions
  readonly #queue: EventQueue
  readonly #random: SeededRandom
  readonly #ends = new Map<NodeId, SimulatedLinks>()
  readonly #snapshotEnds = new Map<NodeId, SimulatedSnapshotLinks>()
  /** Directed pairs that are cut: `from>to`. */
  readonly #cut = new Set<string>()
  /** Directed pairs whose messages are held up, and until when. */
  readonly #clogged = new Map<string, Millis>()
  /** When the latest frame of a snapshot of a directed pair will arrive. */
  readonly #latestFrameMs = new Map<string, Millis>()
  /** Directed pairs whose messages all take so much longer. */
  readonly #slowed = new Map<string, Millis>()
  readonly #placesMs = new Map<NodeId, Millis>()
  /** When the latest message of a directed pair was, or will be, delivered. */
  readonly #latestMs = new Map<string, Millis>()
  delivered = 0
  lost = 0
  delayed = 0
  duplicated = 0
  reordered = 0
  /** Messages sent and neither delivered nor dropped yet, of all members. */
  onTheWay = 0
  /** Snapshots that a node took over from another. */
  snapshotInstalls = 0
  /** Whether this snapshot of a node is held back. */
  holdsSnapshot: (from: NodeId, id: Uint8Array) => boolean = () => false
  /** Sees every message of an honest node before it leaves. */
  onSend: (from: NodeId, to: NodeId, message: ProtocolMessage) => void = () => {}
  /** What a liar says instead of its own message; null for a node that says what it means. */
  liesOf: (from: NodeId, to: NodeId, message: ProtocolMessage) => readonly Saying[] | null = () => null
  /** What a liar gives in place of a piece of a snapshot; null for nothing. */
  framesOf: (from: NodeId, to: NodeId, frame: SnapshotFrame) => SnapshotFrame | null = (_from, _to, frame) => frame
  trace: Trace | null = null
  readonly #encoder = new MessageEncoder()
  #messages = 0

  constructor(queue: EventQueue, random: SeededRandom, options: NetworkOptions = CALM_NETWORK) {
    this.#queue = queue
    this.#random = random
    this.options = options
  }

  /** The links of one run of one node; replaces those of its earlier run. `guard` runs what arrives. */
  attach(self: NodeId, guard: (callback: () => void) => void, failpoints: Failpoints): SimulatedLinks {
    const links = new SimulatedLinks((to, message) => {
      failpoints.pass('beforeSend')
      // The node may have ended at this very point.
      if (this.#ends.get(self) !== links) return
      const lies = this.liesOf(self, to, message)
      if (lies === null) {
        this.onSend(self, to, message)
        this.#send(self, links, to, message, false)
      } else for (const lie of lies) this.say(self, to, lie)
      failpoints.pass('afterSend')
    }, guard)
    this.#ends.set(self, links)
    return links
  }

  /** A liar speaks out of turn. Nothing leaves a node that is down. */
  say(from: NodeId, to: NodeId, { message, delayMs }: Saying): void {
    const links = this.#ends.get(from)
    if (links === undefined) return
    if (delayMs === 0) this.#send(from, links, to, message, true)
    else
      this.#queue.after(delayMs, () => {
        if (this.#ends.get(from) === links) this.#send(from, links, to, message, true)
      })
  }

  /** The links for snapshots of the same run: they share every fault with the others, and are bounded. */
  attachSnapshots(self: NodeId, guard: (callback: () => void) => void): SimulatedSnapshotLinks {
    const links: SimulatedSnapshotLinks = new SimulatedSnapshotLinks(
      (to, frame) => this.#sendFrame(self, links, to, frame),
      guard,
    )
    this.#snapshotEnds.set(self, links)
    return links
  }

  detach(self: NodeId): void {
    this.#ends.delete(self)
    this.#snapshotEnds.delete(self)
  }

  /** Cuts the direction from → to. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`)
  }

  /** Where a node stands on a line: between two of them everything takes the difference longer. */
  place(node: NodeId, atMs: Millis): void {
    this.#placesMs.set(node, atMs)
  }

  /** Holds up what is sent from → to, and delivers it after `durationMs`. */
  clog(from: NodeId, to: NodeId, durationMs: Millis): void {
    this.#clogged.set(`${from}>${to}`, this.#queue.nowMs + durationMs)
  }

  /** Everything that is sent from → to takes so much longer, in order. */
  slow(from: NodeId, to: NodeId, byMs: Millis): void {
    this.#slowed.set(`${from}>${to}`, byMs)
  }

  heal(): void {
    this.#cut.clear()
    this.#slowed.clear()
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

  #send(from: NodeId, sender: SimulatedLinks, to: NodeId, message: ProtocolMessage, isLie: boolean): void {
    const pair = `${from}>${to}`
    const id = ++this.#messages
    this.trace?.emit('send', from, { to, id, ...describeMessage(message) })
    if (this.#cut.has(pair)) {
      this.trace?.emit('drop', to, { from, id, why: 'cut' })
      return
    }
    if (this.#random.chance(this.options.loss)) {
      this.lost++
      this.trace?.emit('drop', to, { from, id, why: 'lost' })
      return
    }
    const { type, parts } = this.#encoder.encode(message)
    const payload = concatBytes(parts)
    const receiver = this.#ends.get(to)
    const copies = this.#random.chance(this.options.duplication) ? 2 : 1
    this.duplicated += copies - 1
    for (let copy = 0; copy < copies; copy++) {
      this.onTheWay++
      this.#queue.after(this.#latencyMs(from, to), () => {
        this.onTheWay--
        // A crash of either side ends the connection and what was on its way.
        if (receiver === undefined || this.#ends.get(to) !== receiver || this.#ends.get(from) !== sender) {
          this.trace?.emit('drop', to, { from, id, why: 'disconnected' })
          return
        }
        const decoded = isLie ? decodeLie(type, payload) : decodeMessage(type, payload)
        if (decoded === null) return
        this.delivered++
        this.trace?.emit('deliver', to, { from, id })
        receiver.guard(() => receiver.onMessage(from, decoded))
      })
    }
  }

  /** One stream: nothing is lost in it but with the connection, and nothing overtakes. */
  #sendFrame(from: NodeId, sender: SimulatedSnapshotLinks, to: NodeId, own: SnapshotFrame): boolean {
    const frame = this.framesOf(from, to, own)
    if (frame === null) return true
    const pair = `${from}>${to}`
    if (
      (frame.type === 'snapshotChunk' && this.holdsSnapshot(from, frame.id)) ||
      this.#cut.has(pair) ||
      !this.#snapshotEnds.has(to) ||
      sender.onTheWay >= FRAMES_MAX
    )
      return false
    sender.onTheWay++
    const receiver = this.#snapshotEnds.get(to)
    const id = ++this.#messages
    this.trace?.emit('send', from, { to, id, message: frame.type, offset: 'offset' in frame ? frame.offset : null })
    const latestMs = this.#latestFrameMs.get(pair) ?? 0
    const atMs = Math.max(this.#queue.nowMs + this.#latencyMs(from, to), latestMs)
    this.#latestFrameMs.set(pair, atMs)
    this.#queue.after(atMs - this.#queue.nowMs, () => {
      sender.onTheWay--
      const isCut = this.#cut.has(pair) || this.#random.chance(this.options.loss)
      if (receiver === undefined || isCut || this.#snapshotEnds.get(to) !== receiver) {
        this.trace?.emit('drop', to, { from, id, why: 'disconnected' })
        return
      }
      this.trace?.emit('deliver', to, { from, id })
      receiver.guard(() => receiver.onFrame(from, frame))
    })
    return true
  }

  #latencyMs(from: NodeId, to: NodeId): Millis {
    const pair = `${from}>${to}`
    const { latencyMinMs, latencyMaxMs, delay } = this.options
    let latencyMs = latencyMinMs + this.#random.next() * (latencyMaxMs - latencyMinMs)
    if (this.#random.chance(delay)) {
      this.delayed++
      latencyMs *= 1 + 9 * this.#random.next()
    }
    const slowedMs = this.#slowed.get(pair) ?? 0
    if (slowedMs > 0) this.delayed++
    latencyMs += slowedMs + Math.abs((this.#placesMs.get(from) ?? 0) - (this.#placesMs.get(to) ?? 0))
    const { nowMs } = this.#queue
    latencyMs = Math.max(latencyMs, (this.#clogged.get(pair) ?? 0) - nowMs)
    const atMs = nowMs + latencyMs
    const latestMs = this.#latestMs.get(pair) ?? 0
    if (atMs < latestMs) this.reordered++
    else this.#latestMs.set(pair, atMs)
    return latencyMs
  }
}

export class SimulatedSnapshotLinks implements SnapshotLinks {
  readonly guard: (callback: () => void) => void
  /** Frames sent and not yet arrived. */
  onTheWay = 0
  onFrame: SnapshotLinks['onFrame'] = () => {}
  readonly #transmit: (to: NodeId, frame: SnapshotFrame) => boolean

  constructor(transmit: (to: NodeId, frame: SnapshotFrame) => boolean, guard: (callback: () => void) => void) {
    this.#transmit = transmit
    this.guard = guard
  }

  send(to: NodeId, frame: SnapshotFrame): boolean {
    // Bytes of a read buffer are the sender's again after the call.
    return this.#transmit(to, frame.type === 'snapshotChunk' ? { ...frame, bytes: frame.bytes.slice() } : frame)
  }
}

/** A receiver closes the link where what arrives is no message: nothing of it counts. */
function decodeLie(type: number, payload: Uint8Array): ProtocolMessage | null {
  try {
    return decodeMessage(type, payload)
  } catch (error) {
    if (hasCode(error, 'ProtocolViolation')) return null
    throw error
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

  /** Everybody can reach everybody. */
  setMembers(): void {}

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
