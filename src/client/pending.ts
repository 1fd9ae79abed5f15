/**
 * A request on its way, and what an error says about it: whether it may be sent again, and whether it
 * may have changed something already.
 */
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import { CLIENT_FRAME } from '../transport/client-protocol.js'

export interface Pending {
  readonly number: number
  readonly type: number
  readonly payload: Uint8Array
  readonly expiresAtMs: number
  /** Only this member may answer; null for whoever leads (requests, orders) or is there (queries). */
  readonly member: string | null
  /** Ends with the link to its member instead of being sent again. */
  readonly once: boolean
  readonly onAnswer: (payload: Uint8Array, member: string) => void
  readonly onError: (error: KnhkError, member: string) => void
  /** Where it was sent and not yet answered. */
  sentTo: string | null
  /** Some node may have put it into its log. */
  maybeApplied: boolean
  lastRefusal: KnhkError | null
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

/** What every request begins with. */
export const NEW = { member: null, once: false, sentTo: null, maybeApplied: false, lastRefusal: null } as const

/** Changes something if it arrives, so it goes to the leader and its outcome matters. */
export function isChange(pending: Pending): boolean {
  return pending.type !== CLIENT_FRAME.query
}

/** Refused now, but an earlier sending of the same request may have reached the log. */
export function unknownBehind(cause: KnhkError): KnhkError {
  const message = `the request was refused when it was sent again; it may have been applied before (${cause.message})`
  return new KnhkError('OutcomeUnknown', message, { cause })
}
