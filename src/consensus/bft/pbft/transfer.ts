/**
 * State transfer: a replica that is further behind than anybody's log reaches, or whose
 * own state is wrong, takes a snapshot whose digest a quorum signed. The donor is believed in nothing: the
 * driver compares what it fetched with the certified digest, and a donor that was wrong is not asked again
 * for that snapshot. One that had its turn in vain, wrong or too slow, stands back for others.
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual, toHex } from '../../../base/bytes.js'
import type { Input } from '../../core.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { NodeId } from '../../types.js'
import { adoptCheckpoint } from './checkpoint-rules.js'
import { compactIfStable, restoreSlots } from './compaction.js'
import { executeReady } from './decisions.js'
import type { Offer } from './messages.js'
import { enterBySteps } from './reconfigure.js'
import type { PbftState } from './state.js'

type Taken = Extract<Input, { type: 'snapshotTaken' }>

const BAD_DONORS_MAX = 256

/** A certified snapshot is on offer; ingress has checked the certificate. */
export function receiveOffer(state: PbftState, from: NodeId, { snapshot, certificate, steps }: Offer): void {
  const isAhead = snapshot.base.index > state.log.lastIndex
  if (isAhead && steps.every(({ entry }) => entry.index <= snapshot.base.index)) enterBySteps(state, steps)
  if (certificate.statement.epoch === state.context.epoch) adoptCheckpoint(state, certificate)
  const { log, now, transfer, diverged } = state
  if (snapshot.base.index <= log.lastIndex && !diverged) return
  // What follows the snapshot has to be in the own log.
  if (snapshot.base.index < log.base.index) return
  if (state.badDonors.has(`${from}/${toHex(snapshot.id)}`)) return
  if (transfer?.from !== from && !mayTakeTurn(state, from)) return
  const sinceMs = transfer?.from === from ? transfer.sinceMs : now.monotonicMs
  state.transfer = { from, snapshot, certificate, sinceMs }
  state.emit({ type: 'fetchSnapshot', from, snapshot, stateDigest: certificate.statement.digest })
}

/** True where nobody has the turn, or whoever has it had time enough. */
function mayTakeTurn(state: PbftState, from: NodeId): boolean {
  const { transfer, now, options, standBack } = state
  if (now.monotonicMs < (standBack.get(from) ?? 0)) return false
  if (transfer === null) return true
  if (now.monotonicMs - transfer.sinceMs < options.limits.transferTimeoutMs) return false
  hadTurn(state, transfer.from)
  return true
}

/** Liars may be the first to offer whenever a turn ends: all of them together cannot fill the time that each stands back. */
function hadTurn({ now, options, context, standBack }: PbftState, from: NodeId): void {
  for (const [id, untilMs] of standBack) if (untilMs <= now.monotonicMs) standBack.delete(id)
  standBack.set(from, now.monotonicMs + context.replicas.f * options.limits.transferTimeoutMs)
}

/** The donor lied, or its disk did: the next status asks another. */
export function handleRejected(state: PbftState, from: NodeId, id: Uint8Array): void {
  state.badDonors.add(`${from}/${toHex(id)}`)
  if (state.badDonors.size > BAD_DONORS_MAX) state.badDonors.delete(state.badDonors.values().next().value as string)
  if (state.transfer?.from === from) state.transfer = null
  hadTurn(state, from)
  state.nextStatusMs = state.now.monotonicMs
}

/** What was fetched is here, verified and durable. */
export function handleFetched(state: PbftState, snapshot: SnapshotOffer): void {
  const { transfer, log } = state
  if (transfer === null || !bytesEqual(transfer.snapshot.id, snapshot.id)) return
  state.transfer = null
  state.standBack.clear()
  const { base } = snapshot
  if (base.index <= log.lastIndex && !state.diverged) return
  state.snapshots.restored({ snapshot, certificate: transfer.certificate, proof: null })
  state.certified.set(base.index, transfer.certificate)
  if (base.index > log.lastIndex) beginAfter(state, snapshot)
  state.diverged = false
  state.digests.clear()
  state.agreedIndex = base.index
  state.storeSafety()
  state.restoredTo(base.index)
  // Without a record of its own the write still marks the order: what follows waits for it.
  state.emit({ type: 'restoreState', snapshot, after: state.outbox.writeId })
  // Slots that follow it may have been decided while what is before them was missing.
  executeReady(state)
}

function beginAfter(state: PbftState, { base }: SnapshotOffer): void {
  state.log.reset(base)
  state.slots.dropUpTo(base.index)
  state.outbox.resetLog(base)
  state.rules.decided(state.sequenceOf(base.index))
  state.executedIndex = base.index
  if (base.membership !== null && base.membership.index > state.memberships.current.index)
    state.memberships.reset(base.membership)
  restoreSlots(state)
}

/** The own state was snapshotted: peers can be offered it, and the log may begin later. */
export function handleSnapshotTaken(state: PbftState, { snapshot, compactTo }: Taken): void {
  if (state.snapshots.taken(snapshot)) state.storeSafety()
  if (compactTo === null || compactTo.index <= state.log.base.index) return
  assert(compactTo.index <= snapshot.base.index, 'only what a snapshot covers leaves the log')
  assert(compactTo.index <= state.outbox.durableIndex, 'only what is durable leaves the log')
  state.compactTo = compactTo
  compactIfStable(state)
}

/** True while others are known to be ahead: a replica that lags accuses nobody. */
export function isBehind(state: PbftState): boolean {
  const { log, checkpoints, context, transfer, diverged, peers } = state
  if (transfer !== null || diverged || checkpoints.claimedIndex > log.lastIndex) return true
  let ahead = 0
  for (const [id, { lastIndex }] of peers) if (lastIndex > log.lastIndex && context.replicas.has(id)) ahead++
  return ahead > context.replicas.f
}
