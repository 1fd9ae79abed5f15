/**
 * The client connections of a node: each frame goes to the room it is for, each client hears who leads, and
 * one that breaks the protocol or does not read its answers is closed.
 */
import { KnhkError } from '../base/error.js'
import { CLIENT_FRAME, encodeLeaderNotice, requestNumberOf, requestOf, traceOf } from '../transport/client-protocol.js'
import type { NodeParts } from './parts.js'
import type { ClientConnection } from './ports.js'

export class ClientDesk {
  readonly #parts: NodeParts
  readonly #connections = new Set<ClientConnection>()

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#connections.size
  }

  /** Begins to take what clients send. */
  open(): void {
    const { clients } = this.#parts.ports
    clients.onOpen = (connection) => {
      this.#connections.add(connection)
      connection.send(CLIENT_FRAME.leader, this.#leaderNotice())
      this.#parts.hooks.wake()
    }
    clients.onClose = (connection) => this.#connections.delete(connection)
    clients.onFrame = (connection, type, payload) => this.#frame(connection, type, payload)
  }

  /** Tells everybody that another node leads. */
  announceLeader(): void {
    const notice = this.#leaderNotice()
    for (const connection of this.#connections) connection.send(CLIENT_FRAME.leader, notice)
  }

  /** A term orders notices in Raft; views do in PBFT, rounds in HotStuff. */
  #leaderNotice(): Uint8Array {
    const { core, hooks } = this.#parts
    const { term, view, round } = core.status()
    return encodeLeaderNotice(view ?? round ?? term, hooks.leader())
  }

  #frame(connection: ClientConnection, type: number, payload: Uint8Array): void {
    const { hooks, options, ports } = this.#parts
    if (hooks.isStopped()) return
    if (connection.bufferedBytes > options.limits.clientBufferBytesMax) {
      connection.close('the client does not read its answers')
      return
    }
    try {
      this.#route(connection, type, payload)
    } catch (error) {
      if (!(error instanceof KnhkError)) throw error
      ports.logger.log('warn', 'closed a client', { code: error.code, reason: error.message })
      connection.close(error.message)
    }
  }

  #route(connection: ClientConnection, type: number, payload: Uint8Array): void {
    const { hooks, intake, orders, queries } = this.#parts
    if (type === CLIENT_FRAME.propose) {
      intake.request(connection, requestNumberOf(payload), requestOf(payload), traceOf(payload))
      hooks.wake()
    } else if (type === CLIENT_FRAME.order) {
      orders.frame(connection, payload)
      hooks.wake()
    } else if (type === CLIENT_FRAME.query) {
      queries.frame(connection, payload, hooks.wake)
    } else {
      throw new KnhkError('ProtocolViolation', `frame type ${type} is unknown`)
    }
  }
}
