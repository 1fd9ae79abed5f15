/**
 * What this node holds of the present leader's log is one branch, and whatever else that leader signed in the
 * term has to lie on it: an append, or the log that a candidate shows. Two branches of one leader are evidence.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { Certificate } from '../../bft/certificate.js'
import { fork } from '../../bft/evidence.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { LogIndex } from '../../types.js'
import { type BareHeader, bareHeader, chainOf, HEADERS_MAX } from '../headers.js'
import type { HybridAppend, HybridVoteRequest } from '../messages.js'
import { positionOf } from '../positions.js'
import type { HardenedState } from './state.js'

/** A sound append of the term's leader, against what the same leader gave this node before. */
export function compareAppend(raft: HardenedState, { append, header }: HybridAppend): void {
  const { prevIndex, entries } = append
  const hash = entries[0]?.previousChain ?? header.digest
  compare(raft, header, { index: prevIndex, hash }, () => ({
    hashes: entries.map(({ chain }) => chain),
    headers: entries.map(bareHeader),
  }))
}

/** A sound request for a vote, with the word of the leader under whom the candidate's log ends. */
export function compareRequest(raft: HardenedState, { header, headers, commit }: HybridVoteRequest): void {
  if (header === null) return
  const { epoch } = raft.options
  const start = commit === null ? epoch.origin : positionOf(commit)
  compare(raft, header, start, () => ({ hashes: chainOf(epoch.sha256, epoch.epoch, start, headers), headers }))
}

/** The word of this term's leader, as somebody else was given it. */
export function compareWord(raft: HardenedState, header: SignedStatement): void {
  const place = { index: header.sequence, hash: header.digest }
  compare(raft, header, place, () => ({ hashes: [], headers: [] }))
}

/**
 * A verified certificate of the term, of something else than its leader gave this node: an honest member acknowledges
 * only what the leader signed, so that leader lied, though its two words have not met here yet.
 */
export function compareCommit(raft: HardenedState, commit: Certificate): void {
  const { heard } = raft
  const { term, index, hash } = positionOf(commit)
  if (heard === null || heard.view !== term || index > heard.sequence) return
  if (!raft.standing.holds({ index: heard.sequence, hash: heard.digest })) return
  const own = raft.modules.shadow.chainAt(index)
  if (own !== undefined && !bytesEqual(own, hash)) raft.modules.onUnsound(heard.signer)
}

/** The log of this node up to here is what the leader said. */
export function noteHeard(raft: HardenedState, header: SignedStatement): void {
  const { heard } = raft
  if (heard === null || header.view > heard.view || header.sequence > heard.sequence) raft.heard = header
}

function compare(
  raft: HardenedState,
  header: SignedStatement,
  start: { readonly index: number; readonly hash: Uint8Array },
  way: () => { readonly hashes: readonly Uint8Array[]; readonly headers: readonly BareHeader[] },
): void {
  const { heard } = raft
  const { shadow } = raft.modules
  if (heard === null || heard.view !== header.view || heard.signer !== header.signer) return
  const at = Math.min(heard.sequence, header.sequence) as LogIndex
  const hash = shadow.chainAt(at)
  if (hash === undefined || start.index > at || !raft.standing.holds({ index: heard.sequence, hash: heard.digest }))
    return
  const rest = shadow.slice(at + 1, heard.sequence, HEADERS_MAX)
  if (rest.length !== heard.sequence - at) return
  const own = {
    header: heard,
    start: { index: at, hash },
    hashes: rest.map(({ chain }) => chain),
    headers: rest.map(bareHeader),
  }
  const evidence = fork(raft.options.epoch.sign, own, { header, start, ...way() })
  if (evidence !== null) raft.modules.onEvidence(evidence)
}
