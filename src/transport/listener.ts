/**
 * The one listening port of a node, for peers and clients. A connection has five seconds to prove a
 * key that we know, under an ALPN that we speak; until then it may send 4 KiB and there are at most 64
 * like it. Whatever does not fit is refused with its reason, logged once, and touches nothing else.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { NodeId } from '../consensus/types.js'
import { fingerprint } from '../crypto/key-encoding.js'
import { splitAddress } from './address.js'
import { FrameConnection } from './frame-connection.js'
import { FRAME } from './frames.js'
import {
  CLIENT_ALPN,
  decodeHello,
  encodeAccepted,
  encodeRefused,
  encodeWelcome,
  type Hello,
  PEER_ALPN,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  type Welcome,
} from './handshake.js'
import type { LimitedLog } from './limited-log.js'
import { TRANSPORT_LIMITS } from './limits.js'
import { Liveness } from './liveness.js'
import { provenKey, secureContext, type TlsKey } from './tls.js'

export interface ListenerOptions {
  readonly key: TlsKey
  /** What WELCOME says. */
  readonly welcome: Welcome
  /** The member that holds this key; null for a stranger. */
  readonly memberOf: (publicKey: Uint8Array) => NodeId | null
  /** Null admits the peer; otherwise the code of its refusal. */
  readonly admitPeer: (hello: Hello) => ErrorCode | null
  readonly admitClient: (publicKey: Uint8Array) => ErrorCode | null
  readonly onPeer: (peer: NodeId, connection: FrameConnection) => void
  readonly onClient: (publicKey: Uint8Array, connection: FrameConnection) => void
  readonly log: LimitedLog
}

/** A connection on its way through the handshake. */
interface Candidate {
  readonly socket: TLSSocket
  readonly remote: string
  readonly timer: NodeJS.Timeout
  alpn: string | null
  key: Uint8Array | null
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #context: SecureContext
  readonly #server: Server
  readonly #candidates = new Set<Candidate>()
  readonly #established = new Set<FrameConnection>()
  #clients = 0

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#context = secureContext(options.key)
    this.#server = createServer((socket) => this.#connected(socket))
  }

  /** Resolves with the bound port. Rejects with `AddressInUse` or `InvalidArgument`. */
  listen(address: string): Promise<number> {
    const { host, port } = splitAddress(address)
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException): void => {
        const code = cause.code === 'EADDRINUSE' ? 'AddressInUse' : 'InvalidArgument'
        reject(new KnhkError(code, `cannot listen on ${address}: ${cause.code ?? cause.message}`, { cause }))
      }
      this.#server.once('error', onError)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', onError)
        // Later failures concern one connection, such as running out of file descriptors; the port stays open.
        this.#server.on('error', (cause: NodeJS.ErrnoException) => {
          const reason = cause.code ?? cause.message
          this.#logRefusal('ResourceExhausted', `cannot accept: ${reason}`, { remote: 'unknown' })
        })
        const bound = this.#server.address()
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
      })
    })
  }

  /** Stops listening, ends every connection, and resolves when all are gone. */
  close(): Promise<void> {
    for (const candidate of this.#candidates) candidate.socket.destroy()
    for (const connection of this.#established) connection.close()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #connected(raw: Socket): void {
    const remote = `${raw.remoteAddress}:${raw.remotePort}`
    // The TLS layer reports failures of the socket underneath; this one must not be thrown as well.
    raw.on('error', () => {})
    if (this.#candidates.size >= TRANSPORT_LIMITS.unauthenticatedConnections) {
      raw.destroy()
      this.#logRefusal('ResourceExhausted', 'too many connections are not authenticated yet', { remote })
      return
    }
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#context,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [PEER_ALPN, CLIENT_ALPN],
    })
    const timer = setTimeout(() => {
      this.#logRefusal('DeadlineExceeded', 'the handshake took too long', candidate)
      this.#settle(candidate)
      socket.destroy()
    }, TRANSPORT_LIMITS.handshakeTimeoutMs)
    const candidate: Candidate = { socket, remote, timer, alpn: null, key: null }
    this.#candidates.add(candidate)
    const onError = (cause: NodeJS.ErrnoException): void => {
      this.#logRefusal('ProtocolViolation', `no TLS 1.3 handshake of ours: ${cause.code ?? cause.message}`, candidate)
    }
    const onClose = (): void => this.#settle(candidate)
    socket.on('error', onError)
    socket.on('close', onClose)
    socket.once('secure', () => {
      if (!this.#secured(candidate)) return
      // From here on the FrameConnection watches the socket.
      socket.off('error', onError)
      socket.off('close', onClose)
    })
  }

  /** True when a FrameConnection has taken the socket over. */
  #secured(candidate: Candidate): boolean {
    const { socket } = candidate
    if (socket.alpnProtocol !== PEER_ALPN && socket.alpnProtocol !== CLIENT_ALPN) {
      // Whoever names no protocol of ours would not understand a REFUSED either.
      this.#logRefusal('ProtocolViolation', 'no ALPN protocol was offered', candidate)
      socket.destroy()
      return false
    }
    candidate.alpn = socket.alpnProtocol
    const peer = socket.alpnProtocol === PEER_ALPN
    const connection = new FrameConnection(socket, {
      maxFrameBytes: TRANSPORT_LIMITS.handshakeFrameBytes,
      // The dialling side accepts the large size in both roles: an answer may hold more than a request.
      sendFrameBytesMax: TRANSPORT_LIMITS.peerFrameBytes,
      queueBytesMax: peer ? TRANSPORT_LIMITS.peerQueueBytes : TRANSPORT_LIMITS.clientQueueBytes,
      queueFramesMax: Number.POSITIVE_INFINITY,
      autoFlush: false,
    })
    this.#track(candidate, connection)
    const key = provenKey(socket)
    candidate.key = key
    if (key === null) this.#refuse(candidate, connection, 'UnknownKey', 'no Ed25519 certificate was presented')
    else if (peer) this.#authenticatePeer(candidate, connection, key)
    else this.#authenticateClient(candidate, connection, key)
    return true
  }

  #authenticatePeer(candidate: Candidate, connection: FrameConnection, key: Uint8Array): void {
    const member = this.#options.memberOf(key)
    if (member === null) this.#refuse(candidate, connection, 'UnknownKey', 'this key belongs to no member')
    else this.#awaitHello(candidate, connection, member)
  }

  #authenticateClient(candidate: Candidate, connection: FrameConnection, key: Uint8Array): void {
    const { welcome, admitClient } = this.#options
    const refusal = this.#clients < TRANSPORT_LIMITS.clientConnections ? admitClient(key) : 'ResourceExhausted'
    if (refusal !== null) {
      this.#refuse(candidate, connection, refusal, clientRefusal(refusal))
      return
    }
    connection.send(FRAME.welcome, encodeWelcome(welcome))
    connection.flush()
    this.#establish(candidate, connection, TRANSPORT_LIMITS.clientFrameBytes, { expectsPings: false })
    this.#clients += 1
    connection.whenEnded(() => {
      this.#clients -= 1
    })
    this.#options.onClient(key, connection)
  }

  #awaitHello(candidate: Candidate, connection: FrameConnection, member: NodeId): void {
    connection.intercept = (type, payload) => {
      if (type !== FRAME.hello) throw new KnhkError('ProtocolViolation', `frame type ${type} instead of HELLO`)
      this.#introduced(candidate, connection, member, decodeHello(payload))
      return true
    }
    connection.send(FRAME.welcome, encodeWelcome(this.#options.welcome))
    connection.flush()
  }

  #introduced(candidate: Candidate, connection: FrameConnection, member: NodeId, hello: Hello): void {
    const { welcome } = this.#options
    if (hello.nodeId !== member) {
      this.#refuse(candidate, connection, 'WrongNode', `the key of ${member} introduces itself as ${hello.nodeId}`)
    } else if (!bytesEqual(hello.clusterId, welcome.clusterId)) {
      this.#refuse(candidate, connection, 'ForeignCluster', `${member} belongs to another cluster`)
    } else if (!bytesEqual(hello.configHash, welcome.configHash)) {
      this.#refuse(candidate, connection, 'ConfigurationMismatch', `${member} runs another configuration`)
    } else {
      const refusal = this.#options.admitPeer(hello)
      if (refusal !== null) {
        this.#refuse(candidate, connection, refusal, `${member} is not admitted`)
        return
      }
      const minor = Math.min(hello.version.minor, PROTOCOL_MINOR)
      connection.send(FRAME.accepted, encodeAccepted({ major: PROTOCOL_MAJOR, minor }))
      connection.flush()
      this.#establish(candidate, connection, TRANSPORT_LIMITS.peerFrameBytes, { expectsPings: true })
      this.#options.onPeer(member, connection)
    }
  }

  #establish(
    candidate: Candidate,
    connection: FrameConnection,
    maxFrameBytes: number,
    liveness: { readonly expectsPings: boolean },
  ): void {
    this.#settle(candidate)
    connection.maxFrameBytes = maxFrameBytes
    const monitor = new Liveness(connection, { sendsPings: false })
    connection.intercept = (type, payload) => monitor.handle(type, payload)
    if (!liveness.expectsPings) return
    monitor.start()
    connection.whenEnded(() => monitor.stop())
  }

  #track(candidate: Candidate, connection: FrameConnection): void {
    this.#established.add(connection)
    connection.whenEnded((error) => {
      this.#established.delete(connection)
      if (!this.#candidates.has(candidate)) return
      this.#settle(candidate)
      if (error !== null) this.#logRefusal(error.code, error.message, candidate)
    })
  }

  #refuse(candidate: Candidate, connection: FrameConnection, code: ErrorCode, reason: string): void {
    this.#logRefusal(code, reason, candidate)
    this.#settle(candidate)
    connection.intercept = () => true
    connection.send(FRAME.refused, encodeRefused(code, reason))
    connection.close()
  }

  #settle(candidate: Candidate): void {
    clearTimeout(candidate.timer)
    this.#candidates.delete(candidate)
  }

  #logRefusal(
    code: ErrorCode,
    reason: string,
    about: { readonly remote: string; readonly alpn?: string | null; readonly key?: Uint8Array | null },
  ): void {
    const key = about.key == null ? null : fingerprint(about.key)
    const fields = { code, reason, remote: about.remote, alpn: about.alpn ?? null, key }
    this.#options.log.log('warn', 'refused a connection', fields, code)
  }
}

function clientRefusal(code: ErrorCode): string {
  if (code === 'UnknownKey') return 'the node does not know this client key'
  if (code === 'ResourceExhausted') return 'the node serves as many clients as it can'
  return 'the client is not admitted'
}
