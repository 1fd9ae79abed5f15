/**
 * A member that started with a damaged log may have been in later epochs than it knows of. The word of its leader makes
 * good its log in a Raft epoch, and says nothing of that: a liar that led once can play the leader, from old messages.
 * So it says nothing at the end of the epoch, and is as damaged in the next one, until a quorum has shown
 * that the epoch went on after the start: whoever had left it would not have. An epoch that began after the start is
 * none that it was in before.
 */
import { CLOCK_BOUND_MS } from '../raft/config.js'
import type { LogIndex, Millis } from '../types.js'
import type { HybridState } from './state.js'

/** The wall time of such a start. */
export interface Forgotten {
  readonly sinceMs: Millis
}

/** What is left of it when entries up to here are released: a quorum of the epoch certified them, perhaps after the start. */
export function stillForgotten({ forgotten, phase, shadow, start }: HybridState, upTo: LogIndex): Forgotten | null {
  const entry = shadow.entry(upTo)
  if (phase.kind !== 'raft' || entry?.epoch !== start.epoch) return forgotten
  return forgottenAfter(forgotten, entry.timestampMs)
}

/** What is left of it when a quorum has agreed on this time in what it decided. */
export function forgottenAfter(forgotten: Forgotten | null, decidedMs: Millis): Forgotten | null {
  // Once for the clock of who proposed it, once for the clocks of who took it.
  return forgotten !== null && decidedMs > forgotten.sinceMs + 2 * CLOCK_BOUND_MS ? null : forgotten
}
