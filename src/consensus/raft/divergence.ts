/**
 * Equal logs must give equal states; a node on which they did not (a bit flipped in memory or on disk,
 * a defect) must not answer clients. Followers tell the digests of their states with their heartbeat
 * replies; the leader compares those of one index. Where a majority of the voters agree, whoever
 * differs is told, the leader itself included.
 */
import { assert } from '../../base/assert.js'
import { bytesEqual } from '../../base/bytes.js'
import { hasQuorum } from '../quorum.js'
import type { LogIndex, NodeId } from '../types.js'
import type { Leadership } from './leadership.js'
import type { Diverged, HeartbeatReply } from './messages.js'
import type { Progress } from './progress.js'
import { becomeFollower } from './roles.js'
import type { RaftState } from './state.js'

/** A follower's reply told the digest of its state at an index. */
export function compareDigests(raft: RaftState, leading: Leadership, peer: Progress, message: HeartbeatReply): void {
  const { digestIndex: index, stateDigest } = message
  if (stateDigest === null) return
  peer.digests.note(index, stateDigest)
  const own = raft.digests.at(index)
  if (own === null) return
  if (agree(raft, leading, index, own)) {
    leading.digestsAgreed = Math.max(leading.digestsAgreed, index) as LogIndex
    if (bytesEqual(own, stateDigest)) peer.digestsAgreed = Math.max(peer.digestsAgreed, index) as LogIndex
    else tell(raft, peer, index, own)
  } else if (!bytesEqual(own, stateDigest) && agree(raft, leading, index, stateDigest)) {
    const agreedIndex = leading.digestsAgreed
    becomeFollower(raft, raft.term, null)
    raft.emit({ type: 'diverged', index, agreedIndex })
  }
}

/** The leader and a majority hold another state at this index than this node. */
export function handleDiverged(raft: RaftState, { index, stateDigest, agreedIndex }: Diverged): void {
  const own = raft.digests.at(index)
  if (own !== null && !bytesEqual(own, stateDigest)) raft.emit({ type: 'diverged', index, agreedIndex })
}

/** A majority of the voters, in each half, hold this digest at the index. */
function agree(raft: RaftState, leading: Leadership, index: LogIndex, digest: Uint8Array): boolean {
  return hasQuorum(raft.quorum, (id: NodeId) => {
    const known = id === raft.self ? raft.digests.at(index) : leading.peer(id)?.digests.at(index)
    return known !== null && known !== undefined && bytesEqual(known, digest)
  })
}

/** What others agreed on says nothing of when this one went astray: only what it has told itself does. */
function tell(raft: RaftState, peer: Progress, index: LogIndex, stateDigest: Uint8Array): void {
  assert(peer.id !== raft.self, 'a leader does not tell itself')
  const agreedIndex = Math.min(peer.digestsAgreed, index - 1) as LogIndex
  raft.send(peer.id, { type: 'diverged', epoch: raft.epoch, term: raft.term, index, stateDigest, agreedIndex })
}
