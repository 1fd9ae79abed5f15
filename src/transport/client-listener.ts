/**
 * The clients of one node: the `ClientListener` port. Answers are many and small, so each connection
 * collects its frames and a flush writes those of all connections that have any.
 */

import { KnhkError } from '../base/error.js'
import { fingerprint } from '../crypto/key-encoding.js'
import type { ClientConnection, ClientListener } from '../node/ports.js'
import type { FrameConnection } from './frame-connection.js'
import { FIRST_PROTOCOL_TYPE } from './frames.js'
import type { LimitedLog } from './limited-log.js'

export class TlsClientListener implements ClientListener {
  onFrame: (connection: ClientConnection, type: number, payload: Uint8Array) => void = () => {}
  onOpen: (connection: ClientConnection) => void = () => {}
  onClose: (connection: ClientConnection) => void = () => {}
  readonly #log: LimitedLog
  readonly #connections = new Set<FrameConnection>()
  #waiting: FrameConnection[] = []

  constructor(log: LimitedLog) {
    this.#log = log
  }

  /** Takes over a connection that the listener admitted. */
  accept(clientKey: Uint8Array, frames: FrameConnection): void {
    const log = (reason: string): void =>
      this.#log.log('warn', 'closed a client connection', { reason, key: fingerprint(clientKey) })
    const connection = new TlsClientConnection(clientKey, frames, {
      onQueued: () => this.#waiting.push(frames),
      onForcedClose: log,
    })
    this.#connections.add(frames)
    frames.whenEnded((error) => {
      this.#connections.delete(frames)
      if (error !== null && error.code !== 'Unreachable') log(`${error.code}: ${error.message}`)
      this.onClose(connection)
    })
    frames.onFrame = (type, payload) => {
      if (type < FIRST_PROTOCOL_TYPE) throw new KnhkError('ProtocolViolation', `frame type ${type} has no place here`)
      this.onFrame(connection, type, payload)
    }
    this.onOpen(connection)
  }

  flush(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const frames of waiting) frames.flush()
  }

  async close(): Promise<void> {
    for (const frames of this.#connections) frames.close()
  }
}

interface ConnectionHooks {
  /** The first frame since the last flush was queued. */
  readonly onQueued: () => void
  readonly onForcedClose: (reason: string) => void
}

class TlsClientConnection implements ClientConnection {
  readonly clientKey: Uint8Array
  readonly #frames: FrameConnection
  readonly #hooks: ConnectionHooks

  constructor(clientKey: Uint8Array, frames: FrameConnection, hooks: ConnectionHooks) {
    this.clientKey = clientKey
    this.#frames = frames
    this.#hooks = hooks
  }

  get bufferedBytes(): number {
    return this.#frames.bufferedBytes
  }

  get open(): boolean {
    return this.#frames.open
  }

  send(type: number, payload: Uint8Array): void {
    const wasEmpty = this.#frames.queuedBytes === 0
    if (this.#frames.send(type, payload)) {
      if (wasEmpty) this.#hooks.onQueued()
    } else if (this.#frames.open) {
      const error = new KnhkError('ResourceExhausted', 'the client does not read its answers')
      this.#frames.destroy(error)
    }
  }

  close(reason: string): void {
    if (!this.#frames.open) return
    this.#hooks.onForcedClose(reason)
    this.#frames.close()
  }
}
