/**
 * A leader that is not the one the cluster prefers hands over by itself, to one that has been preferred
 * to it, heard and caught up for a while (lease preferences in CockroachDB are alike). It does so more
 * and more rarely where leadership comes back each time, so that a node that fails again and again in
 * the preferred zone does not take the cluster along.
 */
import { spanZones } from '../membership.js'
import type { Millis } from '../types.js'
import { hasCommittedInTerm } from './commit.js'
import type { Leadership } from './leadership.js'
import { hasCaughtUp, rankOf } from './preference.js'
import type { Progress } from './progress.js'
import type { RaftState } from './state.js'
import { bestTarget, startTransfer } from './transfer.js'

/** With the heartbeats: hands over to a better leader once it has been one for long enough. */
export function handToBetter(raft: RaftState, leading: Leadership, nowMs: Millis): void {
  const own = rankOf(raft, raft.self)
  if (own === null) return
  const heir = isSettled(raft, leading) ? betterThan(raft, leading, own) : null
  if (heir === null) {
    leading.heir = null
    return
  }
  if (leading.heir?.id !== heir.id) leading.heir = { id: heir.id, sinceMs: nowMs }
  const { settings, limits } = raft.options
  const shortestMs = settings.electionTimeoutMaxMs * limits.preferenceTimeouts
  if (nowMs - leading.heir.sinceMs < raft.handOvers.waitMs(shortestMs, nowMs)) return
  leading.heir = null
  raft.handOvers.note(nowMs)
  startTransfer(raft, leading, heir)
}

/** Nothing else is under way, and this leader's term has begun. */
function isSettled(raft: RaftState, leading: Leadership): boolean {
  const { current } = raft.memberships
  if (leading.transfer !== null || current.membership.joint || !raft.membershipCommitted) return false
  return hasCommittedInTerm(raft, leading) && couldBegin(raft, leading)
}

/** While a second zone is missing that has to hold what is committed, the next leader could answer no reads. */
function couldBegin({ memberships, options }: RaftState, { heardFrom }: Leadership): boolean {
  if (options.settings.commitZones === null) return true
  const { members } = memberships.current.membership
  return spanZones(members.filter(({ id, role }) => role === 'voter' && heardFrom(id)))
}

function betterThan(raft: RaftState, leading: Leadership, own: number): Progress | null {
  return bestTarget(raft, leading, (id) => {
    const peer = leading.peer(id)
    return peer !== undefined && hasCaughtUp(raft, peer) && (rankOf(raft, id) ?? 0) > own
  })
}
