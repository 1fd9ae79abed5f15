/**
 * Epochs: every one begins with INIT at sequence 0, and a change of members ends it. The change is alone
 * in its slot; once a quorum certified the state after it, the same core goes on in the next epoch with
 * the new replicas. A node that is no member any more takes no part.
 */
import { assert } from '../../../base/assert.js'
import { computeBatchDigest } from '../../batch-digest.js'
import type { OperatorOrder, OrderRefusalCode } from '../../core.js'
import type { Entry } from '../../entry.js'
import { nextMembership, type TargetMember } from '../../membership.js'
import type { LogIndex, Term } from '../../types.js'
import type { Certificate } from '../certificate.js'
import { type ChangePlace, encodeChange, targetMembership } from '../change-authority.js'
import { CheckpointBook } from '../checkpoints.js'
import type { EpochContext } from '../epoch.js'
import { EPOCH_STEPS_MAX, type EpochStep } from '../epoch.js'
import { nextContext } from '../epoch-chain.js'
import { encodeInit, type InitBasis } from '../init.js'
import { StatementBook } from '../statement-book.js'
import { compactIfStable } from './compaction.js'
import type { Value } from './messages.js'
import { membershipChangeProblem } from './proposal-rules.js'
import type { PbftState } from './state.js'

type Refusal = { readonly code: OrderRefusalCode; readonly reason: string }
type Change = Extract<OperatorOrder, { kind: 'changeMembership' }>

/** The INIT that this replica would propose; null where only a hand-over can tell. */
export function ownInit(state: PbftState): Value | null {
  const { context, previous, options } = state
  let basis: InitBasis
  if (previous !== null) basis = { kind: 'checkpoint', certificate: previous.checkpoint }
  else if (options.handOver !== null) {
    if (options.handOver.proof === null) return null
    basis = { kind: 'handOver', proof: options.handOver.proof }
  } else basis = { kind: 'genesis' }
  const { epoch, record } = context
  const body = encodeInit({ epoch, protocol: 'pbft', membership: record.membership, basis })
  return freshValue(state, 'mode', body)
}

/** A value proposed now. */
export function freshValue(state: PbftState, kind: Value['kind'], body: Uint8Array): Value {
  const batchDigest = computeBatchDigest(state.modules.sha256, kind, body)
  return { timestampMs: Math.floor(state.now.wallMs), kind, batchDigest, body }
}

/** Takes an order to change the members: it is proposed once everything before it is decided. */
export function orderChange(state: PbftState, orderId: number, { planned, target, authority }: Change): Refusal | null {
  const { record, epoch } = state.context
  if (state.change !== null || state.ending !== null)
    return { code: 'ChangeInProgress', reason: 'another change of members is under way' }
  if (planned !== record.index)
    return { code: 'StalePlan', reason: `the members changed at index ${record.index} since the plan was made` }
  if (nextMembership(record.membership, target) === null) {
    state.emit({ type: 'ordered', orderId, index: null })
    return null
  }
  if (authority === undefined) return { code: 'InvalidArgument', reason: 'nobody signed the order' }
  if (authority.epoch !== epoch)
    return { code: 'StalePlan', reason: `epoch ${epoch} has begun since the plan was made` }
  const body = encodeChange(targetMembership(target), authority)
  const problem = membershipChangeProblem(state, body)
  if (problem !== null) return { code: 'InvalidArgument', reason: problem }
  const behind = joinerProblem(state, target)
  if (behind !== null) return { code: 'NotCaughtUp', reason: behind }
  state.change = { orderId, body }
  return null
}

/** What an order to change the members has to be signed for now. */
export function changePlace({ context, options }: PbftState): ChangePlace {
  return { clusterId: options.clusterId, epoch: context.epoch, planned: context.record.index }
}

/** Who becomes a replica has to have caught up first, or the new quorum would wait for it. */
function joinerProblem(state: PbftState, target: readonly TargetMember[]): string | null {
  const { context, log, options, peers } = state
  for (const { id, role } of target) {
    if (role !== 'voter' || context.replicas.has(id)) continue
    const heard = peers.get(id)
    if (heard === undefined) return `${id} was never heard of`
    const lag = log.lastIndex - heard.lastIndex
    if (lag > options.limits.joinLagEntriesMax) return `${id} has not caught up: it lacks ${lag} entries`
  }
  return null
}

/** True for the one entry that can show how this epoch ended: at its place right behind the last one of it. */
export function isNextInit({ ending, context }: PbftState, { index, epoch, kind }: Entry): boolean {
  return ending !== null && index === ending.index + 1 && epoch === context.epoch + 1 && kind === 'mode'
}

/** The next epoch begins: its members, its signatures, its views from 0. */
export function enterNextEpoch(state: PbftState, checkpoint: Certificate): void {
  const { ending, log } = state
  const entry = ending === null ? undefined : log.entry(ending.index)
  assert(entry !== undefined, 'the change of members that ends an epoch is the last entry of it')
  enterBySteps(state, [{ entry, checkpoint }])
  compactIfStable(state)
}

/** Verified steps lead from the present epoch to a later one. */
export function enterBySteps(state: PbftState, steps: readonly EpochStep[]): void {
  for (const step of steps) {
    if (step.entry.epoch !== state.context.epoch) continue
    const next = nextContext(state.ports, state.context, step)
    state.previous = { context: state.context, checkpoint: step.checkpoint }
    state.steps.push(step)
    if (state.steps.length > EPOCH_STEPS_MAX) state.steps.shift()
    beginEpoch(state, next, step.checkpoint)
    state.emit({ type: 'membershipChanged', record: next.record, committed: true })
  }
}

function beginEpoch(state: PbftState, next: EpochContext, checkpoint: Certificate): void {
  const { options, now } = state
  state.context = next
  state.rules.enterEpoch(next, state.repairing)
  state.ending = null
  state.epochDue = null
  state.change = null
  state.view = 0
  state.active = true
  state.newView = null
  state.ownViewChange = null
  state.viewChanges.clear()
  state.newViewDueMs = null
  state.failedViews = 0
  state.viewBeganMs = now.monotonicMs
  state.orderedUpTo = next.origin.index
  state.proposedUpTo = 0 as LogIndex
  state.slots.clear()
  state.checkpoints = new CheckpointBook(next.replicas)
  state.certified.set(checkpoint.statement.sequence, checkpoint)
  state.statements = new StatementBook(options.limits.statementsPerSignerMax)
  state.unverified = new StatementBook(options.limits.statementsPerSignerMax)
  if (next.record.index > state.memberships.current.index) state.memberships.append(next.record)
  state.store({ kind: 'hardState', hardState: { epoch: next.epoch, term: 0 as Term, votedFor: null } })
  state.storeSafety()
}
