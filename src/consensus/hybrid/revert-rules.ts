/**
 * When a Byzantine epoch may end in Raft again. The rules are judged when the ordered MODE operation is
 * executed, from replicated state only, so every replica comes to the same verdict; a refusal says why,
 * with numbers, and when it is worth another try.
 */
import type { Stays } from '../core.js'
import type { Millis, NodeId } from '../types.js'
import { isAtLeast, type ThreatLevel } from './threat-model.js'

/** A Byzantine epoch lasts at least so long; doubled by every flap. */
export const RESIDENCY_MS: Millis = 30_000
const RESIDENCY_MAX_MS: Millis = 3_600_000

export interface RevertState {
  readonly quorum: number
  /** Replicas whose signed CLEAR is recent enough. */
  readonly clears: readonly NodeId[]
  readonly level: ThreatLevel
  /** Members proven to have lied, not yet removed, re-keyed or cleared. */
  readonly culprits: readonly NodeId[]
  /** Time of the epoch's INIT, and of the operation that asks; both are the log's. */
  readonly sinceMs: Millis
  readonly nowMs: Millis
  readonly residencyMs: Millis
}

/** How long the next Byzantine epoch lasts at least, after so many returns to Raft that did not hold. */
export function residencyAfter(flaps: number, residencyMs: Millis = RESIDENCY_MS): Millis {
  return Math.min(residencyMs * 2 ** Math.min(flaps, 16), Math.max(residencyMs, RESIDENCY_MAX_MS))
}

/** Why the cluster may not go back to Raft now; null when it may. */
export function revertRefusal(state: RevertState): Stays | null {
  const { quorum, level, culprits, sinceMs, nowMs, residencyMs } = state
  if (culprits.length > 0) {
    const names = [...culprits].sort().join(', ')
    return { reason: `there is live evidence against ${names}: remove or re-key, then clear`, retryAfterMs: null }
  }
  if (isAtLeast(level, 'medium')) {
    return { reason: `the threat level is ${level}; it has to be low or none`, retryAfterMs: null }
  }
  const leftMs = sinceMs + residencyMs - nowMs
  if (leftMs > 0) {
    const stays = `a Byzantine epoch lasts at least ${residencyMs / 1000} s, and ${Math.ceil(leftMs / 1000)} s are left`
    return { reason: stays, retryAfterMs: leftMs }
  }
  const clears = new Set(state.clears).size
  if (clears < quorum) {
    return { reason: `${clears} of the ${quorum} members that have to sign a CLEAR did`, retryAfterMs: 1000 }
  }
  return null
}
