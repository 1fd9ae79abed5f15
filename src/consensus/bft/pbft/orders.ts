/** Orders of an operator: other members, or another primary. Only the primary takes them. */
import type { OperatorOrder, OrderRefusalCode } from '../../core.js'
import type { NodeId } from '../../types.js'
import { orderChange } from './reconfigure.js'
import type { PbftState } from './state.js'
import { startViewChange } from './view-change.js'

export function handleOrder(state: PbftState, orderId: number, order: OperatorOrder): void {
  const refuse = (code: OrderRefusalCode, reason: string): void => {
    const leader = state.active && !state.isPrimary ? state.primary : null
    state.emit({ type: 'orderRefused', orderId, code, reason, leader })
  }
  if (!state.isPrimary) return refuse(state.active ? 'NotLeader' : 'NoLeader', 'this node is not the primary')
  if (order.kind === 'changeMembership') {
    const refusal = orderChange(state, orderId, order)
    if (refusal !== null) refuse(refusal.code, refusal.reason)
    return
  }
  if (order.kind !== 'transferLeadership') return refuse('InvalidArgument', 'this cluster runs one protocol')
  const view = viewOf(state, order.target)
  if (view === null) return refuse('NotFound', `${order.target} is no other replica`)
  startViewChange(state, view)
  state.emit({ type: 'ordered', orderId, index: null })
}

/** The next view whose primary is `target`; the next view at all without one. Null for nobody else. */
function viewOf({ context, view, self }: PbftState, target: NodeId | null): number | null {
  if (target === null) return view + 1
  if (target === self || !context.replicas.has(target)) return null
  for (let next = view + 1; ; next++) if (context.primary(next) === target) return next
}
