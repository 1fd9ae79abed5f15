/**
 * The end of an epoch: a committed change of members is its last entry. Its replicas sign the checkpoint
 * there; with a quorum of them the next epoch begins with the new members, from nothing but that
 * certificate. A replica that lags gets entries and certificate from anybody.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { OrderRefusalCode } from '../../core.js'
import type { Epoch } from '../../types.js'
import type { Certificate } from '../certificate.js'
import type { Ending, HotStuffState } from './state.js'

/** The last entry of this epoch is decided: nothing is proposed above it. */
export function endEpoch(hs: HotStuffState, ending: Ending): void {
  hs.ending = ending
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
  const before = hs.peers
  const epoch = (hs.epoch + 1) as Epoch
  hs.enterEpoch(epoch, ending, hs.memberships.current, { kind: 'checkpoint', certificate: checkpoint })
  hs.journal.hardState({ epoch, term: hs.modules.restored.hardState.term, votedFor: null })
  hs.journal.safety()
  // Who had not gathered the signatures gets them; who joins or leaves gets them too.
  for (const peer of new Set([...before, ...hs.peers])) hs.send(peer, { type: 'hsEpochEnd', checkpoint })
  hs.tellRole()
}

/** Gives up a change that waits for its turn. */
export function refuseChange(hs: HotStuffState, code: OrderRefusalCode, reason: string): void {
  if (hs.pendingChange === null) return
  hs.emit({ type: 'orderRefused', orderId: hs.pendingChange.orderId, code, reason, leader: hs.leader })
  hs.pendingChange = null
}
