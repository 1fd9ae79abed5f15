/**
 * A change of members in a hybrid Raft epoch: one entry, signed by the client that ordered it, above which
 * nobody acknowledges anything. Its commit certificate ends the epoch, and the members of the next one are
 * what it says. Where its leader is gone before, a quorum of the others may never say so of it: then they
 * leave the epoch without the change.
 */
import { KnhkError } from '../../../base/error.js'
import { computeBatchDigest } from '../../batch-digest.js'
import { encodeChange, orderedBy, targetMembership } from '../../bft/change-authority.js'
import { nextMembersProblem } from '../../bft/replicas.js'
import type { Effect, Input, OperatorOrder, OrderRefusalCode } from '../../core.js'
import type { Entry } from '../../entry.js'
import { decodeMembership, membershipProblem, nextMembership, type TargetMember } from '../../membership.js'
import { positionOf } from '../positions.js'
import { isLeading } from './counting.js'
import type { HardenedState, Out } from './state.js'
import { stepCore } from './stepping.js'

type Change = Extract<OperatorOrder, { kind: 'changeMembership' }>
type Order = Extract<Input, { type: 'order' }>

/** A driver's proposals have numbers from 1 on. */
const OWN_PROPOSAL = 0

/** The change of members that this log holds in this epoch; undefined for none. */
export function changeIn({ modules, options }: HardenedState): Entry | undefined {
  return modules.shadow.changeIn(options.epoch.epoch)
}

/** True once a commit certificate covers the change: the epoch is over. */
export function isChangeCertified(raft: HardenedState): boolean {
  const change = changeIn(raft)
  const { commit } = raft.standing
  return (
    change !== undefined &&
    commit !== null &&
    raft.standing.holds(positionOf(commit)) &&
    positionOf(commit).index >= change.index
  )
}

/** True where a change came from a leader of an earlier term, and no certificate covers it. */
export function isChangeOrphaned(raft: HardenedState): boolean {
  const change = changeIn(raft)
  return change !== undefined && change.term < raft.core.status().term && !isChangeCertified(raft)
}

/** Takes an order: it becomes an entry once everything before it is executed. */
export function orderChange(
  raft: HardenedState,
  { orderId, order }: Order & { readonly order: Change },
  out: Out,
): void {
  const refusal = refusalOf(raft, order)
  const { leader } = raft.core.status()
  if (refusal !== null) {
    out.push({ type: 'orderRefused', orderId, ...refusal, leader: isLeading(raft) ? null : leader })
  } else if (nextMembership(raft.options.record.membership, order.target) === null) {
    out.push({ type: 'ordered', orderId, index: null })
  } else if (order.authority !== undefined) {
    raft.change = { orderId, body: encodeChange(targetMembership(order.target), order.authority) }
    proposeChange(raft, out)
  }
}

interface Refusal {
  readonly code: OrderRefusalCode
  readonly reason: string
}

function refusalOf(raft: HardenedState, { planned, target, authority }: Change): Refusal | null {
  const { record, epoch } = raft.options
  const { leader } = raft.core.status()
  if (!isLeading(raft)) return { code: leader === null ? 'NoLeader' : 'NotLeader', reason: 'this node does not lead' }
  if (raft.change !== null || changeIn(raft) !== undefined)
    return { code: 'ChangeInProgress', reason: 'another change of members is under way' }
  if (planned !== record.index)
    return { code: 'StalePlan', reason: `the members changed at index ${record.index} since the plan was made` }
  if (authority === undefined) return { code: 'InvalidArgument', reason: 'nobody signed the order' }
  if (authority.epoch !== epoch.epoch)
    return { code: 'StalePlan', reason: `epoch ${epoch.epoch} has begun since the plan was made` }
  const next = targetMembership(target)
  const problem = membershipProblem(next) ?? nextMembersProblem(record.membership, next)
  if (problem !== null) return { code: 'InvalidArgument', reason: problem }
  if (!raft.modules.mayChangeMembers(authority.publicKey))
    return { code: 'InvalidArgument', reason: 'who ordered it may not change the members' }
  const behind = joinerProblem(raft, target)
  return behind === null ? null : { code: 'NotCaughtUp', reason: behind }
}

/** Who gets a vote has to have caught up first, or the new quorum would wait for it. */
function joinerProblem({ core, options, modules }: HardenedState, target: readonly TargetMember[]): string | null {
  const { peers } = core.status()
  for (const { id, role } of target) {
    if (role !== 'voter' || options.epoch.replicas.has(id)) continue
    const peer = peers.find((known) => known.id === id)
    if (peer === undefined || !peer.active) return `${id} was never heard of`
    const lag = modules.shadow.lastIndex - peer.matchIndex
    if (lag > options.limits.promoteLagEntriesMax) return `${id} has not caught up: it lacks ${lag} entries`
  }
  return null
}

/** Who may change the members is known once everything before the change is executed. */
export function proposeChange(raft: HardenedState, out: Out): void {
  const { change, modules, options } = raft
  if (change === null) return
  const { orderId, body } = change
  if (!isLeading(raft)) {
    raft.change = null
    const { leader } = raft.core.status()
    out.push({ type: 'orderRefused', orderId, code: 'NotLeader', reason: 'this node does not lead any more', leader })
    return
  }
  if (raft.executed < modules.shadow.lastIndex) return
  raft.change = null
  const batchDigest = computeBatchDigest(options.epoch.sha256, 'membership', body)
  const effects: Effect[] = []
  stepCore(raft, { type: 'propose', proposalId: OWN_PROPOSAL, kind: 'membership', body, batchDigest }, effects)
  for (const effect of effects) {
    if (effect.type === 'proposed') out.push({ type: 'ordered', orderId, index: effect.index })
    else if (effect.type === 'refused') {
      const { leader } = effect
      out.push({
        type: 'orderRefused',
        orderId,
        code: 'ChangeInProgress',
        reason: 'the leadership is changing',
        leader,
      })
    } else out.push(effect)
  }
}

/** Whether a follower takes a change now. Who may order one is known once everything before it is executed here. */
export function isChangeDue({ executed, options, modules }: HardenedState, { index, body }: Entry): boolean {
  try {
    return (
      executed >= index - 1 &&
      modules.mayChangeMembers(orderedBy(body)) &&
      nextMembersProblem(options.record.membership, decodeMembership(body)) === null
    )
  } catch (error) {
    if (error instanceof KnhkError) return false
    throw error
  }
}
