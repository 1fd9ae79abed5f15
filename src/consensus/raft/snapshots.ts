/**
 * Snapshots and compaction (Raft paper, section 7). A durable snapshot lets the log begin later; a peer
 * that needs what is gone is offered the snapshot with the heartbeats and fetches the bytes beside the
 * protocol. Its log then begins where the snapshot ends, unless it holds that entry already: then it
 * keeps what follows.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual } from '../../base/bytes.js'
import type { Input } from '../core.js'
import type { SnapshotOffer } from '../snapshot.js'
import type { NodeId } from '../types.js'
import type { Leadership } from './leadership.js'
import type { InstallSnapshot } from './messages.js'
import type { Progress } from './progress.js'
import { becomeFollower, followLeader } from './roles.js'
import type { RaftState } from './state.js'

type Taken = Extract<Input, { type: 'snapshotTaken' }>

/** The own state was snapshotted: peers can be offered it, and the log may begin later. */
export function handleSnapshotTaken(raft: RaftState, { snapshot, compactTo }: Taken): void {
  assert(snapshot.base.index <= raft.commitIndex, 'a snapshot holds what is committed')
  if (raft.snapshot === null || snapshot.base.index > raft.snapshot.base.index) raft.snapshot = snapshot
  const { log, memberships, writes } = raft
  if (compactTo === null || compactTo.index <= log.base.index) return
  assert(compactTo.index <= raft.snapshot.base.index, 'only what a snapshot covers leaves the log')
  assert(compactTo.index <= writes.durableIndex, 'only what is durable leaves the log')
  const record = memberships.at(compactTo.index)
  const base = { ...compactTo, membership: record.index === 0 ? null : record }
  log.compact(base)
  memberships.compact(base.index)
  writes.compact(base)
}

/**
 * Offers the newest snapshot; the one that a peer is fetching stays on offer until it is here, or gone. A node whose
 * log was damaged has none before it takes the next: the peer waits, and every heartbeat asks again.
 */
export function offerSnapshot(raft: RaftState, peer: Progress): void {
  const newest = raft.snapshot
  if (newest === null) return
  assert(newest.base.index >= raft.log.base.index, 'a snapshot covers what the log dropped')
  if (peer.flow !== 'snapshot' || peer.offered === null) peer.becomeSnapshot(newest)
  const snapshot = peer.offered ?? newest
  raft.send(peer.id, { type: 'installSnapshot', epoch: raft.epoch, term: raft.term, snapshot })
}

/** The file is gone: with the next heartbeat the newest is offered instead. */
export function withdrawSnapshot(leading: Leadership | null, id: Uint8Array): void {
  for (const peer of leading?.peers ?? []) {
    if (peer.offered !== null && bytesEqual(peer.offered.id, id)) peer.offered = null
  }
}

/** The message is of this node's term: a higher one has been entered before. */
export function handleInstallSnapshot(raft: RaftState, from: NodeId, { snapshot }: InstallSnapshot): void {
  followLeader(raft, from)
  const { base } = snapshot
  if (base.index > raft.commitIndex) {
    if (!holds(raft, snapshot)) {
      raft.emit({ type: 'fetchSnapshot', from, snapshot, stateDigest: null })
      return
    }
    raft.commitTo(base.index)
  }
  if (base.index > raft.agreedIndex) raft.agreedIndex = base.index
  raft.acknowledge(
    from,
    {
      type: 'installSnapshotReply',
      epoch: raft.epoch,
      term: raft.term,
      matchIndex: base.index,
      wallMs: Math.floor(raft.now.wallMs),
    },
    base.index,
  )
}

/** What was fetched is durable here. It is taken only if the log has not come as far by itself meanwhile. */
export function handleSnapshotFetched(raft: RaftState, snapshot: SnapshotOffer): void {
  const { base } = snapshot
  if (base.index <= raft.commitIndex || holds(raft, snapshot)) return
  assert(raft.leading === null, 'a leader holds everything that is committed')
  raft.log.reset(base)
  raft.memberships.reset(base.membership ?? raft.genesis)
  const after = raft.writes.reset(base, raft.commitIndex)
  raft.snapshot = snapshot
  raft.restoreTo(base.index)
  // It campaigned for want of a leader while the bytes came, and they may say that it votes no longer.
  if (raft.campaign !== null && !raft.mayCampaign) becomeFollower(raft, raft.term, null)
  raft.emit({ type: 'restoreState', snapshot, after })
}

function holds(raft: RaftState, { base }: SnapshotOffer): boolean {
  const { log } = raft
  if (!log.matches(base.index, base)) return false
  const chain = log.chainAt(base.index)
  return chain === undefined || bytesEqual(chain, base.chain)
}
