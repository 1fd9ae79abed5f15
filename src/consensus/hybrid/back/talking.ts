/**
 * What a member of a Byzantine epoch says in favour of another mode, by itself and by order, and what it takes
 * from the others. And when the MODE operation that follows from it is due.
 */
import type { SignatureCheck } from '../../bft/checks.js'
import { type SignedStatement, type Statement, signBytes } from '../../bft/statement.js'
import type { OperatorOrder } from '../../core.js'
import type { Millis, NodeId } from '../../types.js'
import { inside } from '../effects.js'
import { currentEpoch } from '../inner.js'
import type { HybridState } from '../state.js'
import { isAtLeast } from '../threat-model.js'
import { dueMode, liveCulprits, refusalHere } from './mode-rules.js'
import { tellOldEvidence } from './old-evidence.js'
import { CLEAR_REPEAT_MS, clearStatement, isBackVote, isRecent, orderStatement, voteCheck } from './votes.js'

/** An operator's word counts for so long. */
const WANTED_MS: Millis = 60_000
/** A MODE operation that nobody votes for is not tried again for so long: requests wait for it. */
const HELD_MS: Millis = 60_000

/** Whether a vote is worth a verification. */
export function isWorthTaking(state: HybridState, from: NodeId, vote: SignedStatement): boolean {
  if (vote.signer !== from || vote.epoch !== state.start.epoch) return false
  if (vote.type !== 'clear') return !state.modeOrders.has(from)
  return isRecent(vote, state.now.wallMs) && vote.sequence > (state.clears.get(from)?.sequence ?? 0)
}

/** The signature under a vote; null where no member says such a thing. */
export function checksOfVote(state: HybridState, vote: SignedStatement): readonly SignatureCheck[] | null {
  const check = voteCheck(currentEpoch(state), vote)
  return check !== null && isBackVote(state.modules.sha256, state.start, vote) ? [check] : null
}

export function takeVote(state: HybridState, vote: SignedStatement): void {
  if (vote.type === 'clear') {
    state.clears.set(vote.signer, vote)
    tellOldEvidence(state, vote.signer)
  } else state.modeOrders.set(vote.signer, vote)
}

/** Says CLEAR while nothing is held against anybody, and finds out whether a MODE operation is due. */
export function considerMode(state: HybridState): void {
  const { now, options, phase } = state
  if (phase.kind !== 'byzantine') return
  if (now.monotonicMs >= state.clearDueMs) sayClear(state)
  const before = state.modeDue
  state.modeDue = now.monotonicMs < state.modeHeldUntilMs ? null : dueMode(state)
  if (state.modeDue === null) {
    state.modeSinceMs = null
    return
  }
  state.modeSinceMs ??= now.monotonicMs
  if (now.monotonicMs - state.modeSinceMs > 2 * options.pbftSettings.requestTimeoutMaxMs) {
    state.modeDue = null
    state.modeHeldUntilMs = now.monotonicMs + HELD_MS
  } else if (before === null) inside(state, { type: 'tick' })
}

function sayClear(state: HybridState): void {
  const { now, start, options, reported } = state
  state.clearDueMs = now.monotonicMs + CLEAR_REPEAT_MS
  if (!currentEpoch(state).replicas.has(options.self)) return
  if (isAtLeast(reported.level, 'medium') || liveCulprits(state).length > 0) return
  const vote = signed(state, clearStatement(start, now.wallMs))
  state.clears.set(options.self, vote)
  state.broadcast({ type: 'hybridVote', vote })
}

function signed(state: HybridState, statement: Statement): SignedStatement {
  const signature = state.modules.sign(signBytes(currentEpoch(state).sign, statement))
  return { ...statement, signer: state.options.self, signature }
}

/** An operator wants another mode, in a Byzantine epoch. */
export function orderMode(
  state: HybridState,
  orderId: number,
  { mode: asked }: Extract<OperatorOrder, { kind: 'setMode' }>,
): void {
  const { start, options, now, modules } = state
  const mode = asked === 'bft' ? start.mode : asked
  if (mode === start.mode) {
    // Who orders the mode that is wants it to stay.
    if (!state.stay.byOrder) {
      state.stay = { ...state.stay, byOrder: true }
      state.storeEpoch()
    }
    state.wanted = null
  } else if (mode === 'raft') {
    const refusal = refusalHere(state, now)
    if (refusal !== null) {
      const { reason, retryAfterMs } = refusal
      const retry = retryAfterMs === null ? {} : { retryAfterMs }
      state.merger.emit({ type: 'orderRefused', orderId, code: 'ModeRefused', reason, leader: null, ...retry })
      return
    }
    state.wanted = { mode, untilMs: now.monotonicMs + WANTED_MS }
  } else {
    state.wanted = { mode, untilMs: now.monotonicMs + WANTED_MS }
    const vote = signed(state, orderStatement(modules.sha256, start, mode))
    state.modeOrders.set(options.self, vote)
    state.broadcast({ type: 'hybridVote', vote })
  }
  state.modeHeldUntilMs = now.monotonicMs
  state.merger.emit({ type: 'ordered', orderId, index: null })
}
