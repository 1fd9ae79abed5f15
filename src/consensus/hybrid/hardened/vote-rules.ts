/**
 * Who gets a vote (R3): the candidate proves where its log ends, and that end is at least where the voter
 * stands; in the voter's own last term the candidate's chain goes through where the voter stands; and what
 * the voter knows to be certified is within it, or what the candidate shows is certified later.
 */
import { bytesEqual } from '../../../base/bytes.js'
import { sameStatement } from '../../bft/statement.js'
import { chainOf, connects } from '../headers.js'
import type { HybridVoteRequest } from '../messages.js'
import {
  comparePlaces,
  type Position,
  positionOf,
  positionStatement,
  quorumProblem,
  type RaftEpoch,
  samePosition,
  termOf,
  termProblem,
} from '../positions.js'

/** Candidates may be this far ahead: a liar does not carry terms to where numbers end. */
export const TERM_LEAP_MAX = 2 ** 20

/** What is wrong with the proof of a candidate's tip, apart from signatures; null when nothing is. */
export function requestProblem(epoch: RaftEpoch, message: HybridVoteRequest): string | null {
  const { request, tip, termCertificate: term, header, commit, headers } = message
  if (request.epoch !== epoch.epoch || tip.term >= request.term) return 'the tip is not of an earlier term'
  if (commit !== null) {
    const problem = quorumProblem(epoch, 'ack', commit)
    if (problem !== null) return problem
  }
  const certified = certifiedOf(epoch, message)
  if (headers.length === 0) return samePosition(tip, certified) ? null : 'the tip is not what is certified'
  if (term === null || header === null) return 'the tip is not proven'
  if (!connects(epoch.sha256, epoch.epoch, certified, headers, tip)) return 'the headers do not lead to the tip'
  if (termOf(term) !== tip.term || tip.index <= term.tip.index) return 'the tip is of another term'
  if (header.signer !== term.candidate || !sameStatement(header, positionStatement('header', epoch.epoch, tip)))
    return "the tip is not its leader's word"
  return termProblem(epoch, term)
}

function certifiedOf({ origin }: RaftEpoch, { commit }: HybridVoteRequest): Position {
  return commit === null ? origin : positionOf(commit)
}

/**
 * A sound request whose tip a leader signed, against what the same leader of the same term gave this node:
 * true where the two are different chains. No honest leader says both.
 */
export function contradicts(
  epoch: RaftEpoch,
  message: HybridVoteRequest,
  position: Position,
  chainAt: (index: number) => Uint8Array | undefined,
): boolean {
  const { tip, headers, header } = message
  if (header === null || tip.term !== position.term) return false
  const shown = certifiedOf(epoch, message)
  const index = Math.min(tip.index, position.index)
  const theirs =
    index === shown.index ? shown.hash : chainOf(epoch.sha256, epoch.epoch, shown, headers)[index - shown.index - 1]
  const own = chainAt(index)
  return theirs !== undefined && own !== undefined && !bytesEqual(theirs, own)
}

/** A sound request, against where the voter stands. */
export function deservesVote(
  epoch: RaftEpoch,
  message: HybridVoteRequest,
  voter: { readonly position: Position; readonly certified: Position },
): boolean {
  const { tip, headers } = message
  const { position, certified } = voter
  if (comparePlaces(tip, position) < 0) return false
  const shown = certifiedOf(epoch, message)
  const hashes = chainOf(epoch.sha256, epoch.epoch, shown, headers)
  const goesThrough = ({ index, hash }: Position): boolean => {
    const own = index === shown.index ? shown.hash : hashes[index - shown.index - 1]
    return own !== undefined && bytesEqual(own, hash)
  }
  // Below what is certified in the same term nothing else can have been.
  const isDecided = (place: Position): boolean => shown.term === place.term && place.index <= shown.index
  if (tip.term === position.term && !isDecided(position) && !goesThrough(position)) return false
  return comparePlaces(shown, certified) >= 0 || goesThrough(certified)
}
