/** Whom this node believes to lead, and what it lets Raft know of the logs of others. */
import { assert } from '../../../base/assert.js'
import type { RaftMessage, RequestVote } from '../../raft/messages.js'
import type { LogIndex, NodeId, Term } from '../../types.js'
import type { HybridCommit } from '../messages.js'
import { comparePlaces, positionOf, type TermCertificate, termOf } from '../positions.js'
import { isProven } from './counting.js'
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

/**
 * A heartbeat that says no more than what is certified, and what this node holds. `leaderEnd`: where the leader says
 * that its log ends; 0 where it did not say.
 */
export function soundHeartbeat(
  raft: HardenedState,
  term: Term,
  readPosition: number,
  leaderEnd: LogIndex,
): RaftMessage {
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
    lastIndex: endToReach(raft, leaderEnd),
    readPosition,
    commitChain: null,
  }
}

/**
 * Up to where a damaged node has to be as the leader before it votes again. Whatever was certified in earlier terms is
 * below the tip of this one; in this term it goes by its leader's word, and by where it stood itself. Who
 * understates the end of its log gains nothing by it where the damage has left the newest standing; who
 * overstates it keeps a damaged node out for as long as it leads.
 */
function endToReach({ core, standing, modules }: HardenedState, leaderEnd: LogIndex): LogIndex {
  if (core.status().mayVote) return modules.shadow.lastIndex
  const { current, position, certified } = standing
  const tip = current?.tip.index ?? 0
  const own = current !== null && position.term >= termOf(current) ? position.index : 0
  return Math.max(leaderEnd, tip + 1, own, certified.index) as LogIndex
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

export function isNews(raft: HardenedState, { commit, proof, collects }: HybridCommit): boolean {
  const { certified, proof: known } = raft.standing
  if (comparePlaces(positionOf(commit), certified) > 0) return true
  if (collects && !isProven(raft, positionOf(commit))) return true
  return proof !== null && (known === null || comparePlaces(positionOf(proof), positionOf(known)) > 0)
}
