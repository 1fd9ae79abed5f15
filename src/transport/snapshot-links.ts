/**
 * Connections of their own for snapshots, one per pair of members and made on demand: the `SnapshotLinks`
 * port. A snapshot of gigabytes moves here while votes, entries and heartbeats pass beside it.
 */
import type { NodeId } from '../consensus/types.js'
import type { SnapshotFrame, SnapshotLinks } from '../node/ports.js'
import type { FrameConnection } from './frame-connection.js'
import { TRANSPORT_LIMITS } from './limits.js'
import { type PeerLinkOptions, samePeer } from './peer-link.js'
import { SnapshotLink } from './snapshot-link.js'

export interface SnapshotLinksOptions extends Omit<PeerLinkOptions, 'member' | 'onConnectionChange' | 'encoder'> {
  /** A connection on which nothing moved for this long is ended; 30,000. */
  readonly idleMs?: number
}

export class TlsSnapshotLinks implements SnapshotLinks {
  onFrame: (from: NodeId, frame: SnapshotFrame) => void = () => {}
  readonly #options: SnapshotLinksOptions
  readonly #links = new Map<NodeId, SnapshotLink>()

  constructor(options: SnapshotLinksOptions) {
    this.#options = options
  }

  send(to: NodeId, frame: SnapshotFrame): boolean {
    return this.#links.get(to)?.send(frame) ?? false
  }

  setMembers(members: readonly PeerLinkOptions['member'][]): void {
    for (const [id, link] of this.#links) {
      if (members.some((member) => samePeer(member, link.member))) continue
      link.close()
      this.#links.delete(id)
    }
    const { idleMs = TRANSPORT_LIMITS.snapshotIdleMs, ...shared } = this.#options
    for (const member of members) {
      if (this.#links.has(member.id)) continue
      const onFrame = (frame: SnapshotFrame): void => this.onFrame(member.id, frame)
      this.#links.set(member.id, new SnapshotLink({ ...shared, member, idleMs, onFrame }))
    }
  }

  /** Takes over a connection that the listener admitted. */
  accept(peer: NodeId, connection: FrameConnection): void {
    const link = this.#links.get(peer)
    if (link === undefined) connection.close()
    else link.accept(connection)
  }

  close(): void {
    for (const link of this.#links.values()) link.close()
  }
}
