/**
 * Carries requests, orders and queries to the cluster and their answers back: numbers them, sends them to the
 * leader (or any member), sends them again after a leader change, and tells three outcomes apart:
 * answered, certainly not applied, unknown.
 *
 * Sending again is safe: a request's bytes do not change, and the session table in the replicated
 * state applies each sequence number at most once.
 */

import { KnhkError } from '../base/error.js'
import { type ClientOrder, decodeOrdered, encodeOrder, type OrderedFrame } from '../transport/client-orders.js'
import {
  type AppliedFrame,
  CLIENT_FRAME,
  decodeApplied,
  decodeQueryAnswer,
  decodeRefused,
  encodeQuery,
  type QueryAnswerFrame,
  requestNumberOf,
  type WireReadLevel,
  writeProposeHeader,
} from '../transport/client-protocol.js'
import { TRANSPORT_LIMITS } from '../transport/limits.js'
import type { Links } from './links.js'
import { ANY_MEMBER, isChange, LEADER_IS_BUSY, Pending, RETRYABLE, unknownBehind } from './pending.js'
import { Seeker } from './seeker.js'

/** Told once how a request ended. */
export type RequestCallback = (answer: AppliedFrame | null, error: KnhkError | null) => void
export type OrderCallback = (answer: OrderedFrame | null, error: KnhkError | null, node: string) => void
export type QueryCallback = (answer: QueryAnswerFrame | null, error: KnhkError | null, node: string) => void

const SWEEP_MS = 25
const RETRY_DELAY_MS = 20
export class Channel {
  readonly #links: Links
  readonly #seeker: Seeker
  readonly #pending = new Map<number, Pending>()
  #unsent: Pending[] = []
  #nextNumber = 1
  #sweep: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #closed = false
  /** A link to this member is open now. */
  onUp: (member: string) => void = () => {}
  /** This member names a leader that nobody knows here. */
  onStranger: (member: string) => void = () => {}

  constructor(
    makeLinks: (handlers: {
      onFrame: (member: string, type: number, payload: Uint8Array) => void
      onShutOut: (error: KnhkError) => void
      onUp: (member: string) => void
      onDown: (member: string) => void
      onLeader: (leader: string | null) => void
      onStranger: (member: string) => void
    }) => Links,
  ) {
    this.#links = makeLinks({
      onFrame: (member, type, payload) => this.#frame(member, type, payload),
      onShutOut: (error) => this.#shutOut(error),
      onUp: (member) => this.#up(member),
      onStranger: (member) => this.onStranger(member),
      onDown: (member) => this.#down(member),
      onLeader: (leader) => this.#leaderChanged(leader),
    })
    this.#seeker = new Seeker(this.#links, () => this.#unsent.length > 0 && !this.#closed)
  }

  get links(): Links {
    return this.#links
  }

  /**
   * Sends a request to the leader: `payload` is `PROPOSE_HEADER_BYTES` of room, then the request's
   * bytes. `callback` is told once; never before this call returns.
   */
  propose(payload: Uint8Array, timeoutMs: number, callback: RequestCallback): number {
    const number = this.#number()
    writeProposeHeader(payload, number)
    const frame = { number, type: CLIENT_FRAME.propose, payload }
    const onAnswer = (answer: Uint8Array): void => callback(decodeApplied(answer), null)
    const onError = (error: KnhkError): void => callback(null, error)
    this.#submit(new Pending(frame, ANY_MEMBER, performance.now() + timeoutMs, onAnswer, onError))
    return number
  }

  /** Sends an order to the leader, or to `member`. `callback` is told once; never before this call returns. */
  order(order: ClientOrder, member: string | null, timeoutMs: number, callback: OrderCallback): number {
    const number = this.#number()
    const frame = { number, type: CLIENT_FRAME.order, payload: encodeOrder({ requestNumber: number, order }) }
    const onAnswer = (answer: Uint8Array, from: string): void => callback(decodeOrdered(answer), null, from)
    const onError = (error: KnhkError, from: string): void => callback(null, error, from)
    const route = { member, once: false }
    this.#submit(new Pending(frame, route, performance.now() + timeoutMs, onAnswer, onError))
    return number
  }

  query(
    query: {
      readonly name: string
      readonly args: Readonly<Record<string, unknown>>
      readonly read: WireReadLevel
      readonly member: string | null
      /** Fail with the link instead of asking again; false when absent. */
      readonly once?: boolean
    },
    timeoutMs: number,
    callback: QueryCallback,
  ): number {
    const number = this.#number()
    const { read, name, args, member, once = false } = query
    const payload = encodeQuery({ requestNumber: number, read, name, args })
    const frame = { number, type: CLIENT_FRAME.query, payload }
    const onAnswer = (answer: Uint8Array, from: string): void => callback(decodeQueryAnswer(answer), null, from)
    const onError = (error: KnhkError, from: string): void => callback(null, error, from)
    this.#submit(new Pending(frame, { member, once }, performance.now() + timeoutMs, onAnswer, onError))
    return number
  }

  /**
   * Ends the wait for one request; its callback gets `Aborted`, whose detail `outcomeUnknown` says
   * whether it may have been, or may still be, applied. Does nothing for one that has ended.
   */
  abort(number: number): void {
    const pending = this.#pending.get(number)
    if (pending === undefined) return
    const outcomeUnknown = isChange(pending) && (pending.maybeApplied || pending.sentTo !== null)
    const message = outcomeUnknown ? 'cancelled; the operation may have been applied' : 'cancelled'
    this.#fail(pending, new KnhkError('Aborted', message, { details: { outcomeUnknown } }))
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweep)
    clearTimeout(this.#retry)
    this.#seeker.stop()
    for (const pending of [...this.#pending.values()])
      this.#fail(pending, new KnhkError('Aborted', 'the client was closed'))
    this.#links.close()
  }

  #number(): number {
    // Numbers wrap after 2^32; four billion requests are never under way at once.
    const number = this.#nextNumber
    this.#nextNumber = number === 0xffff_ffff ? 1 : number + 1
    return number
  }

  #submit(pending: Pending): void {
    if (this.#closed) {
      queueMicrotask(() => pending.onError(new KnhkError('Aborted', 'the client is closed'), ''))
      return
    }
    // A frame is its type and the payload.
    const frameBytes = 1 + pending.payload.length
    if (frameBytes > TRANSPORT_LIMITS.clientFrameBytes) {
      const message = `the request takes ${frameBytes} bytes, more than ${TRANSPORT_LIMITS.clientFrameBytes}`
      queueMicrotask(() => pending.onError(new KnhkError('FrameTooLarge', message), ''))
      return
    }
    this.#pending.set(pending.number, pending)
    this.#sweep ??= setInterval(() => this.#expire(), SWEEP_MS)
    this.#send(pending)
  }

  #send(pending: Pending): void {
    const target = this.#target(pending)
    const link = target === null ? undefined : this.#links.link(target)
    if (target === null || link === undefined) {
      pending.sentTo = null
      this.#unsent.push(pending)
      if (pending.member === null) this.#seeker.seek()
      // It lets us in and closes, again and again: not without a pause.
      else if (this.#links.mayDial(pending.member)) this.#openFor(pending, pending.member)
      else this.#resendLater()
      return
    }
    // A full queue did not take the frame: nothing of it has left.
    if (link.send(pending.type, pending.payload)) pending.sentTo = target
    else this.#sendLater(pending)
  }

  #target(pending: Pending): string | null {
    if (pending.member !== null) return pending.member
    if (isChange(pending)) return this.#links.leader
    return this.#links.any()?.member ?? null
  }

  #openFor(pending: Pending, member: string): void {
    this.#links.open(member).then(
      () => this.#resend(),
      (error: KnhkError) => {
        if (this.#pending.has(pending.number)) this.#fail(pending, error)
      },
    )
  }

  #sendLater(pending: Pending): void {
    pending.sentTo = null
    this.#unsent.push(pending)
    this.#resendLater()
  }

  #resendLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#resend()
    }, RETRY_DELAY_MS)
  }

  /** Sends everything that waits, in the order in which it was submitted. */
  #resend(): void {
    const unsent = this.#unsent
    this.#unsent = []
    unsent.sort((a, b) => a.number - b.number)
    for (const pending of unsent) if (this.#pending.has(pending.number)) this.#send(pending)
  }

  #shutOut(error: KnhkError): void {
    for (const pending of [...this.#unsent]) {
      this.#fail(pending, pending.maybeApplied ? unknownBehind(error) : error)
    }
  }

  /** Queries need no leader: any member answers them, or says why it cannot. */
  #up(member: string): void {
    this.onUp(member)
    if (this.#unsent.some((pending) => pending.type === CLIENT_FRAME.query)) this.#resend()
  }

  #leaderChanged(leader: string | null): void {
    if (leader === null) {
      if (this.#unsent.length > 0) this.#seeker.seek()
      return
    }
    this.#links.open(leader).then(
      () => this.#resend(),
      () => {
        this.#links.doubt(leader)
        this.#seeker.seek()
      },
    )
  }

  #down(member: string): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.sentTo !== member) continue
      if (pending.once) {
        this.#fail(pending, new KnhkError('Unreachable', `the link to ${member} was lost`))
        continue
      }
      pending.sentTo = null
      pending.maybeApplied = true
      this.#unsent.push(pending)
    }
    if (this.#unsent.length > 0) this.#resend()
  }

  #frame(member: string, type: number, payload: Uint8Array): void {
    const pending = this.#pending.get(requestNumberOf(payload))
    if (pending === undefined) return
    if (type === CLIENT_FRAME.refused) {
      this.#refused(member, pending, payload)
      return
    }
    this.#pending.delete(pending.number)
    try {
      pending.onAnswer(payload, member)
    } catch (error) {
      // An answer that cannot be read counts as none: it costs the link, and the request is sent again.
      this.#pending.set(pending.number, pending)
      throw error
    }
    this.#restIfIdle()
  }

  #refused(member: string, pending: Pending, payload: Uint8Array): void {
    const refusal = decodeRefused(payload)
    const error = new KnhkError(refusal.code, refusal.message, { details: refusal.details })
    pending.maybeApplied ||= refusal.outcomeUnknown
    pending.lastRefusal = error
    if (!RETRYABLE.has(refusal.code) || pending.member !== null) {
      this.#fail(pending, isChange(pending) && pending.maybeApplied ? unknownBehind(error) : error)
      return
    }
    pending.sentTo = null
    if (!LEADER_IS_BUSY.has(refusal.code) && isChange(pending)) {
      this.#links.doubt(member)
      if (refusal.leader !== null && refusal.leader !== member) this.#links.hint(refusal.leader)
    }
    this.#sendLater(pending)
  }

  #expire(): void {
    const now = performance.now()
    for (const pending of [...this.#pending.values()]) {
      if (pending.expiresAtMs <= now) this.#fail(pending, this.#expiry(pending))
    }
  }

  #expiry(pending: Pending): KnhkError {
    if (isChange(pending) && (pending.maybeApplied || pending.sentTo !== null)) {
      return new KnhkError(
        'OutcomeUnknown',
        'the deadline passed before the answer came; the operation may have been applied',
      )
    }
    if (pending.lastRefusal !== null) return pending.lastRefusal
    if (!this.#links.anyUp) {
      const failure =
        [...this.#links.failures.values()].find((error) => error.code !== 'Unreachable') ??
        [...this.#links.failures.values()][0]
      return failure ?? new KnhkError('Unreachable', 'no member answered before the deadline')
    }
    if (isChange(pending)) {
      return new KnhkError('NoLeader', 'no member led before the deadline; the operation was not sent')
    }
    return new KnhkError('DeadlineExceeded', 'the answer did not come before the deadline')
  }

  #fail(pending: Pending, error: KnhkError): void {
    this.#pending.delete(pending.number)
    this.#unsent = this.#unsent.filter((other) => other !== pending)
    this.#restIfIdle()
    pending.onError(error, pending.sentTo ?? pending.member ?? '')
  }

  #restIfIdle(): void {
    if (this.#pending.size > 0 || this.#sweep === undefined) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
    this.#seeker.stop()
  }
}
