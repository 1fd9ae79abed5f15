/**
 * Requests under way: numbers them, finds them again by the number that an answer echoes, and ends each
 * once, by an answer, an error, its deadline, or because its caller no longer wants it. How a request
 * travels is its own business: to one member (`to-one.ts`) or to all (`to-all.ts`).
 */
import { KnhkError } from '../base/error.js'
import { requestNumberOf } from '../transport/client-protocol.js'
import { TRANSPORT_LIMITS } from '../transport/limits.js'

const SWEEP_MS = 25

export interface Frame {
  readonly number: number
  readonly type: number
  readonly payload: Uint8Array
}

export type OnError = (error: KnhkError, member: string) => void

/** A class, so that all have one shape: object spreads here cost the client most of its time under load. */
export abstract class Underway {
  readonly number: number
  readonly type: number
  readonly payload: Uint8Array
  readonly expiresAtMs: number
  readonly onError: OnError

  constructor(frame: Frame, expiresAtMs: number, onError: OnError) {
    this.number = frame.number
    this.type = frame.type
    this.payload = frame.payload
    this.expiresAtMs = expiresAtMs
    this.onError = onError
  }

  abstract send(): void
  /** A frame that echoes its number. Throws `ProtocolViolation` where it cannot be read, which costs the link. */
  abstract receive(member: string, type: number, payload: Uint8Array): void
  /** What it failed of, now that its deadline has passed. */
  abstract expiry(): KnhkError
  /** It is over: gives up what is kept for it. */
  abstract ended(): void
  /** It would change something, and may have been, or may still be, applied. */
  abstract get outcomeUnknown(): boolean
  /** Whom it was asked of last; empty for nobody. */
  abstract get asked(): string
}

export class Outstanding {
  readonly #underway = new Map<number, Underway>()
  #nextNumber = 1
  #sweep: NodeJS.Timeout | undefined
  #closed = false

  /** A number for the next request. */
  number(): number {
    // Numbers wrap after 2^32; four billion requests are never under way at once.
    const number = this.#nextNumber
    this.#nextNumber = number === 0xffff_ffff ? 1 : number + 1
    return number
  }

  has(underway: Underway): boolean {
    return this.#underway.get(underway.number) === underway
  }

  /** All of them, as of now. */
  all(): readonly Underway[] {
    return [...this.#underway.values()]
  }

  /** Sends it. It is told of errors in a later turn only. */
  submit(underway: Underway): void {
    // A frame is its type and the payload.
    const frameBytes = 1 + underway.payload.length
    if (this.#closed) refuseLater(underway, new KnhkError('Aborted', 'the client is closed'))
    else if (frameBytes > TRANSPORT_LIMITS.clientFrameBytes) {
      const message = `the request takes ${frameBytes} bytes, more than ${TRANSPORT_LIMITS.clientFrameBytes}`
      refuseLater(underway, new KnhkError('FrameTooLarge', message))
    } else {
      this.#underway.set(underway.number, underway)
      this.#sweep ??= setInterval(() => this.#expire(), SWEEP_MS)
      underway.send()
    }
  }

  /** Hands a frame to the request that it answers; late ones are dropped. Throws `ProtocolViolation`. */
  receive(member: string, type: number, payload: Uint8Array): void {
    this.#underway.get(requestNumberOf(payload))?.receive(member, type, payload)
  }

  /** Takes out a request that is answered. False where it had ended before. */
  take(underway: Underway): boolean {
    if (!this.#underway.delete(underway.number)) return false
    underway.ended()
    return true
  }

  /** Takes it back: what was thought to be an answer is none. */
  putBack(underway: Underway): void {
    this.#underway.set(underway.number, underway)
  }

  fail(underway: Underway, error: KnhkError): void {
    if (!this.take(underway)) return
    this.restIfIdle()
    underway.onError(error, underway.asked)
  }

  /**
   * Ends the wait for one request; it is told `Aborted`, whose detail `outcomeUnknown` says whether it
   * may have been, or may still be, applied. Does nothing for one that has ended.
   */
  abort(number: number): void {
    const underway = this.#underway.get(number)
    if (underway === undefined) return
    const { outcomeUnknown } = underway
    const message = outcomeUnknown ? 'cancelled; the operation may have been applied' : 'cancelled'
    this.fail(underway, new KnhkError('Aborted', message, { details: { outcomeUnknown } }))
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweep)
    for (const underway of this.all()) this.fail(underway, new KnhkError('Aborted', 'the client was closed'))
  }

  restIfIdle(): void {
    if (this.#underway.size > 0 || this.#sweep === undefined) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  #expire(): void {
    const now = performance.now()
    for (const underway of this.all()) {
      if (underway.expiresAtMs <= now) this.fail(underway, underway.expiry())
    }
  }
}

function refuseLater(underway: Underway, error: KnhkError): void {
  queueMicrotask(() => underway.onError(error, ''))
}
