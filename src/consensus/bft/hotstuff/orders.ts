/**
 * Operators' orders. A change of members waits on the node that was told until it leads; in an idle
 * cluster that may be never, so a node that does not lead then refuses and names who does. Handing over
 * is an empty block: the next round has the next leader.
 */
import type { Input, OrderRefusalCode } from '../../core.js'
import { membershipProblem, nextMembership } from '../../membership.js'
import type { LogIndex, NodeId } from '../../types.js'
import { type ChangePlace, encodeChange, targetMembership } from '../change-authority.js'
import { nextMembersProblem } from '../replicas.js'
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
  if (order.kind !== 'changeMembership') return refuse('InvalidArgument', 'this cluster runs one protocol')
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
  { planned, target, authority }: Change,
): Uint8Array | null | { readonly code: OrderRefusalCode; readonly reason: string } {
  const { current } = hs.memberships
  if (hs.pendingChange !== null || hs.ending !== null || hs.tree.root.header.height < 0)
    return { code: 'ChangeInProgress', reason: 'another change of members is under way' }
  if (planned !== (current.index as LogIndex))
    return { code: 'StalePlan', reason: `the members changed at entry ${current.index}` }
  const next = targetMembership(target)
  const problem = membershipProblem(next)
  if (problem !== null) return { code: 'InvalidArgument', reason: problem }
  if (nextMembership(hs.members.membership, target) === null) return null
  const refused = nextMembersProblem(hs.members.membership, next)
  if (refused !== null) return { code: 'InvalidArgument', reason: refused }
  const behind = next.members.find(({ id, role }) => role === 'voter' && !hasCaughtUp(hs, id))
  if (behind !== undefined) return { code: 'NotCaughtUp', reason: `${behind.id} ${lagText(hs, behind.id)}` }
  if (authority === undefined || !hs.modules.mayChangeMembers(authority.publicKey))
    return { code: 'InvalidArgument', reason: 'nobody who may change the members signed the order' }
  if (authority.epoch !== hs.epoch)
    return { code: 'StalePlan', reason: `epoch ${hs.epoch} has begun since the plan was made` }
  return encodeChange(next, authority)
}

/** What an order to change the members has to be signed for now. */
export function changePlace({ context, epoch, members }: HotStuffState): ChangePlace {
  return { clusterId: context.clusterId, epoch, planned: members.index }
}

function lagText({ standings, log }: HotStuffState, id: NodeId): string {
  const standing = standings.get(id)
  if (standing === undefined) return 'was never heard of'
  return `has not caught up: it lacks ${log.last.index - standing} entries`
}

/** Who joins has fetched the log up to near its end, as a node that is no replica yet does by itself. */
function hasCaughtUp(hs: HotStuffState, id: NodeId): boolean {
  if (hs.replicas.has(id)) return true
  const standing = hs.standings.get(id)
  return standing !== undefined && hs.log.last.index - standing <= hs.options.limits.joinLagEntriesMax
}
