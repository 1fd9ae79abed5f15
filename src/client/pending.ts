/**
 * A request on its way to one member, and what an error says about it: whether it may be sent again, and
 * whether it may have changed something already.
 */
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import { CLIENT_FRAME } from '../transport/client-protocol.js'
import { type Frame, type OnError, Underway } from './outstanding.js'

type OnAnswer = (payload: Uint8Array, member: string) => void

/** Whom a request goes to. */
export interface Target {
  /** Only this member may answer; null for whoever leads (requests, orders) or is there (queries). */
  readonly member: string | null
  /** Ends with the link to its member instead of being sent again. */
  readonly once: boolean
  /** To whoever leads, where no member is named. */
  readonly toLeader: boolean
}

/** Carries pending requests: `ToOne`. */
export interface Carrier {
  send(pending: Pending): void
  receive(pending: Pending, member: string, type: number, payload: Uint8Array): void
  expiry(pending: Pending): KnhkError
  forget(pending: Pending): void
}

export class Pending extends Underway {
  readonly member: string | null
  readonly once: boolean
  readonly toLeader: boolean
  readonly onAnswer: OnAnswer
  /** Where it was sent and not yet answered. */
  sentTo: string | null = null
  /** Some node may have put it into its log. */
  maybeApplied = false
  lastRefusal: KnhkError | null = null
  readonly #carrier: Carrier

  constructor(
    carrier: Carrier,
    frame: Frame,
    target: Target,
    expiresAtMs: number,
    onAnswer: OnAnswer,
    onError: OnError,
  ) {
    super(frame, expiresAtMs, onError)
    this.#carrier = carrier
    this.member = target.member
    this.once = target.once
    this.toLeader = target.toLeader
    this.onAnswer = onAnswer
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
    if (this.sentTo === null) this.#carrier.forget(this)
  }

  get outcomeUnknown(): boolean {
    return isChange(this) && (this.maybeApplied || this.sentTo !== null)
  }

  get asked(): string {
    return this.sentTo ?? this.member ?? ''
  }
}

/** Refusals that pass: the request is sent again until its deadline. */
export const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'NotLeader',
  'NoLeader',
  'LeadershipLost',
  'ResourceExhausted',
  'DiskFull',
  'EpochChanging',
  'ChangeInProgress',
  'NotCaughtUp',
])
/** Of these, the ones that say nothing against the leader. */
export const LEADER_IS_BUSY: ReadonlySet<ErrorCode> = new Set([
  'ResourceExhausted',
  'DiskFull',
  'ChangeInProgress',
  'NotCaughtUp',
])

/** To whoever leads, again and again until the deadline. */
export const THE_LEADER: Target = { member: null, once: false, toLeader: true }

/** Changes something if it arrives, so its outcome matters. */
export function isChange({ type }: Underway): boolean {
  return type !== CLIENT_FRAME.query
}

/** The deadline has passed, and it was sent. */
export function unknownAtDeadline(): KnhkError {
  const message = 'the deadline passed before the answer came; the operation may have been applied'
  return new KnhkError('OutcomeUnknown', message)
}

/** Refused now, but an earlier sending of the same request may have reached the log. */
export function unknownBehind(cause: KnhkError): KnhkError {
  const message = `the request was refused when it was sent again; it may have been applied before (${cause.message})`
  return new KnhkError('OutcomeUnknown', message, { cause })
}
