/**
 * Client requests that a replica of a Byzantine protocol knows and that are not executed yet. Every
 * replica keeps them, whoever proposes: that is how it notices a primary that leaves one out, and how it
 * answers the client itself, so that a client can wait for f + 1 equal answers.
 *
 * A request is named by session, first sequence number and client key; the state machine applies a name
 * at most once, so proposing one twice is waste, never harm. Requests that were seen in a proposal count
 * as in flight until the primary changes.
 */
import { readU64 } from '../base/bytes.js'
import type { ErrorCode } from '../base/error-codes.js'
import { REQUEST_HEADER_BYTES } from '../consensus/request.js'
import { encodeBody, forEachRequest } from '../consensus/request-body.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { Batch, Waiters } from './collector.js'
import type { NodeLimits } from './limits.js'
import type { ClientConnection } from './ports.js'

/** After so many times `forwardAfterMs` a request that was passed on or proposed, and still waits, is treated as new. */
const AGAIN = 8

interface Pending {
  readonly request: Uint8Array
  /** The replica that passed it on; null where a client gave it to this one first. */
  readonly from: NodeId | null
  readonly sinceMs: Millis
  connection: ClientConnection | null
  requestNumber: number
  /** When it was last seen in a proposal that may still come through; null for not. */
  inFlightSinceMs: Millis | null
  /** When this replica last passed it on to the primary; null for not yet. */
  forwardedAtMs: Millis | null
}

/** Who passes requests on, and how many bytes of these may wait here. */
export interface Forwarder {
  readonly from: NodeId
  readonly bytesMax: number
}

/** Who wants the answer to a request. */
export interface Waiter {
  readonly connection: ClientConnection
  readonly requestNumber: number
}

export class RequestPool {
  readonly #limits: NodeLimits
  /** In order of arrival. */
  readonly #pending = new Map<string, Pending>()
  #bytes = 0
  #inFlight = 0
  /** Bytes of what waits, by the replica that passed it on. */
  readonly #bytesOf = new Map<NodeId, number>()

  constructor(limits: NodeLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#pending.size
  }

  /** Nothing waits to be proposed. */
  get isEmpty(): boolean {
    return this.#pending.size === this.#inFlight
  }

  has(request: Uint8Array): boolean {
    return this.#pending.has(requestName(request, 0))
  }

  /** Since when the oldest one waits for its execution; null for none. */
  get waitingSinceMs(): Millis | null {
    for (const { sinceMs } of this.#pending.values()) return sinceMs
    return null
  }

  /** Takes a verified request of a client, with the connection that wants the answer. Null when it was taken. */
  add(request: Uint8Array, nowMs: Millis, waiter: Waiter): ErrorCode | null {
    const known = this.#pending.get(requestName(request, 0))
    if (known === undefined) return this.#insert(request, nowMs, waiter, null)
    // Sent again, perhaps over another connection: the newest one is answered.
    known.connection = waiter.connection
    known.requestNumber = waiter.requestNumber
    return null
  }

  /** Takes a verified request that another replica passed on, unless too many from there wait. */
  addForwarded(request: Uint8Array, nowMs: Millis, { from, bytesMax }: Forwarder): void {
    if (this.has(request)) return
    const bytes = (this.#bytesOf.get(from) ?? 0) + request.length
    if (bytes > bytesMax || this.#insert(request, nowMs, null, from) !== null) return
    this.#bytesOf.set(from, bytes)
  }

  #insert(request: Uint8Array, nowMs: Millis, waiter: Waiter | null, from: NodeId | null): ErrorCode | null {
    if (this.#bytes + request.length > this.#limits.pendingBytesMax) return 'ResourceExhausted'
    this.#bytes += request.length
    this.#pending.set(requestName(request, 0), {
      request,
      from,
      sinceMs: nowMs,
      connection: waiter?.connection ?? null,
      requestNumber: waiter?.requestNumber ?? 0,
      inFlightSinceMs: null,
      forwardedAtMs: null,
    })
    return null
  }

  /** These very bytes wait here, so they were verified. */
  holds(request: Uint8Array): boolean {
    if (this.#pending.size === 0 || request.length < REQUEST_HEADER_BYTES) return false
    const known = this.#pending.get(requestName(request, 0))
    return known !== undefined && Buffer.compare(known.request, request) === 0
  }

  /** Cuts the next batch of those that are not in flight; they are from now on. */
  take(nowMs: Millis): Batch['body'] {
    const { batchRequestsMax, batchBytesMax } = this.#limits
    const requests: Uint8Array[] = []
    let bytes = 0
    for (const pending of this.#pending.values()) {
      if (pending.inFlightSinceMs !== null) continue
      const { length } = pending.request
      if (requests.length >= batchRequestsMax || (requests.length > 0 && bytes + length > batchBytesMax)) break
      this.#mark(pending, nowMs)
      bytes += length
      requests.push(pending.request)
    }
    return encodeBody(requests)
  }

  /** The requests of a proposal that was seen are in flight, whoever made it. */
  noteProposed(body: Uint8Array, nowMs: Millis): void {
    if (this.#pending.size === 0) return
    forEachRequest(body, (start) => {
      const pending = this.#pending.get(requestName(body, start))
      if (pending !== undefined) this.#mark(pending, nowMs)
    })
  }

  /** Another replica proposes now: what was in flight may have been lost with the one before. */
  forgetProposals(): void {
    for (const pending of this.#pending.values()) {
      pending.inFlightSinceMs = null
      pending.forwardedAtMs = null
    }
    this.#inFlight = 0
  }

  /**
   * Proposals that were seen long ago and not executed are not waited for any more. A block can come after its round has
   * failed, and in an idle cluster no other primary follows whose coming would show that.
   */
  forgetOldProposals(nowMs: Millis): void {
    for (const pending of this.#pending.values()) {
      if (nowMs - pending.sinceMs < this.#againMs) break
      if (pending.inFlightSinceMs === null || nowMs - pending.inFlightSinceMs < this.#againMs) continue
      pending.inFlightSinceMs = null
      this.#inFlight--
    }
  }

  /**
   * Requests that wait for `forwardAfterMs` or longer, as many as one batch takes. What was given before comes again
   * when it still waits much later: the message can have been lost, and who may not vote brings about no other primary.
   */
  toForward(nowMs: Millis): readonly Uint8Array[] {
    const { forwardAfterMs, batchRequestsMax } = this.#limits
    const requests: Uint8Array[] = []
    for (const pending of this.#pending.values()) {
      if (nowMs - pending.sinceMs < forwardAfterMs || requests.length >= batchRequestsMax) break
      const { inFlightSinceMs, forwardedAtMs } = pending
      if (inFlightSinceMs !== null || (forwardedAtMs !== null && nowMs - forwardedAtMs < this.#againMs)) continue
      pending.forwardedAtMs = nowMs
      requests.push(pending.request)
    }
    return requests
  }

  /** The request is executed: takes it out, and says who waits for it here; null for nobody. */
  executed(name: string): Waiter | null {
    const pending = this.#pending.get(name)
    if (pending === undefined) return null
    this.#pending.delete(name)
    this.#bytes -= pending.request.length
    this.#release(pending)
    if (pending.inFlightSinceMs !== null) this.#inFlight--
    const { connection, requestNumber } = pending
    return connection === null ? null : { connection, requestNumber }
  }

  /** Gives up everything, with whoever waits for it. */
  drain(): Waiters {
    const connections: ClientConnection[] = []
    const requestNumbers: number[] = []
    for (const { connection, requestNumber } of this.#pending.values()) {
      if (connection === null) continue
      connections.push(connection)
      requestNumbers.push(requestNumber)
    }
    this.#pending.clear()
    this.#bytesOf.clear()
    this.#bytes = 0
    this.#inFlight = 0
    return { connections, requestNumbers }
  }

  #release({ from, request }: Pending): void {
    if (from === null) return
    const bytes = (this.#bytesOf.get(from) ?? 0) - request.length
    if (bytes > 0) this.#bytesOf.set(from, bytes)
    else this.#bytesOf.delete(from)
  }

  get #againMs(): Millis {
    return AGAIN * this.#limits.forwardAfterMs
  }

  #mark(pending: Pending, nowMs: Millis): void {
    if (pending.inFlightSinceMs === null) this.#inFlight++
    pending.inFlightSinceMs = nowMs
  }
}

/** Session offset, session index, first sequence, client key: everything of the header that names a request. */
export function requestName(bytes: Uint8Array, start: number): string {
  let key = `${readU64(bytes, start + 8)}/${readU64(bytes, start + 16)}/`
  for (let at = start + 4; at < start + 8; at++) key += String.fromCharCode(bytes[at] as number)
  for (let at = start + 32; at < start + 64; at++) key += String.fromCharCode(bytes[at] as number)
  return key
}

/** The names of all requests of a body, in order. */
export function namesOf(body: Uint8Array): string[] {
  const names: string[] = []
  forEachRequest(body, (start) => names.push(requestName(body, start)))
  return names
}
