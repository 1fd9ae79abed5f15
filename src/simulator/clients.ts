/** Client connections of a simulated node: frames go over by call, in both directions. */
import type { ClientConnection, ClientListener } from '../node/ports.js'
import type { EventQueue } from './event-queue.js'

export type AnswerHandler = (type: number, payload: Uint8Array) => void

export class SimulatedConnection implements ClientConnection {
  readonly clientKey: Uint8Array
  readonly bufferedBytes = 0
  open = true
  readonly #listener: SimulatedListener
  readonly #queue: EventQueue
  readonly #onAnswer: AnswerHandler
  readonly #onClose: () => void

  constructor(
    listener: SimulatedListener,
    queue: EventQueue,
    clientKey: Uint8Array,
    handlers: { readonly onAnswer: AnswerHandler; readonly onClose: () => void },
  ) {
    this.#listener = listener
    this.#queue = queue
    this.clientKey = clientKey
    this.#onAnswer = handlers.onAnswer
    this.#onClose = handlers.onClose
  }

  /** From the node to the client. */
  send(type: number, payload: Uint8Array): void {
    const copy = this.#listener.answerOf(type, payload.slice())
    if (copy === null) return
    this.#queue.after(0.1, () => {
      if (this.open) this.#onAnswer(type, copy)
    })
  }

  /** From the client to the node. */
  transmit(type: number, payload: Uint8Array): void {
    this.#queue.after(0.1, () =>
      this.#listener.guard(() => {
        if (this.open) this.#listener.onFrame(this, type, payload)
      }),
    )
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.#listener.onClose(this)
    this.#onClose()
  }
}

export class SimulatedListener implements ClientListener {
  onFrame: ClientListener['onFrame'] = () => {}
  onOpen: ClientListener['onOpen'] = () => {}
  onClose: ClientListener['onClose'] = () => {}
  /** Runs what reaches the node when it can take it; not at all once it is gone. */
  readonly guard: (callback: () => void) => void
  /** What leaves in place of an answer; null for nothing. */
  readonly answerOf: (type: number, payload: Uint8Array) => Uint8Array | null
  readonly #queue: EventQueue
  readonly #connections = new Set<SimulatedConnection>()

  constructor(
    queue: EventQueue,
    guard: (callback: () => void) => void,
    answerOf: (type: number, payload: Uint8Array) => Uint8Array | null,
  ) {
    this.#queue = queue
    this.guard = guard
    this.answerOf = answerOf
  }

  connect(
    clientKey: Uint8Array,
    handlers: { readonly onAnswer: AnswerHandler; readonly onClose: () => void },
  ): SimulatedConnection {
    const connection = new SimulatedConnection(this, this.#queue, clientKey, handlers)
    this.#connections.add(connection)
    this.guard(() => {
      if (connection.open) this.onOpen(connection)
    })
    return connection
  }

  flush(): void {}

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close()
    this.#connections.clear()
  }
}
