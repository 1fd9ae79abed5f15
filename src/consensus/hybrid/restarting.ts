/**
 * What a start makes of a log that is not what the epoch record says. A jump is written record first: where
 * the crash came before the log began anew, that is done again, from the same snapshot. A log that was damaged may
 * end with a branch that was cut behind the damage: in a Byzantine epoch, where what is in the log counts as
 * decided, only what provably is decided stays.
 */
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { entryProof } from '../bft/entry-proof.js'
import type { RestoredLog, StoreRecord } from '../core.js'
import type { Entry } from '../entry.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { LogIndex } from '../types.js'
import { inside } from './effects.js'
import { contextOf } from './epoch-links.js'
import { linkRules } from './inner.js'
import { resume } from './phases.js'
import type { HybridState, Phase } from './state.js'

/** The phase to begin with. What it takes to make the log right is in the first write. */
export function restart(state: HybridState, restored: RestoredLog): Phase {
  const missed = missedJump(state)
  forgetGone(state, restored)
  if (restored.mayVote && missed === null) return resume(state, restored)
  if (restored.mayVote && missed !== null && isOnDisk(restored, missed)) return jumpAgain(state, restored, missed)
  // Without the snapshot it is as after damage: what this node knows of the epoch is not what its log holds.
  state.mayVote = false
  return resume(state, provenPart(state, { ...restored, mayVote: false }))
}

/** What was offered to others before the start is not any more where its file is gone: a damaged one is set aside. */
function forgetGone({ snapshots }: HybridState, restored: RestoredLog): void {
  const { newest } = snapshots
  if (restored.snapshotIds !== undefined && newest !== null && !isOnDisk(restored, newest.snapshot))
    snapshots.gone(newest.snapshot.id)
}

/** The snapshot that the record says the log follows, or holds; null where that is so. */
function missedJump({ shadow, snapshots }: HybridState): SnapshotOffer | null {
  const snapshot = snapshots.newest?.snapshot
  if (snapshot === undefined) return null
  const { index, chain } = snapshot.base
  const own = shadow.chainAt(index)
  const isThere = index <= shadow.lastIndex && (own === undefined || bytesEqual(own, chain))
  return isThere ? null : snapshot
}

function isOnDisk({ snapshotIds = [] }: RestoredLog, { id }: SnapshotOffer): boolean {
  return snapshotIds.some((known) => bytesEqual(known, id))
}

/** The epoch goes on when the log begins behind the snapshot; what was committed before is told until then. */
function jumpAgain(state: HybridState, restored: RestoredLog, snapshot: SnapshotOffer): Phase {
  const { base } = snapshot
  change(state, [{ kind: 'base', base }])
  state.merger.emit({ type: 'restoreState', snapshot, after: state.merger.ownId })
  state.merger.whenDurable(() => {
    state.released = base.index
    const { hardState, mayVote, aborts } = restored
    const given = { hardState, snapshot, commitIndex: base.index, mayVote, safety: state.inner, pending: [] }
    state.phase = resume(state, { ...state.shadow.restored(given), aborts })
    inside(state, { type: 'demand', waitingSinceMs: state.demandMs })
    inside(state, { type: 'tick' })
  })
  return { kind: 'entering' }
}

/** Raft compares its log with its leader's: there nothing counts as decided because it is in the log. */
function provenPart(state: HybridState, restored: RestoredLog): RestoredLog {
  if (state.start.mode === 'raft') return restored
  const end = provenEnd(state)
  if (end === restored.lastIndex) return restored
  change(state, [{ kind: 'truncate', from: (end + 1) as LogIndex }])
  const { hardState, safety, aborts } = restored
  const snapshot = restored.snapshot !== null && restored.snapshot.base.index <= end ? restored.snapshot : null
  // Of such a log nothing is known to be committed, and what was proposed behind its end is of no use.
  const given = { hardState, snapshot, commitIndex: 0 as LogIndex, mayVote: false, safety, pending: [] }
  const { stateLost = false } = restored
  return { ...state.shadow.restored(given), aborts, stateLost }
}

/** The newest entry that is a known place of the decided log, or shows by its certificate that it is decided. */
function provenEnd({ shadow, start, ended, snapshots, options, modules }: HybridState): LogIndex {
  const rules = linkRules(options, modules)
  const context = contextOf(rules, start)
  const { mode } = start
  const places = [start.origin, ended?.origin, snapshots.newest?.snapshot.base]
  const isPlace = ({ index, chain }: Entry): boolean =>
    places.some((place) => place?.index === index && bytesEqual(place.chain, chain))
  const isDecided = (entry: Entry): boolean =>
    mode !== 'raft' && soundProof(() => entryProof(rules.sha256, { ...rules, protocol: mode }, context, entry))
  for (let index: number = shadow.lastIndex; index > shadow.base.index; index--) {
    const entry = shadow.entry(index)
    if (entry === undefined) break
    if (isPlace(entry) || isDecided(entry)) return entry.index
  }
  return shadow.base.index
}

/** Its signatures were verified before it was written. */
function soundProof(proof: () => ReturnType<typeof entryProof>): boolean {
  try {
    return typeof proof() !== 'string'
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return false
    throw error
  }
}

function change(state: HybridState, records: readonly StoreRecord[]): void {
  state.shadow.apply(records)
  for (const record of records) state.merger.record(record)
}
