/**
 * The commit rule: the highest index that a quorum holds durably, and only if that entry is of the
 * leader's own term (Raft paper, 5.4.2 and figure 8); everything before it commits along. Where the
 * cluster asks for it, a voter of a second zone holds it too (TiKV's Raft calls it group commit): then the
 * loss of any one data centre loses nothing that was committed. Every voter here holds whole entries.
 */
import { assert } from '../../base/assert.js'
import { committedIndex, zoneCommittedIndex } from '../quorum.js'
import type { LogIndex } from '../types.js'
import type { Leadership } from './leadership.js'
import { entryBytes } from './log.js'
import type { RaftState } from './state.js'

/** Moves the commit index as far as the acknowledgements allow. True when it moved. */
export function advanceCommit(raft: RaftState, leading: Leadership): boolean {
  const index = committableIndex(raft, leading)
  if (index <= raft.commitIndex) return false
  if (!raft.log.matches(index, raft)) return false
  const before = raft.commitIndex
  raft.commitTo(index)
  for (let at = before + 1; at <= index; at++) {
    const entry = raft.log.entry(at as LogIndex)
    if (entry !== undefined) leading.uncommittedBytes -= entryBytes(entry)
  }
  assert(leading.uncommittedBytes >= 0, 'what becomes committed was counted as uncommitted')
  return true
}

function committableIndex({ quorum, memberships, options }: RaftState, { matchOf }: Leadership): LogIndex {
  const index =
    options.settings.commitZones === null
      ? committedIndex(quorum, matchOf)
      : zoneCommittedIndex(quorum, matchOf, memberships.zoneOf)
  return index as LogIndex
}

/** True once an entry of this leader's term is committed: from then on its commit index is the cluster's. */
export function hasCommittedInTerm(raft: RaftState, leading: Leadership): boolean {
  return raft.commitIndex >= leading.firstIndex
}
