/** Orders of an operator about the protocol and the threat; and what is refused while an epoch ends. */
import { Replicas } from '../bft/replicas.js'
import type { Input } from '../core.js'
import { repeat } from './helping.js'
import { type RevertRefusal, residencyAfter, revertRefusal } from './revert-rules.js'
import type { HybridState } from './state.js'
import { statusOf } from './status.js'
import { panic } from './suspicion.js'
import { stepHandOver } from './switching.js'

export function handleOrder(state: HybridState, { orderId, order }: Extract<Input, { type: 'order' }>): void {
  if (order.kind === 'clearThreat') {
    const isLive = state.evidence.some(({ culprit }) => order.node === null || culprit === order.node)
    if (isLive && state.phase.kind === 'leaving') return whileLeaving(state, { type: 'order', orderId, order })
    state.threat.clear(order.node)
    state.evidence = state.evidence.filter(({ culprit }) => order.node !== null && culprit !== order.node)
    state.storeEpoch()
    state.merger.emit({ type: 'ordered', orderId, index: null })
    return
  }
  if (order.kind !== 'setMode') return
  if (state.phase.kind === 'leaving' || state.phase.kind === 'entering')
    return whileLeaving(state, { type: 'order', orderId, order })
  const { mode } = statusOf(state)
  const wanted = order.mode === 'bft' ? state.options.bft : order.mode
  if (wanted === mode || (order.mode === 'bft' && mode !== 'raft')) {
    state.merger.emit({ type: 'ordered', orderId, index: null })
  } else if (wanted === 'raft' || state.phase.kind !== 'raft') {
    const { reason, retryAfterMs } = refusalToLeave(state)
    const retry = retryAfterMs === null ? {} : { retryAfterMs }
    state.merger.emit({ type: 'orderRefused', orderId, code: 'ModeRefused', reason, leader: null, ...retry })
  } else {
    // One member's word ends nothing: the order goes to all, and f + 1 of them panic.
    state.ordered = wanted
    panic(state)
    state.merger.emit({ type: 'ordered', orderId, index: null })
  }
}

/** Why this Byzantine epoch goes on: what the rules say, or that there is no operation yet that would end it. */
function refusalToLeave({ start, options, evidence, reported, now }: HybridState): RevertRefusal {
  const { ids, quorum } = new Replicas(start.membership)
  const refusal = revertRefusal({
    quorum,
    clears: ids,
    level: reported.level,
    culprits: evidence.map(({ culprit }) => culprit),
    sinceMs: start.origin.timestampMs,
    nowMs: now.wallMs,
    residencyMs: residencyAfter(0, options.residencyMs),
  })
  return refusal ?? { reason: 'a Byzantine epoch is left by export and restore only', retryAfterMs: null }
}

/** Nothing is answered while an epoch ends. */
export function whileLeaving(state: HybridState, input: Input): void {
  const leader = null
  const code = 'EpochChanging'
  if (input.type === 'propose') state.merger.emit({ type: 'refused', proposalId: input.proposalId, code, leader })
  else if (input.type === 'read') state.merger.emit({ type: 'readRefused', readId: input.readId, code, leader })
  else if (input.type === 'order') {
    const reason = 'the protocol is changing'
    state.merger.emit({ type: 'orderRefused', orderId: input.orderId, code, reason, leader })
  } else if (input.type === 'tick') {
    stepHandOver(state, { type: 'tick' })
    repeat(state)
  }
}
