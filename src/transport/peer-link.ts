/**
 * The outgoing link to one member: dials until it stands, carries this node's messages, dials again
 * when it falls. Each node sends only on connections that it dialled itself and receives on those
 * that it accepted, so two nodes never argue about which of two connections counts.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { Member } from '../consensus/membership.js'
import type { Random } from '../node/ports.js'
import { dialNode, type FrameLink } from './dial.js'
import { type Hello, PEER_ALPN } from './handshake.js'
import type { LimitedLog } from './limited-log.js'
import { TRANSPORT_LIMITS } from './limits.js'
import type { MessageEncoder } from './message-codec.js'
import type { TlsKey } from './tls.js'

/** What it takes to find a member and to know it. */
export type Peer = Pick<Member, 'id' | 'publicKey' | 'address'>

export interface PeerLinkOptions {
  readonly member: Peer
  readonly key: TlsKey
  readonly clusterId: Uint8Array
  readonly configHash: Uint8Array
  readonly hello: () => Hello
  readonly random: Random
  /** Shared by all links: a message to several peers is encoded once. */
  readonly encoder: MessageEncoder
  readonly log: LimitedLog
  readonly onConnectionChange: (connected: boolean) => void
}

/** A link to `a` is one to `b` as well. */
export function samePeer(a: Peer, b: Peer): boolean {
  return a.id === b.id && a.address === b.address && bytesEqual(a.publicKey, b.publicKey)
}

/** Doubles from 50 ms to 1 s; the random half keeps restarted nodes from dialling in step. */
export function reconnectDelayMs(failures: number, random: Random): number {
  const { reconnectMinMs, reconnectMaxMs } = TRANSPORT_LIMITS
  const ceilingMs = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(failures, 10))
  return ceilingMs / 2 + (random() * ceilingMs) / 2
}

export class PeerLink {
  readonly #options: PeerLinkOptions
  readonly #stop = new AbortController()
  #link: FrameLink | null = null
  #dialing = false
  #retry: NodeJS.Timeout | null = null
  #failures = 0
  /** Why the last attempt failed: the same reason again is not worth another line. */
  #lastFailure = ''
  #dropped = 0

  constructor(options: PeerLinkOptions) {
    this.#options = options
  }

  get member(): Peer {
    return this.#options.member
  }

  get connected(): boolean {
    return this.#link !== null
  }

  get rttMs(): number | null {
    return this.#link?.rttMs ?? null
  }

  start(): void {
    this.#dial()
  }

  /** Queues a message; false when there is no link or its queue is full. */
  send(message: ProtocolMessage): boolean {
    if (this.#link === null) return false
    const { type, parts } = this.#options.encoder.encode(message)
    if (this.#link.send(type, parts)) return true
    this.#dropped += 1
    this.#options.log.log('warn', 'dropped a message: the queue to a peer is full', {
      peer: this.#options.member.id,
      type: message.type,
      dropped: this.#dropped,
    })
    return false
  }

  /** Queues a frame that nobody misses: without a link, or with a full queue, it is dropped in silence. */
  sendBeside(type: number, payload: Uint8Array): void {
    this.#link?.send(type, [payload])
  }

  flush(): void {
    this.#link?.flush()
  }

  /** The peer is evidently up (it dialled us): do not wait out the back-off. */
  hurry(): void {
    if (this.#link !== null || this.#dialing) return
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    this.#dial()
  }

  close(): void {
    this.#stop.abort()
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#link?.close()
    this.#link = null
  }

  #dial(): void {
    if (this.#stop.signal.aborted) return
    const { member, key, clusterId, configHash, hello } = this.#options
    this.#dialing = true
    dialNode({
      address: member.address,
      alpn: PEER_ALPN,
      key,
      expected: { publicKey: member.publicKey, clusterId, nodeId: member.id, configHash },
      signal: this.#stop.signal,
      hello,
      explicitFlush: true,
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
    this.#link = link
    this.#failures = 0
    this.#lastFailure = ''
    link.onFrame = (type) => {
      throw new KnhkError('ProtocolViolation', `frame type ${type} on a link that only carries answers to PING`)
    }
    link.onClose = (error) => {
      if (this.#link !== link) return
      this.#link = null
      this.#options.onConnectionChange(false)
      this.#noteFailure(error)
      this.#dialLater()
    }
    this.#options.onConnectionChange(true)
  }

  #failed(error: KnhkError): void {
    this.#dialing = false
    if (this.#stop.signal.aborted) return
    this.#noteFailure(error)
    this.#dialLater()
  }

  #noteFailure(error: KnhkError | null): void {
    const reason = error === null ? 'closed' : `${error.code}: ${error.message}`
    if (reason === this.#lastFailure) return
    this.#lastFailure = reason
    const { member } = this.#options
    const fields = { peer: member.id, address: member.address, code: error?.code ?? null, reason }
    this.#options.log.log('warn', 'no link to a peer', fields, member.id)
  }

  #dialLater(): void {
    const delayMs = reconnectDelayMs(this.#failures, this.#options.random)
    this.#failures += 1
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.#dial()
    }, delayMs)
  }
}
