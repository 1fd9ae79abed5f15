/** Orders of an operator about the protocol; and what is refused while an epoch ends. */
import type { Input, OperatorOrder } from '../core.js'
import { orderMode } from './back/talking.js'
import { repeat } from './helping.js'
import type { HybridState } from './state.js'
import { panic } from './suspicion.js'
import { stepHandOver } from './switching.js'

export function handleOrder(
  state: HybridState,
  orderId: number,
  order: Extract<OperatorOrder, { kind: 'setMode' }>,
): void {
  const { phase, options } = state
  if (phase.kind === 'byzantine') return orderMode(state, orderId, order)
  if (phase.kind !== 'raft') return whileLeaving(state, { type: 'order', orderId, order })
  if (order.mode !== 'raft') {
    // One member's word ends nothing: the order goes to all, and f + 1 of them panic.
    state.ordered = order.mode === 'bft' ? options.bft : order.mode
    panic(state)
  }
  state.merger.emit({ type: 'ordered', orderId, index: null })
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
