/**
 * Installing a snapshot in a hybrid Raft epoch. Of an offer only what is signed is believed: the term of the
 * entry at its end, which no chain covers, counts as the lowest, and the members are those of the epoch.
 * What is installed is at or below the highest commit certificate, where this node then stands in votes and
 * histories.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { Input } from '../../core.js'
import { CLOCK_BOUND_MS } from '../../raft/config.js'
import type { InstallSnapshotReply } from '../../raft/messages.js'
import type { SnapshotOffer } from '../../snapshot.js'
import type { LogIndex, NodeId, Term } from '../../types.js'
import type { HybridCheckpoint } from '../messages.js'
import { isLeading } from './counting.js'
import type { HardenedState, Out } from './state.js'
import { pass, stepCore } from './stepping.js'
import { isLeader } from './trust.js'

/** A verified offer of this term's leader. */
export function receiveOffer(raft: HardenedState, from: NodeId, message: HybridCheckpoint, out: Out): void {
  const { certificate, snapshot, commit, leads } = message
  if (snapshot === null || certificate === null || commit === null) return
  raft.standing.learnCommit(commit)
  const { term, epoch } = raft.core.status()
  if (isLeading(raft) || leads !== term || !isLeader(raft, from, leads)) return
  if (raft.standing.certified.index < snapshot.base.index) return
  if (snapshot.base.timestampMs > raft.now.wallMs + CLOCK_BOUND_MS) return
  const taken = asBelieved(raft, snapshot)
  raft.states.awaited = { from, snapshot, certificate }
  if (raft.modules.shadow.lastIndex >= taken.base.index && raft.covered < taken.base.index && holds(raft, taken))
    raft.covered = taken.base.index
  pass(raft, from, { type: 'installSnapshot', epoch, term, snapshot: taken }, out)
}

function holds({ standing }: HardenedState, { base }: SnapshotOffer): boolean {
  return standing.holds({ index: base.index, hash: base.chain })
}

/** What this node takes from an offer whose chain and state are signed. */
function asBelieved(raft: HardenedState, snapshot: SnapshotOffer): SnapshotOffer {
  const { epoch, record } = raft.options
  const { base } = snapshot
  const own = holds(raft, snapshot) ? raft.modules.shadow.termAt(base.index) : undefined
  const label = own ?? { epoch: epoch.epoch, term: 0 as Term }
  const membership = record.index === 0 ? null : record
  const { index, chain, timestampMs } = base
  return { ...snapshot, base: { index, chain, timestampMs, ...pick(label), membership } }
}

function pick({
  epoch,
  term,
}: Pick<SnapshotOffer['base'], 'epoch' | 'term'>): Pick<SnapshotOffer['base'], 'epoch' | 'term'> {
  return { epoch, term }
}

/** It is here, and holds the signed state. */
export function takeFetched(
  raft: HardenedState,
  { snapshot }: Extract<Input, { type: 'snapshotFetched' }>,
  out: Out,
): void {
  const { awaited } = raft.states
  if (awaited === null || !bytesEqual(awaited.snapshot.id, snapshot.id) || isLeading(raft)) return
  raft.states.awaited = null
  const taken = asBelieved(raft, awaited.snapshot)
  const { index } = taken.base
  if (raft.standing.certified.index < index) return
  stepCore(raft, { type: 'snapshotFetched', snapshot: taken }, out)
  if (raft.modules.shadow.base.index !== index) return
  raft.modules.snapshots.certified(awaited.certificate)
  raft.modules.snapshots.taken(taken)
  raft.committed = index
  raft.released = index
  raft.covered = index
  raft.executed = index
  raft.durable = Math.max(raft.durable, index) as LogIndex
  raft.standing.hasChanged = true
}

/** Who has installed what was offered; no more counts than what is certified anyway. */
export function receiveInstalled(raft: HardenedState, from: NodeId, message: InstallSnapshotReply, out: Out): void {
  const { term } = raft.core.status()
  if (message.term <= term && message.matchIndex <= raft.standing.certified.index) pass(raft, from, message, out)
}

/** Their logs go on behind the epoch's origin. */
export function resumeAtOrigin(raft: HardenedState, out: Out): void {
  const { epoch, origin } = raft.options.epoch
  for (const from of [...raft.atOrigin]) {
    raft.atOrigin.delete(from)
    const { term } = raft.core.status()
    const wallMs = Math.floor(raft.now.wallMs)
    pass(raft, from, { type: 'installSnapshotReply', epoch, term, matchIndex: origin.index, wallMs }, out)
  }
}
