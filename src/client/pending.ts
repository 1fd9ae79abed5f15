/**
 * A request on its way, and what an error says about it: whether it may be sent again, and whether it
 * may have changed something already.
 */
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import { CLIENT_FRAME } from '../transport/client-protocol.js'

type OnAnswer = (payload: Uint8Array, member: string) => void
type OnError = (error: KnhkError, member: string) => void

/** A class, so that all have one shape: object spreads here cost the client most of its time under load. */
export class Pending {
  readonly number: number
  readonly type: number
  readonly payload: Uint8Array
  readonly expiresAtMs: number
  /** Only this member may answer; null for whoever leads (requests, orders) or is there (queries). */
  readonly member: string | null
  /** Ends with the link to its member instead of being sent again. */
  readonly once: boolean
  readonly onAnswer: OnAnswer
  readonly onError: OnError
  /** Where it was sent and not yet answered. */
  sentTo: string | null = null
  /** Some node may have put it into its log. */
  maybeApplied = false
  lastRefusal: KnhkError | null = null

  constructor(
    frame: { readonly number: number; readonly type: number; readonly payload: Uint8Array },
    route: { readonly member: string | null; readonly once: boolean },
    expiresAtMs: number,
    onAnswer: OnAnswer,
    onError: OnError,
  ) {
    this.number = frame.number
    this.type = frame.type
    this.payload = frame.payload
    this.expiresAtMs = expiresAtMs
    this.member = route.member
    this.once = route.once
    this.onAnswer = onAnswer
    this.onError = onError
  }
}

/** Refusals that pass: the request is sent again until its deadline. */
export const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'NotLeader',
  'NoLeader',
  'LeadershipLost',
  'ResourceExhausted',
  'EpochChanging',
  'ChangeInProgress',
])
/** Of these, the ones that say nothing against the leader. */
export const LEADER_IS_BUSY: ReadonlySet<ErrorCode> = new Set(['ResourceExhausted', 'ChangeInProgress'])

/** To whoever leads (requests, orders) or is there (queries), again and again until the deadline. */
export const ANY_MEMBER = { member: null, once: false } as const

/** Changes something if it arrives, so it goes to the leader and its outcome matters. */
export function isChange(pending: Pending): boolean {
  return pending.type !== CLIENT_FRAME.query
}

/** Refused now, but an earlier sending of the same request may have reached the log. */
export function unknownBehind(cause: KnhkError): KnhkError {
  const message = `the request was refused when it was sent again; it may have been applied before (${cause.message})`
  return new KnhkError('OutcomeUnknown', message, { cause })
}
