/**
 * One request on its way to all members of a Byzantine cluster, and what they said. A member has one vote,
 * its newest: an honest one may be overtaken by itself, as when it answers an operation that came too early
 * and, a moment later, the same operation in its place.
 */
import { isDeepStrictEqual } from 'node:util'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { Assurance } from '../consensus/types.js'
import {
  type AnswerContext,
  decodeApplied,
  decodeQueryAnswer,
  type QueryAnswerFrame,
  type RefusedFrame,
} from '../transport/client-protocol.js'
import { decodeResults, type PlacedResult } from '../workflow/result-codec.js'
import { type Frame, type OnError, Underway } from './outstanding.js'

/** From the weakest on. */
const ASSURANCES: readonly Assurance[] = ['quorum', 'fast', 'certified']

/** An answer that was read. */
export interface Vote extends AnswerContext {
  /** What has to be equal; nothing in it depends on the member. */
  readonly content: unknown
  /** For a query: up to where the member had applied. */
  readonly index: number
}

/** How the answers to a request are read, and what becomes of one that enough members gave. */
export interface Purpose {
  /** Throws `ProtocolViolation`. */
  read(payload: Uint8Array): Vote
  agreed(vote: Vote, member: string): void
}

/** Carries ballots: `ToAll`. */
export interface BallotCarrier {
  send(ballot: Ballot): void
  receive(ballot: Ballot, member: string, type: number, payload: Uint8Array): void
  expiry(ballot: Ballot): KnhkError
  forget(ballot: Ballot): void
}

export class Ballot extends Underway {
  readonly purpose: Purpose
  /** Only this member is asked, and believed; null for all. */
  readonly only: string | null
  /** False while its bytes are not complete. */
  isReady = true
  /** Who has it and has not answered. */
  readonly asking = new Set<string>()
  readonly votes = new Map<string, Vote>()
  /** Refusals that do not pass. */
  readonly refusals = new Map<string, RefusedFrame>()
  /** Some node may have it. */
  wasSent = false
  lastRefusal: KnhkError | null = null
  retries = 0
  retry: NodeJS.Timeout | undefined
  /** The bytes of each vote. */
  readonly #answers = new Map<string, Uint8Array>()
  readonly #carrier: BallotCarrier
  /** It would change something. */
  readonly changes: boolean

  constructor(
    carrier: BallotCarrier,
    frame: Frame,
    options: { readonly only: string | null; readonly changes: boolean; readonly purpose: Purpose },
    expiresAtMs: number,
    onError: OnError,
  ) {
    super(frame, expiresAtMs, onError)
    this.#carrier = carrier
    this.only = options.only
    this.changes = options.changes
    this.purpose = options.purpose
  }

  send(): void {
    this.#carrier.send(this)
  }

  receive(member: string, type: number, payload: Uint8Array): void {
    this.#carrier.receive(this, member, type, payload)
  }

  expiry(): KnhkError {
    return this.#carrier.expiry(this)
  }

  ended(): void {
    clearTimeout(this.retry)
    this.#carrier.forget(this)
  }

  get outcomeUnknown(): boolean {
    return this.changes && this.wasSent
  }

  get asked(): string {
    return this.only ?? ''
  }

  /** What a member's answer says. Honest ones are mostly equal byte for byte: those are read once. */
  read(member: string, payload: Uint8Array): Vote {
    let vote: Vote | undefined
    for (const [other, bytes] of this.#answers) if (bytesEqual(bytes, payload)) vote ??= this.votes.get(other)
    vote ??= this.purpose.read(payload)
    this.#answers.set(member, payload)
    return vote
  }

  /** Notes an answer; what `needed` members say now, null while too few agree. */
  vote(member: string, vote: Vote, needed: number): Vote | null {
    this.refusals.delete(member)
    this.votes.set(member, vote)
    const equal: Vote[] = []
    for (const other of this.votes.values()) if (isEqual(vote, other)) equal.push(other)
    return equal.length < needed ? null : weakest(equal)
  }

  /** Notes a refusal; the error once `needed` members give its code, null before. */
  refuse(member: string, refusal: RefusedFrame, needed: number): KnhkError | null {
    this.votes.delete(member)
    this.refusals.set(member, refusal)
    const { code, message, details } = refusal
    const alike = [...this.refusals.values()].filter((other) => other.code === code)
    if (alike.length < needed) return null
    // Code and words are believed by the same rule.
    const isSaid = (other: RefusedFrame) => other.message === message && isDeepStrictEqual(other.details, details)
    if (alike.filter(isSaid).length >= needed) return new KnhkError(code, message, { details })
    return new KnhkError(code, `${needed} members refuse the request with the code ${code}`)
  }
}

function isEqual(a: Vote, b: Vote): boolean {
  return a === b || (a.epoch === b.epoch && a.mode === b.mode && isDeepStrictEqual(a.content, b.content))
}

/** Of equal answers what all of them grant: one of them at least is honest, so it is never too much. */
function weakest(equal: readonly Vote[]): Vote {
  const { content, epoch, mode } = equal[0] as Vote
  const assurance = ASSURANCES[Math.min(...equal.map((vote) => ASSURANCES.indexOf(vote.assurance)))] as Assurance
  return { content, epoch, mode, assurance, index: Math.min(...equal.map((vote) => vote.index)) }
}

/** The answer to a request: where each operation was applied and what it came to, however it is written. */
export function appliedVote(payload: Uint8Array): Vote & { readonly content: readonly PlacedResult[] } {
  const { mode, assurance, epoch, index, firstPosition, results } = decodeApplied(payload)
  return { mode, assurance, epoch, index, content: decodeResults(results, index, firstPosition) }
}

/** The answer to a query from a state that holds everything up to `minIndex`. Throws `ProtocolViolation` for an older one. */
export function queryVote(payload: Uint8Array, minIndex: number): Vote {
  const { mode, assurance, epoch, index, value } = decodeQueryAnswer(payload)
  if (index < minIndex) throw new KnhkError('ProtocolViolation', 'a query was answered from an older state')
  return { mode, assurance, epoch, index, content: value }
}

/** An agreed answer in the form of one member's. */
export function queryAnswerOf(requestNumber: number, { content, ...vote }: Vote): QueryAnswerFrame {
  return { requestNumber, ...vote, staleMs: null, value: content }
}
