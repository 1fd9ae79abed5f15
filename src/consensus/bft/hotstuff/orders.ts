/**
 * Operators' orders. A change of members waits on the node that was told until it leads; in an idle
 * cluster that may be never, so a node that does not lead then refuses and names who does. Handing over
 * is an empty block: the next round has the next leader.
 */
import type { Input, OrderRefusalCode } from '../../core.js'
import { encodeMembership, type Membership, membershipProblem } from '../../membership.js'
import type { LogIndex, NodeId } from '../../types.js'
import { nextMembersProblem } from './payload-rules.js'
import { waitingSince } from './proposals.js'
import type { HotStuffState } from './state.js'

type Order = Extract<Input, { type: 'order' }>
type Change = Extract<Order['order'], { kind: 'changeMembership' }>

export function handleOrder(hs: HotStuffState, { orderId, order }: Order): void {
  const refuse = (code: OrderRefusalCode, reason: string): void =>
    hs.emit({ type: 'orderRefused', orderId, code, reason, leader: hs.leader })
  if (order.kind === 'transferLeadership') {
    if (!hs.isLeader) return refuse(hs.leader === null ? 'NoLeader' : 'NotLeader', 'this node does not lead')
    const { tip } = hs
    const next = tip === undefined ? null : hs.leaders.leader(hs.round + 1, tip)
    if (order.target !== null && order.target !== next)
      return refuse('InvalidArgument', `the leadership goes round: ${next ?? 'nobody'} is next`)
    hs.rotating = true
    hs.emit({ type: 'ordered', orderId, index: null })
    return
  }
  if (!hs.isLeader && waitingSince(hs) === null)
    return refuse(hs.leader === null ? 'NoLeader' : 'NotLeader', 'this node does not lead')
  const body = plannedChange(hs, order)
  if (body instanceof Uint8Array) hs.pendingChange = { orderId, body }
  else if (body === null) hs.emit({ type: 'ordered', orderId, index: null })
  else refuse(body.code, body.reason)
}

/** The body of the entry that makes the change, null where nothing changes, or why not. */
function plannedChange(
  hs: HotStuffState,
  { planned, target }: Change,
): Uint8Array | null | { readonly code: OrderRefusalCode; readonly reason: string } {
  const { current } = hs.memberships
  if (hs.pendingChange !== null || hs.ending !== null || hs.tree.root.header.height < 0)
    return { code: 'ChangeInProgress', reason: 'another change of members is under way' }
  if (planned !== (current.index as LogIndex))
    return { code: 'StalePlan', reason: `the members changed at entry ${current.index}` }
  const next: Membership = { joint: false, members: target.map((member) => ({ ...member, wasVoter: false })) }
  const problem = membershipProblem(next)
  if (problem !== null) return { code: 'InvalidArgument', reason: problem }
  const refused = nextMembersProblem(hs, next)
  if (refused === 'nothing changes') return null
  const behind = next.members.find(({ id, role }) => role === 'voter' && !hasCaughtUp(hs, id))
  if (refused === null && behind === undefined) return encodeMembership(next)
  return { code: 'InvalidArgument', reason: refused ?? `${behind?.id} has not caught up` }
}

/** Who joins has fetched the log up to near its end, as a node that is no replica yet does by itself. */
function hasCaughtUp(hs: HotStuffState, id: NodeId): boolean {
  if (hs.replicas.has(id)) return true
  const standing = hs.standings.get(id)
  return standing !== undefined && hs.log.last.index - standing <= hs.options.limits.joinLagEntriesMax
}
