/**
 * Remembers who waits for which entry, and answers when it is applied here. An entry that this leader
 * proposed may still be replaced by another leader's: the answer goes out only when index and term
 * are those of the proposal; otherwise the outcome is unknown to us and the client asks again.
 */
import { KnhkError } from '../base/error.js'
import type { LogIndex, NodeId, Term } from '../consensus/types.js'
import {
  type AnswerContext,
  CLIENT_FRAME,
  encodeApplied,
  encodeRefused,
  type RefusedFrame,
} from '../transport/client-protocol.js'
import { TRANSPORT_LIMITS } from '../transport/limits.js'
import type { Waiters } from './collector.js'
import type { ClientConnection } from './ports.js'

interface Waiting extends Waiters {
  readonly term: Term
}

export class Answers {
  readonly #waiting = new Map<LogIndex, Waiting>()

  get waitingEntries(): number {
    return this.#waiting.size
  }

  /** The batch became the entry (index, term). */
  expect(index: LogIndex, term: Term, waiters: Waiters): void {
    this.#waiting.set(index, { term, connections: waiters.connections, requestNumbers: waiters.requestNumbers })
  }

  /** Takes out who waits for the entry that is applied now; undefined when nobody here does. */
  take(index: LogIndex, term: Term): Waiters | undefined {
    const waiting = this.#waiting.get(index)
    if (waiting === undefined) return undefined
    this.#waiting.delete(index)
    if (waiting.term === term) return waiting
    refuse(waiting, { code: 'LeadershipLost', outcomeUnknown: false, leader: null })
    return undefined
  }

  /** Leadership is gone: what was proposed may or may not survive. Returns how many requests were told so. */
  abandon(leader: NodeId | null): number {
    let requests = 0
    for (const waiting of this.#waiting.values()) {
      refuse(waiting, { code: 'LeadershipLost', outcomeUnknown: true, leader })
      requests += waiting.requestNumbers.length
    }
    this.#waiting.clear()
    return requests
  }
}

/** Answers one request of an applied entry. */
export function sendApplied(
  connection: ClientConnection,
  requestNumber: number,
  context: AnswerContext,
  index: LogIndex,
  firstPosition: number,
  results: Uint8Array,
): void {
  if (!connection.open) return
  const answer = encodeApplied(requestNumber, context, index, firstPosition, results)
  if (answer.length <= TRANSPORT_LIMITS.clientFrameBytes) connection.send(CLIENT_FRAME.applied, answer)
  else refuseOne(connection, requestNumber, { code: 'FrameTooLarge', outcomeUnknown: true, leader: null })
}

export type Refusal = Pick<RefusedFrame, 'code' | 'outcomeUnknown' | 'leader'>

export function refuse(waiters: Waiters, refusal: Refusal): void {
  for (let i = 0; i < waiters.connections.length; i++) {
    refuseOne(waiters.connections[i] as ClientConnection, waiters.requestNumbers[i] as number, refusal)
  }
}

export function refuseOne(connection: ClientConnection, requestNumber: number, refusal: Refusal): void {
  if (!connection.open) return
  const { message, details } = new KnhkError(refusal.code, REFUSAL_MESSAGES[refusal.code] ?? 'the request was refused')
  connection.send(CLIENT_FRAME.refused, encodeRefused({ requestNumber, message, details, ...refusal }))
}

const REFUSAL_MESSAGES: Readonly<Partial<Record<RefusedFrame['code'], string>>> = {
  NotLeader: 'this node does not lead',
  NoLeader: 'there is no leader right now',
  LeadershipLost: 'the leader changed while the request was under way',
  ResourceExhausted: 'the node is at a limit and takes no more requests for now',
  DiskFull: 'the disk of the node is full, or its quota is reached',
  NotPermitted: 'the request carries another client key than the connection',
  FrameTooLarge: 'the operations were applied, but their results together do not fit into one answer',
  DeadlineExceeded: 'the node could not confirm the read in time',
  UnsupportedRead: 'this read level is not offered',
}

/** Reports any error of a query or request to the client that caused it. */
export function refuseWithError(connection: ClientConnection, requestNumber: number, error: KnhkError): void {
  if (!connection.open) return
  const { code, message, details } = error
  connection.send(
    CLIENT_FRAME.refused,
    encodeRefused({ requestNumber, code, message, details, outcomeUnknown: false, leader: null }),
  )
}
