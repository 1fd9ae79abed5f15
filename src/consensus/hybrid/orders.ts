/** Orders of an operator about the protocol and the threat; and what is refused while an epoch ends. */
import type { Input } from '../core.js'
import { repeat } from './helping.js'
import type { HybridState } from './state.js'
import { statusOf } from './status.js'
import { panic } from './suspicion.js'
import { stepHandOver } from './switching.js'
import { isAtLeast } from './threat-model.js'

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
  const refuse = (reason: string): void =>
    state.merger.emit({ type: 'orderRefused', orderId, code: 'ModeRefused', reason, leader: null })
  if (order.kind !== 'setMode') return
  if (state.phase.kind === 'leaving' || state.phase.kind === 'entering')
    return whileLeaving(state, { type: 'order', orderId, order })
  const { mode } = statusOf(state)
  const wanted = order.mode === 'bft' ? state.options.bft : order.mode
  if (wanted === mode || (order.mode === 'bft' && mode !== 'raft')) {
    state.merger.emit({ type: 'ordered', orderId, index: null })
  } else if (wanted === 'raft' || state.phase.kind !== 'raft') {
    const { level } = state.reported
    refuse(
      isAtLeast(level, 'medium')
        ? `the threat level is ${level}`
        : 'this version leaves a Byzantine epoch by export and restore only',
    )
  } else {
    // One member's word ends nothing: the order goes to all, and f + 1 of them panic.
    state.ordered = wanted
    panic(state)
    state.merger.emit({ type: 'ordered', orderId, index: null })
  }
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
