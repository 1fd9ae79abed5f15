/**
 * Changes of members (thesis, chapter 4). One at a time: the last one is committed, and so is an entry
 * of this leader's term (the published flaw of single-server changes). A change of voters goes through
 * a joint configuration, which any leader leaves by itself once it is committed. Learners that were
 * marked for it are promoted once they have caught up. A leader that would lose its vote hands over
 * first; removed nodes are still sent the entry that removes them.
 */
import { computeBatchDigest } from '../batch-digest.js'
import type { OperatorOrder, OrderRefusalCode } from '../core.js'
import {
  encodeMembership,
  leaveJoint,
  type Membership,
  membershipProblem,
  nextMembership,
  spanZones,
} from '../membership.js'
import type { LogIndex } from '../types.js'
import { hasCommittedInTerm } from './commit.js'
import type { Leadership } from './leadership.js'
import { appendOwn } from './proposals.js'
import { pushCommit } from './replication.js'
import { becomeFollower } from './roles.js'
import type { RaftState } from './state.js'
import { bestTarget, startTransfer } from './transfer.js'

type Change = Extract<OperatorOrder, { kind: 'changeMembership' }>

export interface OrderRefusal {
  readonly code: OrderRefusalCode
  readonly reason: string
}

/** Starts a change: the index of its entry, null where nothing changes, or why not. */
export function changeMembership(raft: RaftState, leading: Leadership, change: Change): LogIndex | null | OrderRefusal {
  const { current } = raft.memberships
  if (current.membership.joint || current.index > raft.commitIndex) {
    return { code: 'ChangeInProgress', reason: 'another change of members is under way' }
  }
  if (leading.transfer !== null || !hasCommittedInTerm(raft, leading)) {
    return { code: 'ChangeInProgress', reason: 'the leadership is changing' }
  }
  if (change.planned !== current.index) {
    return { code: 'StalePlan', reason: `the members changed at entry ${current.index}` }
  }
  const target: Membership = { joint: false, members: change.target.map((member) => ({ ...member, wasVoter: false })) }
  const problem = membershipProblem(target)
  if (problem !== null) return { code: 'InvalidArgument', reason: problem }
  if (raft.options.settings.commitZones !== null && !spanZones(votersOf(target))) {
    return {
      code: 'InvalidArgument',
      reason: 'what is committed is held in two zones, and its voters would stand in one',
    }
  }
  const next = nextMembership(current.membership, change.target)
  if (next === null) return null
  if (!target.members.some((member) => member.id === raft.self && member.role === 'voter')) {
    const heirs = new Set(votersOf(target).map((member) => member.id))
    const heir = bestTarget(raft, leading, (id) => heirs.has(id))
    if (heir === null) return { code: 'InvalidArgument', reason: 'no remaining voter could lead instead' }
    startTransfer(raft, leading, heir)
    return { code: 'ChangeInProgress', reason: 'the leader would lose its vote and hands over first' }
  }
  return appendMembership(raft, leading, next)
}

function votersOf({ members }: Membership): Membership['members'] {
  return members.filter((member) => member.role === 'voter')
}

/** After the commit index moved: leaves a joint configuration, or office, when that is due. */
export function continueChange(raft: RaftState, leading: Leadership): void {
  const { current } = raft.memberships
  if (current.index > raft.commitIndex || !hasCommittedInTerm(raft, leading)) return
  if (current.membership.joint) {
    appendMembership(raft, leading, leaveJoint(current.membership))
  } else if (!raft.isVoter) {
    // The voters learn the commit, and one of them campaigns at once.
    pushCommit(raft, leading)
    const heir = bestTarget(raft, leading, (id) => leading.peer(id)?.matchIndex === raft.log.lastIndex)
    if (heir !== null) raft.send(heir.id, { type: 'timeoutNow', epoch: raft.epoch, term: raft.term })
    becomeFollower(raft, raft.term, null)
  }
}

/** With the heartbeats: makes one learner that has caught up a voter. */
export function promoteLearner(raft: RaftState, leading: Leadership): void {
  const { current } = raft.memberships
  if (current.membership.joint || current.index > raft.commitIndex) return
  if (leading.transfer !== null || !hasCommittedInTerm(raft, leading)) return
  const ready = current.membership.members.find((member) => {
    if (!member.promote) return false
    const peer = leading.peer(member.id)
    if (peer === undefined || peer.flow !== 'replicate' || !leading.isActive(peer, raft)) return false
    return raft.log.lastIndex - peer.matchIndex <= raft.options.limits.promoteLagEntriesMax
  })
  if (ready === undefined) return
  const target = current.membership.members.map(({ wasVoter: _, ...member }) =>
    member.id === ready.id
      ? { ...member, role: 'voter' as const, promote: false }
      : { ...member, role: member.role === 'voter' ? ('voter' as const) : ('learner' as const) },
  )
  const next = nextMembership(current.membership, target)
  if (next !== null) appendMembership(raft, leading, next)
}

function appendMembership(raft: RaftState, leading: Leadership, membership: Membership): LogIndex {
  const body = encodeMembership(membership)
  const digest = computeBatchDigest(raft.modules.sha256, 'membership', body)
  return appendOwn(raft, leading, 'membership', body, digest)
}
