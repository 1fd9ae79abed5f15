/**
 * The connection to one member for snapshots: dialled by whoever sends first, used both ways, ended
 * when nothing moved for a while. Where both sides dial at the same moment there are two of them; both
 * receive, one is sent on, and both end in idleness: nothing has to be agreed upon.
 */
import type { KnhkError } from '../base/error.js'
import type { SnapshotFrame } from '../node/ports.js'
import { dialNode, type FrameLink } from './dial.js'
import type { FrameConnection } from './frame-connection.js'
import { SNAPSHOT_ALPN } from './handshake.js'
import { type PeerLinkOptions, reconnectDelayMs } from './peer-link.js'
import { decodeSnapshotFrame, encodeSnapshotFrame } from './snapshot-codec.js'

export interface SnapshotLinkOptions extends Omit<PeerLinkOptions, 'onConnectionChange' | 'encoder'> {
  readonly idleMs: number
  readonly onFrame: (frame: SnapshotFrame) => void
}

export class SnapshotLink {
  readonly #options: SnapshotLinkOptions
  readonly #stop = new AbortController()
  #dialled: FrameLink | null = null
  #accepted: FrameConnection | null = null
  #dialing = false
  /** Runs after a failed attempt: nothing is dialled before it ends. */
  #pause: NodeJS.Timeout | null = null
  #failures = 0
  #idle: NodeJS.Timeout | null = null
  #moved = false

  constructor(options: SnapshotLinkOptions) {
    this.#options = options
  }

  get member(): PeerLinkOptions['member'] {
    return this.#options.member
  }

  /** False when there is no connection (one is made then) or too much waits in it. */
  send(frame: SnapshotFrame): boolean {
    const link = this.#accepted ?? this.#dialled
    if (link === null) {
      this.#dial()
      return false
    }
    const { type, parts } = encodeSnapshotFrame(frame)
    this.#moved = true
    return link.send(type, parts)
  }

  /** Takes over a connection that the listener admitted. The newest one counts. */
  accept(connection: FrameConnection): void {
    this.#accepted?.destroy(null)
    this.#accepted = connection
    connection.whenEnded((error) => {
      this.#noteEnd(error)
      if (this.#accepted !== connection) return
      this.#accepted = null
      this.#restIfAlone()
    })
    this.#receiveFrom(connection)
  }

  close(): void {
    this.#stop.abort()
    if (this.#pause !== null) clearTimeout(this.#pause)
    this.#end()
  }

  #dial(): void {
    if (this.#dialing || this.#pause !== null || this.#stop.signal.aborted) return
    const { member, key, clusterId, configHash, hello } = this.#options
    this.#dialing = true
    dialNode({
      address: member.address,
      alpn: SNAPSHOT_ALPN,
      key,
      expected: { publicKey: member.publicKey, clusterId, nodeId: member.id, configHash },
      signal: this.#stop.signal,
      hello,
    }).then(
      (link) => this.#connected(link),
      (error: KnhkError) => this.#failed(error),
    )
  }

  #connected(link: FrameLink): void {
    this.#dialing = false
    if (this.#stop.signal.aborted) {
      link.close()
      return
    }
    this.#failures = 0
    this.#dialled = link
    link.onClose = (error) => {
      this.#noteEnd(error)
      if (this.#dialled !== link) return
      this.#dialled = null
      this.#restIfAlone()
    }
    this.#receiveFrom(link)
  }

  #failed(error: KnhkError): void {
    this.#dialing = false
    if (this.#stop.signal.aborted) return
    this.#noteEnd(error)
    this.#pause = setTimeout(
      () => {
        this.#pause = null
      },
      reconnectDelayMs(this.#failures, this.#options.random),
    )
    this.#failures += 1
  }

  #receiveFrom(link: FrameLink): void {
    this.#moved = true
    this.#idle ??= setInterval(() => this.#endIfIdle(), this.#options.idleMs)
    this.#idle.unref()
    link.onFrame = (type, payload) => {
      this.#moved = true
      const frame = decodeSnapshotFrame(type, payload)
      if (frame !== null) this.#options.onFrame(frame)
      else this.#log('dropped a snapshot frame of an unknown type', { type })
    }
  }

  #endIfIdle(): void {
    const isBusy = (this.#accepted?.bufferedBytes ?? 0) + (this.#dialled?.bufferedBytes ?? 0) > 0
    if (!this.#moved && !isBusy) this.#end()
    this.#moved = false
  }

  #end(): void {
    this.#accepted?.close()
    this.#dialled?.close()
    this.#accepted = null
    this.#dialled = null
    this.#restIfAlone()
  }

  #restIfAlone(): void {
    if (this.#accepted !== null || this.#dialled !== null || this.#idle === null) return
    clearInterval(this.#idle)
    this.#idle = null
  }

  /** Idle connections are ended by either side: that, and a node that is down, is not worth a warning here. */
  #noteEnd(error: KnhkError | null): void {
    if (error === null || error.code === 'Unreachable') return
    this.#log('no link for snapshots to a peer', { code: error.code, reason: error.message })
  }

  #log(event: string, fields: Readonly<Record<string, string | number>>): void {
    const { id } = this.#options.member
    this.#options.log.log('warn', event, { peer: id, ...fields }, id)
  }
}
