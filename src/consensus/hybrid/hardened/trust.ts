/** Whom this node believes to lead, and what it lets Raft know of the logs of others. */
import { assert } from '../../../base/assert.js'
import type { RaftMessage, RequestVote } from '../../raft/messages.js'
import type { LogIndex, NodeId, Term } from '../../types.js'
import type { HybridCommit } from '../messages.js'
import { comparePlaces, positionOf, type TermCertificate, termOf } from '../positions.js'
import type { HardenedState } from './state.js'

/** Suspected not long ago: others get their turn first. */
export function isShunned(raft: HardenedState, candidate: NodeId, term: number): boolean {
  const distrusted = raft.distrusted
  if (distrusted === null || distrusted.leader !== candidate) return false
  // By time too: terms stand still where nobody else can win, and its log may be the longest that is left.
  if (raft.now.monotonicMs >= distrusted.untilMs) return false
  return term <= distrusted.term + raft.options.epoch.replicas.count
}

/** This member leads this term, by the certificate that is known, and is not suspected. */
export function isLeader(raft: HardenedState, from: NodeId, term: number): boolean {
  const { current } = raft.standing
  if (raft.distrusted !== null && term <= raft.distrusted.term) return false
  return current !== null && termOf(current) === term && current.candidate === from && from !== raft.options.self
}

/** A heartbeat that says no more than what is certified, and what this node holds. */
export function soundHeartbeat(raft: HardenedState, term: Term, readPosition: number): RaftMessage {
  const { epoch } = raft.options
  const { certified } = raft.standing
  const isHeld = raft.standing.holds(certified)
  const { commitIndex } = raft.core.status()
  if (isHeld && certified.index > raft.covered) raft.covered = certified.index
  return {
    type: 'heartbeat',
    epoch: epoch.epoch,
    term,
    commitIndex: isHeld ? (Math.max(certified.index, commitIndex) as LogIndex) : commitIndex,
    acknowledgedIndex: 0 as LogIndex,
    lastIndex: raft.modules.shadow.lastIndex,
    readPosition,
    commitChain: null,
  }
}

/** The end of the log as Raft is to see it in a request that these rules have judged already. */
export function claimedEnd(
  raft: HardenedState,
  isEnough: boolean,
): Pick<RequestVote, 'lastIndex' | 'lastEpoch' | 'lastTerm'> {
  const { epoch } = raft.options.epoch
  const { shadow } = raft.modules
  if (!isEnough) return { lastIndex: 0 as LogIndex, lastEpoch: 0 as typeof epoch, lastTerm: 0 as Term }
  const end = shadow.termAt(shadow.lastIndex)
  assert(end !== undefined, 'the end of the log has a term')
  return { lastIndex: shadow.lastIndex, lastEpoch: end.epoch, lastTerm: end.term }
}

export function isNewTerm(raft: HardenedState, term: TermCertificate): boolean {
  const { current } = raft.standing
  return current === null || termOf(term) > termOf(current)
}

export function isNews(raft: HardenedState, { commit, proof }: HybridCommit): boolean {
  const { certified, proof: known } = raft.standing
  if (comparePlaces(positionOf(commit), certified) > 0) return true
  return proof !== null && (known === null || comparePlaces(positionOf(proof), positionOf(known)) > 0)
}
