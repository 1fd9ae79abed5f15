/**
 * The one listening port of a node, for peers and clients. A connection has five seconds to prove a
 * key that we know, under an ALPN that we speak; until then it may send 4 KiB and there are at most 64
 * like it. Whatever does not fit is refused with its reason, logged once, and touches nothing else.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { assert } from '../base/assert.js'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { NodeId } from '../consensus/types.js'
import { fingerprint } from '../crypto/key-encoding.js'
import { splitAddress } from './address.js'
import { FrameConnection } from './frame-connection.js'
import { FRAME } from './frames.js'
import {
  ALPNS,
  type Alpn,
  CLIENT_ALPN,
  decodeHello,
  encodeAccepted,
  encodeRefused,
  encodeWelcome,
  type Hello,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  SNAPSHOT_ALPN,
  type Welcome,
} from './handshake.js'
import type { LimitedLog } from './limited-log.js'
import { TRANSPORT_LIMITS } from './limits.js'
import { LISTENING_LIMITS } from './link-limits.js'
import { Liveness } from './liveness.js'
import { provenKey, secureContext, type TlsKey } from './tls.js'

export interface ListenerOptions {
  readonly key: TlsKey
  /** What WELCOME says. */
  readonly welcome: Welcome
  /** The member that holds this key at the moment; null for a stranger. */
  readonly memberOf: (publicKey: Uint8Array) => NodeId | null
  /** Null admits the peer; otherwise the code of its refusal. */
  readonly admitPeer: (hello: Hello) => ErrorCode | null
  readonly admitClient: (publicKey: Uint8Array) => ErrorCode | null
  readonly onPeer: (peer: NodeId, connection: FrameConnection) => void
  /** A member connected to exchange snapshots. */
  readonly onSnapshotPeer: (peer: NodeId, connection: FrameConnection) => void
  readonly onClient: (publicKey: Uint8Array, connection: FrameConnection) => void
  readonly log: LimitedLog
}

/** A connection on its way through the handshake. */
interface Candidate {
  readonly socket: TLSSocket
  readonly remote: string
  readonly timer: NodeJS.Timeout
  alpn: Alpn | null
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
      ALPNProtocols: [...ALPNS],
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
    const alpn = ALPNS.find((name) => name === socket.alpnProtocol)
    if (alpn === undefined) {
      // Whoever names no protocol of ours would not understand a REFUSED either.
      this.#logRefusal('ProtocolViolation', 'no ALPN protocol was offered', candidate)
      socket.destroy()
      return false
    }
    candidate.alpn = alpn
    const connection = new FrameConnection(socket, {
      ...LISTENING_LIMITS[alpn],
      maxFrameBytes: TRANSPORT_LIMITS.handshakeFrameBytes,
      // The node flushes once a turn; snapshots move beside its loop.
      autoFlush: alpn === SNAPSHOT_ALPN,
    })
    this.#track(candidate, connection)
    const key = provenKey(socket)
    candidate.key = key
    if (key === null) this.#refuse(candidate, connection, 'UnknownKey', 'no Ed25519 certificate was presented')
    else if (alpn === CLIENT_ALPN) this.#authenticateClient(candidate, connection, key)
    else this.#authenticatePeer(candidate, connection, alpn, key)
    return true
  }

  #authenticatePeer(candidate: Candidate, connection: FrameConnection, alpn: Alpn, key: Uint8Array): void {
    const member = this.#options.memberOf(key)
    if (member === null) {
      this.#refuse(candidate, connection, 'UnknownKey', NO_MEMBER)
      return
    }
    connection.intercept = (type, payload) => {
      if (type !== FRAME.hello) throw new KnhkError('ProtocolViolation', `frame type ${type} instead of HELLO`)
      const hello = decodeHello(payload)
      // It may have left since the WELCOME.
      const isMember = this.#options.memberOf(key) === member
      const refusal = isMember ? this.#refusal(member, hello) : (['UnknownKey', NO_MEMBER] as const)
      if (refusal === null) this.#admit(candidate, connection, alpn, hello)
      else this.#refuse(candidate, connection, ...refusal)
      return true
    }
    connection.send(FRAME.welcome, encodeWelcome(this.#options.welcome))
    connection.flush()
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
    this.#establish(candidate, connection, { expectsPings: false })
    this.#clients += 1
    connection.whenEnded(() => {
      this.#clients -= 1
    })
    this.#options.onClient(key, connection)
  }

  /** What speaks against a member with this introduction; null where nothing does. */
  #refusal(member: NodeId, hello: Hello): readonly [ErrorCode, string] | null {
    const { welcome } = this.#options
    if (hello.nodeId !== member) return ['WrongNode', `the key of ${member} introduces itself as ${hello.nodeId}`]
    if (!bytesEqual(hello.clusterId, welcome.clusterId)) {
      return ['ForeignCluster', `${member} belongs to another cluster`]
    }
    if (!bytesEqual(hello.configHash, welcome.configHash)) {
      return ['ConfigurationMismatch', `${member} runs another configuration`]
    }
    const code = this.#options.admitPeer(hello)
    return code === null ? null : [code, `${member} is not admitted`]
  }

  #admit(candidate: Candidate, connection: FrameConnection, alpn: Alpn, hello: Hello): void {
    const { onPeer, onSnapshotPeer } = this.#options
    const minor = Math.min(hello.version.minor, PROTOCOL_MINOR)
    connection.send(FRAME.accepted, encodeAccepted({ major: PROTOCOL_MAJOR, minor }))
    connection.flush()
    this.#establish(candidate, connection, { expectsPings: true })
    const take = alpn === SNAPSHOT_ALPN ? onSnapshotPeer : onPeer
    take(hello.nodeId, connection)
  }

  #establish(candidate: Candidate, connection: FrameConnection, liveness: { readonly expectsPings: boolean }): void {
    this.#settle(candidate)
    assert(candidate.alpn !== null, 'only a connection that said what it is for is established')
    connection.maxFrameBytes = LISTENING_LIMITS[candidate.alpn].acceptFrameBytesMax
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

const NO_MEMBER = 'this key belongs to no member of the cluster, or to one that was removed'

function clientRefusal(code: ErrorCode): string {
  if (code === 'UnknownKey') return 'the node does not know this client key'
  if (code === 'ResourceExhausted') return 'the node serves as many clients as it can'
  return 'the client is not admitted'
}
