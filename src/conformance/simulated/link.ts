/** A link of the client library to a simulated node: frames go over by call, with the manners of a real connection. */
import { concatBytes } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SimulatedConnection, SimulatedListener } from '../../simulator/clients.js'
import type { FrameLink } from '../../transport/dial.js'

/** Told of every frame before it is handed on; false loses it, and the link with it. */
export type TakesFrame = (type: number) => boolean

export class SimulatedLink implements FrameLink {
  readonly bufferedBytes = 0
  readonly rttMs = null
  onClose: FrameLink['onClose'] = () => {}
  readonly #connection: SimulatedConnection
  readonly #takes: TakesFrame
  #onFrame: FrameLink['onFrame'] | null = null
  /** Frames that came before anybody wanted them. */
  #early: [number, Uint8Array][] = []

  constructor(listener: SimulatedListener, clientKey: Uint8Array, takes: TakesFrame) {
    this.#takes = takes
    this.#connection = listener.connect(clientKey, {
      onAnswer: (type, payload) => this.#received(type, payload),
      onClose: () => this.onClose(null),
    })
  }

  get open(): boolean {
    return this.#connection.open
  }

  get onFrame(): FrameLink['onFrame'] {
    return this.#onFrame ?? (() => {})
  }

  set onFrame(handler: FrameLink['onFrame']) {
    this.#onFrame = handler
    const early = this.#early
    this.#early = []
    for (const [type, payload] of early) this.#received(type, payload)
  }

  send(type: number, payload: Uint8Array | readonly Uint8Array[]): boolean {
    if (!this.open) return false
    this.#connection.transmit(type, payload instanceof Uint8Array ? payload.slice() : concatBytes(payload))
    return true
  }

  flush(): void {}

  close(): void {
    this.#connection.close()
  }

  #received(type: number, payload: Uint8Array): void {
    if (this.#onFrame === null) {
      this.#early.push([type, payload])
      return
    }
    if (!this.#takes(type)) {
      this.close()
      return
    }
    try {
      this.#onFrame(type, payload)
    } catch (error) {
      // As a real connection: a frame that the handler cannot read ends it.
      if (!(error instanceof KnhkError) || error.code !== 'ProtocolViolation') throw error
      this.close()
    }
  }
}
