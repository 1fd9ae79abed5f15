/**
 * The dialling side, for peers and clients alike: connect, prove our key, check the other side's key
 * against the pin before believing a word, then wait for its WELCOME. Nothing is sent before that.
 */
import { connect, type TLSSocket } from 'node:tls'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { NodeId } from '../consensus/types.js'
import { fingerprint } from '../crypto/key-encoding.js'
import { splitAddress } from './address.js'
import { FrameConnection, type FrameLink } from './frame-connection.js'
import { FRAME } from './frames.js'
import {
  type Alpn,
  CLIENT_ALPN,
  decodeAccepted,
  decodeRefused,
  decodeWelcome,
  encodeHello,
  type Hello,
  PROTOCOL_MINOR,
  type Welcome,
} from './handshake.js'
import { TRANSPORT_LIMITS } from './limits.js'
import { DIALLING_LIMITS } from './link-limits.js'
import { Liveness } from './liveness.js'
import { provenKey, secureContext, type TlsKey } from './tls.js'

export type { FrameLink } from './frame-connection.js'

export interface ExpectedNode {
  /** Raw Ed25519 public key, 32 bytes: the pin. */
  readonly publicKey: Uint8Array
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly nodeId: NodeId | string
  /** 32 bytes; not compared when absent. */
  readonly configHash?: Uint8Array
}

export interface DialOptions {
  /** host:port */
  readonly address: string
  readonly alpn: Alpn
  readonly key: TlsKey
  readonly expected: ExpectedNode
  /** From the first packet to the last handshake frame; 5,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** How a peer introduces itself; asked for when the WELCOME is there. */
  readonly hello?: () => Hello
  /** Flush only when told to; off by default. */
  readonly explicitFlush?: boolean
}

/**
 * Opens a link to a node. Rejects with `Unreachable`, `DeadlineExceeded`, `Aborted`, `WrongNode` (the
 * key there is not the pinned one, or no node of ours answers), `ForeignCluster`,
 * `ConfigurationMismatch`, `ProtocolViolation`, or the code of the other side's refusal, such as
 * `UnknownKey`.
 */
export function dialNode(options: DialOptions): Promise<FrameLink> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted === true) {
      reject(new KnhkError('Aborted', 'cancelled before dialling'))
      return
    }
    new Dial(options, resolve, reject)
  })
}

class Dial {
  readonly #options: DialOptions
  readonly #resolve: (link: FrameLink) => void
  readonly #reject: (error: KnhkError) => void
  readonly #socket: TLSSocket
  readonly #timer: NodeJS.Timeout
  readonly #abort: () => void
  #connection: FrameConnection | null = null
  #helloSent = false
  #settled = false

  constructor(options: DialOptions, resolve: (link: FrameLink) => void, reject: (error: KnhkError) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    const { host, port } = splitAddress(options.address)
    this.#socket = connect({
      host,
      port,
      secureContext: secureContext(options.key),
      ALPNProtocols: [options.alpn],
      // Our own pin decides, see `tls.ts`.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    this.#socket.once('secureConnect', () => this.#secured())
    this.#socket.on('error', (cause) => this.#fail(socketFailure(options.address, cause)))
    this.#socket.on('close', this.#closed)
    const timeoutMs = options.timeoutMs ?? TRANSPORT_LIMITS.handshakeTimeoutMs
    this.#timer = setTimeout(
      () => this.#fail(new KnhkError('DeadlineExceeded', `${options.address} did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    this.#abort = () => this.#fail(new KnhkError('Aborted', `cancelled while dialling ${options.address}`))
    options.signal?.addEventListener('abort', this.#abort, { once: true })
  }

  readonly #closed = (): void =>
    this.#fail(new KnhkError('Unreachable', `${this.#options.address} closed the connection`))

  #secured(): void {
    const { address, expected, alpn } = this.#options
    const key = provenKey(this.#socket)
    if (key === null || !bytesEqual(key, expected.publicKey)) {
      this.#fail(
        new KnhkError('WrongNode', `the node at ${address} does not hold the key of ${expected.nodeId}`, {
          details: { expected: fingerprint(expected.publicKey), seen: key === null ? null : fingerprint(key) },
        }),
      )
      return
    }
    if (this.#socket.alpnProtocol !== alpn) {
      this.#fail(new KnhkError('ProtocolViolation', `${address} does not speak ${alpn}`))
      return
    }
    const peer = alpn !== CLIENT_ALPN
    const connection = new FrameConnection(this.#socket, {
      ...DIALLING_LIMITS[alpn],
      maxFrameBytes: TRANSPORT_LIMITS.handshakeFrameBytes,
      autoFlush: this.#options.explicitFlush !== true,
    })
    this.#connection = connection
    this.#socket.off('close', this.#closed)
    connection.whenEnded((error) => (error === null ? this.#closed() : this.#fail(error)))
    connection.intercept = (type, payload) => {
      this.#frame(connection, type, payload, peer)
      return true
    }
  }

  #frame(connection: FrameConnection, type: number, payload: Uint8Array, peer: boolean): void {
    if (type === FRAME.refused) {
      const { code, reason } = decodeRefused(payload)
      this.#fail(new KnhkError(code, `${this.#options.address} refused: ${reason}`))
    } else if (type === FRAME.welcome && !this.#helloSent) {
      const problem = mismatch(this.#options, decodeWelcome(payload))
      if (problem !== null) this.#fail(problem)
      else if (peer) this.#introduce(connection)
      else this.#established(connection)
    } else if (type === FRAME.accepted && this.#helloSent) {
      const { minor } = decodeAccepted(payload)
      if (minor > PROTOCOL_MINOR)
        throw new KnhkError('ProtocolViolation', `protocol version 1.${minor} was not offered`)
      this.#established(connection)
    } else {
      throw new KnhkError('ProtocolViolation', `frame type ${type} has no place in the handshake`)
    }
  }

  #introduce(connection: FrameConnection): void {
    const { hello } = this.#options
    if (hello === undefined) throw new KnhkError('Bug', 'a peer needs an introduction')
    this.#helloSent = true
    connection.send(FRAME.hello, encodeHello(hello()))
    connection.flush()
  }

  #established(connection: FrameConnection): void {
    this.#finish()
    connection.maxFrameBytes = DIALLING_LIMITS[this.#options.alpn].acceptFrameBytesMax
    const { unansweredPings, unansweredPingsOfClient } = TRANSPORT_LIMITS
    const unansweredMax = this.#options.alpn === CLIENT_ALPN ? unansweredPingsOfClient : unansweredPings
    const liveness = new Liveness(connection, { sendsPings: true, unansweredMax })
    connection.intercept = (type, payload) => liveness.handle(type, payload)
    connection.whenEnded(() => liveness.stop())
    liveness.start()
    this.#resolve(connection)
  }

  #fail(error: KnhkError): void {
    if (this.#settled) return
    this.#finish()
    if (this.#connection !== null) this.#connection.destroy(error)
    else this.#socket.destroy()
    this.#reject(error)
  }

  #finish(): void {
    this.#settled = true
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#abort)
  }
}

/** What the WELCOME says against what was expected; null when it fits. */
function mismatch(options: DialOptions, welcome: Welcome): KnhkError | null {
  const { address, expected } = options
  if (!bytesEqual(welcome.clusterId, expected.clusterId)) {
    return new KnhkError('ForeignCluster', `the node at ${address} belongs to another cluster`)
  }
  if (welcome.nodeId !== expected.nodeId) {
    return new KnhkError('WrongNode', `the node at ${address} is ${welcome.nodeId}, not ${expected.nodeId}`)
  }
  if (expected.configHash !== undefined && !bytesEqual(welcome.configHash, expected.configHash)) {
    return new KnhkError('ConfigurationMismatch', `${welcome.nodeId} at ${address} runs another configuration`)
  }
  return null
}

function socketFailure(address: string, cause: Error): KnhkError {
  const { code } = cause as NodeJS.ErrnoException
  const tlsFailed = code === 'EPROTO' || code?.startsWith('ERR_SSL') === true
  if (tlsFailed) return new KnhkError('WrongNode', `what answers at ${address} is no node of knhk`, { cause })
  return new KnhkError('Unreachable', `${address} cannot be reached: ${code ?? cause.message}`, { cause })
}
