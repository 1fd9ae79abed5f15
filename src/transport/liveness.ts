/**
 * Tells a dead connection from a quiet one. The dialling side sends PING at a fixed pace and measures
 * the round trip from PONG; both sides give up when a number of intervals passes without a single byte.
 * Intervals are counted, not clock time: a process that stood still for a minute has missed one
 * interval, not a hundred, and does not blame its peer.
 */

import { readU64, writeU64 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { FrameConnection } from './frame-connection.js'
import { FRAME } from './frames.js'
import { TRANSPORT_LIMITS } from './limits.js'

export const PING_BYTES = 8
/** RFC 6298's weight of a new sample, 1/8. */
const SMOOTHING = 0.125

export class Liveness {
  readonly #connection: FrameConnection
  readonly #sendsPings: boolean
  readonly #unansweredMax: number
  #timer: NodeJS.Timeout | null = null
  #sequence = 0
  #sentAtMs = 0
  #receivedBefore = 0
  #silentIntervals = 0

  /** `unansweredMax`: silent intervals after which the connection counts as dead; that of peers when absent. */
  constructor(connection: FrameConnection, options: { readonly sendsPings: boolean; readonly unansweredMax?: number }) {
    this.#connection = connection
    this.#sendsPings = options.sendsPings
    this.#unansweredMax = options.unansweredMax ?? TRANSPORT_LIMITS.unansweredPings
  }

  start(): void {
    this.#receivedBefore = this.#connection.received
    this.#timer = setInterval(() => this.#interval(), TRANSPORT_LIMITS.pingIntervalMs)
    this.#timer.unref()
    if (this.#sendsPings) this.#ping()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  /** Deals with PING and PONG; false for every other type. Throws `ProtocolViolation`. */
  handle(type: number, payload: Uint8Array): boolean {
    if (type !== FRAME.ping && type !== FRAME.pong) return false
    if (payload.length !== PING_BYTES) throw new KnhkError('ProtocolViolation', 'a PING or PONG has 8 bytes')
    if (type === FRAME.ping) {
      this.#connection.send(FRAME.pong, payload)
      this.#connection.flush()
    } else if (readU64(payload, 0) === this.#sequence) {
      this.#measured(performance.now() - this.#sentAtMs)
    }
    return true
  }

  #interval(): void {
    const { received } = this.#connection
    this.#silentIntervals = received === this.#receivedBefore ? this.#silentIntervals + 1 : 0
    this.#receivedBefore = received
    if (this.#silentIntervals >= this.#unansweredMax) {
      this.stop()
      this.#connection.destroy(new KnhkError('Unreachable', 'the connection is dead: nothing arrives any more'))
      return
    }
    if (this.#sendsPings) this.#ping()
  }

  #ping(): void {
    this.#sequence += 1
    this.#sentAtMs = performance.now()
    const payload = new Uint8Array(PING_BYTES)
    writeU64(payload, 0, this.#sequence)
    this.#connection.send(FRAME.ping, payload)
    this.#connection.flush()
  }

  #measured(sampleMs: number): void {
    const { rttMs } = this.#connection
    this.#connection.rttMs = rttMs === null ? sampleMs : rttMs + SMOOTHING * (sampleMs - rttMs)
  }
}
