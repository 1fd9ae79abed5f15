/**
 * Time: when a primary is accused, when a NEW-VIEW is late, when a replica says where it stands. And
 * what follows from a step as a whole: leaving the view of a proven liar, beginning the next epoch,
 * proposing what needs no driver.
 */
import type { Millis } from '../../types.js'
import { isProvenLiar, waitingEvidence } from './accusations.js'
import { renewSlots } from './compaction.js'
import { fetchWanted, hasOwnCertificates, sendStatus } from './help.js'
import { reconsider } from './normal-case.js'
import { mayPropose, proposeOwn } from './own-proposals.js'
import { enterNextEpoch } from './reconfigure.js'
import type { PbftState } from './state.js'
import { isBehind } from './transfer.js'
import { startViewChange, timeoutMs } from './view-change.js'

/** What a step leads to beyond its input. */
export function settle(state: PbftState): void {
  while (state.epochDue !== null && state.ending?.isWedge === false) enterNextEpoch(state, state.epochDue)
  if (state.active && state.rules.maySign && isDistrusted(state)) startViewChange(state, state.view + 1)
  const progress = state.log.lastIndex + state.executedIndex
  if (progress > state.reconsideredAt) {
    state.reconsideredAt = progress
    reconsider(state)
  }
  while (proposeOwn(state)) {
    // Each proposal may make room for the next.
  }
  renewSlots(state)
}

function isDistrusted(state: PbftState): boolean {
  return isProvenLiar(state, state.primary) || state.options.distrusts?.(state.primary) === true
}

export function tick(state: PbftState): void {
  const { now } = state
  const nowMs = now.monotonicMs
  if (!hasOwnCertificates(state)) postpone(state)
  if (state.newViewDueMs !== null && nowMs >= state.newViewDueMs) {
    state.failedViews++
    startViewChange(state, state.view + 1)
  }
  const due = accusationDueMs(state)
  if (due !== null && nowMs >= due) {
    state.failedViews++
    startViewChange(state, state.view + 1)
  }
  if (nowMs >= state.nextStatusMs) tellStatus(state)
}

/** No view change can be made yet: the timers start again. */
function postpone(state: PbftState): void {
  state.viewBeganMs = state.now.monotonicMs
  if (state.newViewDueMs !== null) state.newViewDueMs = state.now.monotonicMs + timeoutMs(state)
}

export function nextDeadline(state: PbftState): Millis {
  let deadline = state.nextStatusMs
  if (state.newViewDueMs !== null) deadline = Math.min(deadline, state.newViewDueMs)
  const due = accusationDueMs(state)
  return due === null ? deadline : Math.min(deadline, due)
}

/** Since when something waits for the primary; null for nothing. */
function waitingSinceMs(state: PbftState): Millis | null {
  const { slots, log, demandMs, viewBeganMs, change, ending } = state
  if (ending !== null) return null
  let since = demandMs
  const earlier = (ms: Millis | null): void => {
    if (ms !== null && (since === null || ms < since)) since = ms
  }
  for (const slot of slots.above(log.lastIndex)) earlier(slot.sinceMs)
  earlier(waitingEvidence(state)?.sinceMs ?? null)
  if (!state.initDone || change !== null) earlier(viewBeganMs)
  return since
}

/** When the primary of the present view is accused unless it does better; null for never. */
function accusationDueMs(state: PbftState): Millis | null {
  if (!state.active || !state.rules.maySign) return null
  const since = waitingSinceMs(state)
  return since === null || isBehind(state) ? null : Math.max(since, state.viewBeganMs) + timeoutMs(state)
}

function tellStatus(state: PbftState): void {
  const { options, log, now, others } = state
  state.nextStatusMs = now.monotonicMs + options.limits.statusIntervalMs
  watchSlowness(state)
  reconsider(state)
  const isIdle = !hasOpenWork(state)
  const hasMoved = log.lastIndex > state.statusIndex
  state.statusIndex = log.lastIndex
  const isDue = now.monotonicMs - state.lastStatusMs >= options.limits.statusIdleMs
  if ((isIdle || hasMoved) && !isDue) return
  state.lastStatusMs = now.monotonicMs
  state.statusTurn++
  const asked = others[state.statusTurn % Math.max(1, others.length)]
  for (const id of others) sendStatus(state, id, id === asked)
  if (!state.active && state.ownViewChange !== null) state.broadcast(state.ownViewChange)
  if (asked === undefined) return
  fetchWanted(state, asked)
  for (const { evidence, ordered } of state.evidence.values()) {
    if (!ordered) state.send(asked, { type: 'pbftEvidence', evidence })
  }
}

function hasOpenWork(state: PbftState): boolean {
  const { active, log, slots, stableIndex, ending, diverged, initDone, transfer, repairing } = state
  if (!active || !initDone || ending !== null || diverged || transfer !== null || repairing) return true
  return stableIndex > log.lastIndex || slots.highest(log.lastIndex) > log.lastIndex || isBehind(state)
}

/** A primary just below the time-out is rotated by its throughput. */
function watchSlowness(state: PbftState): void {
  const { slow, now } = state
  const since = state.active && !isBehind(state) ? state.demandMs : null
  const waitedMs = since === null ? null : now.monotonicMs - Math.max(since, state.viewBeganMs)
  slow.advance(now.monotonicMs, waitedMs, timeoutMs(state))
  if (!state.active || !slow.isSlow(timeoutMs(state)) || mayPropose(state)) return
  slow.blame()
  startViewChange(state, state.view + 1)
}
