/**
 * Compaction: the log begins behind what a snapshot covers, once a quorum has signed that state. A snapshot
 * can be taken before that; what it lets go of then waits for the certificate.
 */
import type { PbftState } from './state.js'

/** Lets go of what a snapshot covers that others can be given: who lacks it gets nothing else. */
export function compactIfStable(state: PbftState): void {
  const { compactTo, log, memberships, ending, snapshots } = state
  if (compactTo === null || compactTo.index > (snapshots.newest?.snapshot.base.index ?? 0)) return
  // The step into the next epoch needs the entry that ended this one.
  if (ending !== null && compactTo.index >= ending.index) return
  state.compactTo = null
  // A snapshot that was fetched meanwhile begins the log later.
  if (compactTo.index <= log.base.index) return
  const record = memberships.at(compactTo.index)
  const base = { ...compactTo, membership: record.index === 0 ? null : record }
  log.compact(base)
  memberships.compact(base.index)
  restoreSlots(state)
  state.storeSafety()
  state.outbox.base(base)
}

/** Views that come and go without a decision leave votes behind that no start needs: a log holds a bounded number. */
export function renewSlots(state: PbftState): void {
  const { outbox, options } = state
  const { records, bytes } = outbox.slotsWritten
  if (records < options.limits.slotRecordsMax && bytes < options.limits.slotBytesMax) return
  outbox.forgetSlots()
  restoreSlots(state)
  const live = outbox.slotsWritten.records
  state.store({ kind: 'live', count: live })
  outbox.forgetSlots()
}

/** Segments before the base go: what undecided slots need is written again before it. */
export function restoreSlots(state: PbftState): void {
  const { epoch } = state.context
  for (const slot of state.slots.above(state.log.lastIndex)) {
    const sequence = state.sequenceOf(slot.index)
    for (const value of slot.values.values()) state.storeSlot(slot.index, { type: 'pbftValue', epoch, sequence, value })
    for (const certificate of [slot.prepared, slot.decided]) {
      if (certificate !== null) state.storeSlot(slot.index, { type: 'pbftCertificate', certificate })
    }
    for (const votes of [slot.votes.prepare, slot.votes.commit]) {
      const own = votes.get(state.self)
      if (own !== undefined) state.storeSlot(slot.index, { type: 'pbftVote', vote: own })
    }
  }
}
