/**
 * The links of one node to all other members: the `PeerLinks` port. Messages go out on the links that
 * this node dialled and come in on those that it accepted.
 */
import { assert } from '../base/assert.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { NodeId } from '../consensus/types.js'
import type { PeerLinks } from '../node/ports.js'
import type { FrameConnection } from './frame-connection.js'
import type { LimitedLog } from './limited-log.js'
import { PeerLink, type PeerLinkOptions } from './peer-link.js'
import { decodeMessage } from './raft-codec.js'

export interface PeerLinksOptions extends Omit<PeerLinkOptions, 'member' | 'onConnectionChange'> {
  /** The other members, this node left out. */
  readonly members: readonly PeerLinkOptions['member'][]
  readonly log: LimitedLog
}

export class TlsPeerLinks implements PeerLinks {
  onMessage: (from: NodeId, message: ProtocolMessage) => void = () => {}
  onConnectionChange: (peer: NodeId, connected: boolean) => void = () => {}
  readonly #log: LimitedLog
  readonly #outgoing = new Map<NodeId, PeerLink>()
  readonly #incoming = new Map<NodeId, FrameConnection>()

  constructor(options: PeerLinksOptions) {
    const { members, ...shared } = options
    this.#log = options.log
    for (const member of members) {
      const onConnectionChange = (connected: boolean): void => this.onConnectionChange(member.id, connected)
      this.#outgoing.set(member.id, new PeerLink({ ...shared, member, onConnectionChange }))
    }
  }

  start(): void {
    for (const link of this.#outgoing.values()) link.start()
  }

  send(to: NodeId, message: ProtocolMessage): boolean {
    return this.#link(to).send(message)
  }

  flush(): void {
    for (const link of this.#outgoing.values()) link.flush()
  }

  isConnected(peer: NodeId): boolean {
    return this.#link(peer).connected
  }

  rttMs(peer: NodeId): number | null {
    return this.#link(peer).rttMs
  }

  /** Takes over a connection that the listener admitted. A member's newest connection is the one that counts. */
  accept(peer: NodeId, connection: FrameConnection): void {
    this.#incoming.get(peer)?.destroy(null)
    this.#incoming.set(peer, connection)
    connection.whenEnded((error) => {
      if (this.#incoming.get(peer) !== connection) return
      this.#incoming.delete(peer)
      if (error === null) return
      const level = error.code === 'Unreachable' ? 'info' : 'warn'
      this.#log.log(level, 'the link from a peer ended', { peer, code: error.code, reason: error.message }, peer)
    })
    connection.onFrame = (type, payload) => {
      const message = decodeMessage(type, payload)
      if (message === null) this.#log.log('warn', 'dropped a message of an unknown type', { peer, type }, peer)
      else this.onMessage(peer, message)
    }
    this.#link(peer).hurry()
  }

  async close(): Promise<void> {
    for (const link of this.#outgoing.values()) link.close()
    for (const connection of this.#incoming.values()) connection.close()
  }

  #link(peer: NodeId): PeerLink {
    const link = this.#outgoing.get(peer)
    assert(link !== undefined, 'messages go to other members only')
    return link
  }
}
