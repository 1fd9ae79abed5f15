/**
 * The end of an epoch: a committed change of members is its last entry. Its replicas sign the checkpoint
 * there; with a quorum of them the next epoch begins with the new members, from nothing but that
 * certificate. A replica that lags gets entries and certificate from anybody.
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual } from '../../../base/bytes.js'
import type { OrderRefusalCode } from '../../core.js'
import type { Entry } from '../../entry.js'
import { decodeMembership } from '../../membership.js'
import type { Epoch } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { EpochStep } from '../epoch.js'
import { isModeChange } from '../mode-change.js'
import { ask } from './questions.js'
import type { HotStuffState } from './state.js'

/** The last entry of this epoch is decided: nothing is proposed above it. */
export function endEpoch(hs: HotStuffState, entry: Entry): void {
  const { index, chain, timestampMs } = entry
  hs.ending = { index, chain, timestampMs, wedge: isModeChange(entry) ? entry : null }
  refuseChange(hs, 'ChangeInProgress', 'another change of members came first')
  // Others may have learnt the checkpoint first.
  const { stable } = hs.checkpoints
  if (stable !== null) enterNext(hs, stable)
}

/** Takes the certificate of the checkpoint at the end of this epoch; does nothing for another one. */
export function enterNext(hs: HotStuffState, checkpoint: Certificate): void {
  const { ending } = hs
  const { statement } = checkpoint
  if (ending === null || statement.sequence !== ending.index || !bytesEqual(statement.extra, ending.chain)) return
  if (ending.wedge !== null) {
    hs.wedge = { entry: ending.wedge, checkpoint }
    return
  }
  const before = hs.peers
  const previous = hs.members.membership
  const epoch = (hs.epoch + 1) as Epoch
  const entry = hs.log.entry(ending.index)
  assert(entry !== undefined, 'the change of members that ends an epoch is the last entry of it')
  hs.keepStep({ entry, checkpoint })
  hs.enterEpoch(epoch, ending, hs.memberships.current, { kind: 'checkpoint', certificate: checkpoint }, previous)
  hs.journal.hardState({ epoch, term: hs.modules.restored.hardState.term, votedFor: null })
  hs.journal.safety()
  // Who had not gathered the signatures gets them; who joins or leaves gets them too.
  for (const peer of new Set([...before, ...hs.peers])) hs.send(peer, { type: 'hsEpochEnd', checkpoint })
  // Who is no replica any more is told nothing by itself from here on.
  if (!hs.replicas.has(hs.self)) {
    hs.sync.wantEntries()
    ask(hs)
  }
  hs.tellRole()
}

/** A step that was verified with a snapshot leads into the next epoch, whose beginning the snapshot may cover. */
export function enterByStep(hs: HotStuffState, step: EpochStep): void {
  const { index, chain, timestampMs, body } = step.entry
  const record = { index, membership: decodeMembership(body) }
  const previous = hs.members.membership
  const epoch = (hs.epoch + 1) as Epoch
  hs.keepStep(step)
  hs.enterEpoch(
    epoch,
    { index, chain, timestampMs },
    record,
    { kind: 'checkpoint', certificate: step.checkpoint },
    previous,
  )
  hs.journal.hardState({ epoch, term: hs.modules.restored.hardState.term, votedFor: null })
  hs.emit({ type: 'membershipChanged', record, committed: true })
  // What waits was signed for the epoch before.
  refuseChange(hs, 'ChangeInProgress', 'another change of members came first')
  hs.tellRole()
}

/** Gives up a change that waits for its turn. */
export function refuseChange(hs: HotStuffState, code: OrderRefusalCode, reason: string): void {
  if (hs.pendingChange === null) return
  hs.emit({ type: 'orderRefused', orderId: hs.pendingChange.orderId, code, reason, leader: hs.leader })
  hs.pendingChange = null
}
