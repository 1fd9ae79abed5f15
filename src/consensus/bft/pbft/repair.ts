/**
 * A replica whose log was damaged: it may have forgotten what it signed, so it signs nothing in this epoch,
 * also after a restart, and counts as one of the f. It gets the decided entries from the others, and once it
 * is as far as a quorum its log is whole: from the next epoch on, in which no signature of before counts, it
 * takes part like any other. Within an epoch no round tells what is above all that it can have signed: a
 * forgotten VIEW-CHANGE may be of use in any later view.
 */
import { assert } from '../../../base/assert.js'
import type { WriteId } from '../../types.js'
import type { PbftState } from './state.js'

/** In the first step: that it is silent has to be known after the repair. Names the write. */
export function beginRepair(state: PbftState): WriteId {
  assert(state.rules.silent, 'who forgot is silent')
  state.storeSafety()
  return state.outbox.writeId
}

/** At the end of a step: is the log as long as those of a quorum, this one among them? */
export function finishRepair(state: PbftState): void {
  const { repairing, ending, outbox, log, context, peers, silentWrite } = state
  if (!repairing || ending !== null || silentWrite === null) return
  if (!outbox.isDurable(silentWrite) || outbox.durableIndex < log.lastIndex) return
  let reached = 0
  for (const [id, { epoch, lastIndex }] of peers) {
    if (context.replicas.has(id) && epoch === context.epoch && lastIndex <= log.lastIndex) reached++
  }
  if (reached < context.replicas.quorum - 1) return
  state.repairing = false
  state.emit({ type: 'repaired' })
}
