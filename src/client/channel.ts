/**
 * The channel to a cluster in which one member's word is enough, a Raft cluster: requests and orders go to
 * the leader, queries to any member. Under a Byzantine protocol it carries what is asked of one member all
 * the same; `QuorumChannel` adds the rest.
 */
import { KnhkError } from '../base/error.js'
import { type ClientOrder, decodeOrdered, encodeOrder } from '../transport/client-orders.js'
import {
  CLIENT_FRAME,
  decodeApplied,
  decodeQueryAnswer,
  encodeQuery,
  type WireReadLevel,
  writeProposeHeader,
} from '../transport/client-protocol.js'
import { decodeResults } from '../workflow/result-codec.js'
import type { Links } from './links.js'
import { Outstanding } from './outstanding.js'
import { Pending, type Target, THE_LEADER } from './pending.js'
import type {
  ChannelQuery,
  LinkListener,
  MemberOrder,
  OrderCallback,
  QueryCallback,
  RequestCallback,
  RequestChannel,
} from './request-channel.js'
import { ToOne } from './to-one.js'

export interface LinkHandlers {
  readonly onFrame: (member: string, type: number, payload: Uint8Array) => void
  readonly onShutOut: (error: KnhkError) => void
  readonly onUp: (member: string) => void
  readonly onDown: (member: string) => void
  readonly onLeader: (leader: string | null) => void
  readonly onStranger: (member: string) => void
}

export type MakeLinks = (handlers: LinkHandlers) => Links

/** Whom a query goes to, and how that member is to answer it. */
export interface DirectQuery extends Target {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  readonly level: WireReadLevel
}

export class Channel implements RequestChannel {
  readonly links: Links
  readonly outstanding = new Outstanding()
  readonly #toOne: ToOne
  readonly #listeners: LinkListener[] = []

  constructor(makeLinks: MakeLinks) {
    const tell = (what: (listener: LinkListener) => void): void => this.#listeners.forEach(what)
    this.links = makeLinks({
      onFrame: (member, type, payload) => this.outstanding.receive(member, type, payload),
      onShutOut: (error) => tell((listener) => listener.shutOut?.(error)),
      onUp: (member) => tell((listener) => listener.up?.(member)),
      onDown: (member) => tell((listener) => listener.down?.(member)),
      onLeader: (leader) => tell((listener) => listener.leaderChanged?.(leader)),
      onStranger: (member) => tell((listener) => listener.stranger?.(member)),
    })
    this.#toOne = new ToOne(this.outstanding, this.links)
    this.listen(this.#toOne)
  }

  listen(listener: LinkListener): void {
    this.#listeners.push(listener)
  }

  /** One number names all of them: nothing of a client's own is without a session but the opening of one. */
  bareSequence(): number {
    return 0
  }

  propose(payload: Uint8Array, timeoutMs: number, callback: RequestCallback): number {
    const number = this.outstanding.number()
    writeProposeHeader(payload, number)
    const onAnswer = (answer: Uint8Array): void => {
      const applied = decodeApplied(answer)
      callback(applied, decodeResults(applied.results, applied.index, applied.firstPosition), null)
    }
    const onError = (error: KnhkError): void => callback(null, null, error)
    this.#submit({ number, type: CLIENT_FRAME.propose, payload }, THE_LEADER, timeoutMs, onAnswer, onError)
    return number
  }

  order(order: ClientOrder, member: string | null, timeoutMs: number, callback: OrderCallback): number {
    const number = this.outstanding.number()
    const frame = { number, type: CLIENT_FRAME.order, payload: encodeOrder({ requestNumber: number, order }) }
    const onAnswer = (answer: Uint8Array, from: string): void => callback(decodeOrdered(answer), null, from)
    const onError = (error: KnhkError, from: string): void => callback(null, error, from)
    this.#submit(frame, { member, once: false, toLeader: member === null }, timeoutMs, onAnswer, onError)
    return number
  }

  authorised(change: MemberOrder): MemberOrder {
    return change
  }

  query(query: ChannelQuery, timeoutMs: number, callback: QueryCallback): number {
    const { name, args, read, member, once = false } = query
    if (read === 'leader')
      throw new KnhkError('UnsupportedRead', 'raft offers no read level leader: its leases do what that is for')
    return this.ask({ name, args, level: read, member, once, toLeader: false }, timeoutMs, callback)
  }

  /** A query of one member. */
  ask({ name, args, level, ...target }: DirectQuery, timeoutMs: number, callback: QueryCallback): number {
    const number = this.outstanding.number()
    const payload = encodeQuery({ requestNumber: number, read: level, name, args })
    const onAnswer = (answer: Uint8Array, from: string): void => callback(decodeQueryAnswer(answer), null, from)
    const onError = (error: KnhkError, from: string): void => callback(null, error, from)
    this.#submit({ number, type: CLIENT_FRAME.query, payload }, target, timeoutMs, onAnswer, onError)
    return number
  }

  abort(number: number): void {
    this.outstanding.abort(number)
  }

  close(): void {
    this.#toOne.close()
    this.outstanding.close()
    this.links.close()
  }

  #submit(
    frame: Pick<Pending, 'number' | 'type' | 'payload'>,
    target: Target,
    timeoutMs: number,
    onAnswer: Pending['onAnswer'],
    onError: Pending['onError'],
  ): void {
    this.outstanding.submit(new Pending(this.#toOne, frame, target, performance.now() + timeoutMs, onAnswer, onError))
  }
}
