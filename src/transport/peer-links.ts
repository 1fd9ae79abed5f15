/**
 * The links of one node to all other members: the `PeerLinks` port. Messages go out on the links that
 * this node dialled and come in on those that it accepted. Who the members are may change at any time.
 */
import { bytesEqual } from '../base/bytes.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { NodeId } from '../consensus/types.js'
import type { PeerLinks } from '../node/ports.js'
import type { EntryTrace, TraceLinks } from '../telemetry/spans.js'
import type { FrameConnection } from './frame-connection.js'
import { decodeMessage, MessageEncoder } from './message-codec.js'
import { type Peer, PeerLink, type PeerLinkOptions, samePeer } from './peer-link.js'
import { decodeTrace, encodeTrace, TRACE_FRAME } from './trace-frame.js'

export interface PeerLinksOptions extends Omit<PeerLinkOptions, 'member' | 'onConnectionChange' | 'encoder'> {
  /** Told before any link is made or ended: whoever admits connections goes by the same members. */
  readonly onMembers: (members: readonly Peer[]) => void
}

export class TlsPeerLinks implements PeerLinks, TraceLinks {
  onMessage: (from: NodeId, message: ProtocolMessage) => void = () => {}
  onConnectionChange: (peer: NodeId, connected: boolean) => void = () => {}
  onTrace: (from: NodeId, trace: EntryTrace) => void = () => {}
  readonly #options: PeerLinksOptions
  readonly #encoder = new MessageEncoder()
  readonly #outgoing = new Map<NodeId, PeerLink>()
  readonly #incoming = new Map<NodeId, FrameConnection>()
  #closed = false

  constructor(options: PeerLinksOptions) {
    this.#options = options
  }

  setMembers(members: readonly Peer[]): void {
    if (this.#closed) return
    this.#options.onMembers(members)
    const wanted = new Map(members.map((member) => [member.id, member]))
    for (const [id, link] of this.#outgoing) {
      const member = wanted.get(id)
      if (member === undefined || !samePeer(member, link.member)) this.#end(link, member)
    }
    for (const member of members) if (!this.#outgoing.has(member.id)) this.#begin(member)
  }

  send(to: NodeId, message: ProtocolMessage): boolean {
    return this.#outgoing.get(to)?.send(message) ?? false
  }

  sendTrace(trace: EntryTrace): void {
    const payload = encodeTrace(trace)
    for (const link of this.#outgoing.values()) link.sendBeside(TRACE_FRAME, payload)
  }

  flush(): void {
    for (const link of this.#outgoing.values()) link.flush()
  }

  isConnected(peer: NodeId): boolean {
    return this.#outgoing.get(peer)?.connected ?? false
  }

  rttMs(peer: NodeId): number | null {
    return this.#outgoing.get(peer)?.rttMs ?? null
  }

  /** Takes over a connection that the listener admitted. A member's newest connection is the one that counts. */
  accept(peer: NodeId, connection: FrameConnection): void {
    const link = this.#outgoing.get(peer)
    if (link === undefined) {
      connection.close()
      return
    }
    const { log } = this.#options
    this.#incoming.get(peer)?.destroy(null)
    this.#incoming.set(peer, connection)
    connection.whenEnded((error) => {
      if (this.#incoming.get(peer) !== connection) return
      this.#incoming.delete(peer)
      if (error === null) return
      const level = error.code === 'Unreachable' ? 'info' : 'warn'
      log.log(level, 'the link from a peer ended', { peer, code: error.code, reason: error.message }, peer)
    })
    connection.onFrame = (type, payload) => {
      if (type === TRACE_FRAME) {
        const trace = decodeTrace(payload)
        if (trace !== null) this.onTrace(peer, trace)
        return
      }
      const message = decodeMessage(type, payload)
      if (message === null) log.log('warn', 'dropped a message of an unknown type', { peer, type }, peer)
      else this.onMessage(peer, message)
    }
    link.hurry()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const link of this.#outgoing.values()) link.close()
    for (const connection of this.#incoming.values()) connection.close()
  }

  #begin(member: Peer): void {
    const { onMembers, ...shared } = this.#options
    const link = new PeerLink({
      ...shared,
      member,
      encoder: this.#encoder,
      onConnectionChange: (connected) => this.onConnectionChange(member.id, connected),
    })
    this.#outgoing.set(member.id, link)
    link.start()
  }

  /** `now` is what the peer is from now on; undefined where it left. */
  #end(link: PeerLink, now: Peer | undefined): void {
    const { id, publicKey, address } = link.member
    const wasConnected = link.connected
    link.close()
    this.#outgoing.delete(id)
    // At another address it is still the one that connected to us; under another key it is not.
    if (now === undefined || !bytesEqual(now.publicKey, publicKey)) {
      this.#incoming.get(id)?.close()
      this.#incoming.delete(id)
    }
    const event =
      now === undefined ? 'a peer is no member any more: its links end' : 'a peer changed: its link is made anew'
    this.#options.log.log('info', event, { peer: id, address: now?.address ?? address }, id)
    if (wasConnected) this.onConnectionChange(id, false)
  }
}
