/**
 * What members sign for receipts. `entry`: this chain value is that of my log at this index. `result`:
 * and this is what the entry came to when I executed it. Under a Byzantine protocol the digest of a
 * result is resultRoot, which f + 1 vouch for; in plain Raft it is resultChain, with which the one
 * signature of the leader covers every result before as well. The view of both is the term of the entry,
 * 0 under a Byzantine protocol.
 */
import { NO_EXTRA, type Statement } from '../../consensus/bft/statement.js'
import type { EntryHeader, Sha256 } from '../../consensus/entry.js'
import type { Epoch, Mode } from '../../consensus/types.js'
import { nextResultChain } from '../result-log.js'

/** Under whose rules the signer stands when it signs. */
export interface SigningPlace {
  readonly mode: Mode
  readonly epoch: Epoch
}

export function entryStatement(place: SigningPlace, { index, term, chain }: EntryHeader): Statement {
  const { mode, epoch } = place
  return { mode, type: 'entry', epoch, view: term, sequence: index, digest: chain, extra: NO_EXTRA }
}

/** `chainBefore` is resultChain of the entry before. */
export function resultStatement(
  sha256: Sha256,
  place: SigningPlace,
  { index, term, chain }: EntryHeader,
  root: Uint8Array,
  chainBefore: Uint8Array | null,
): Statement {
  const { mode, epoch } = place
  const digest = mode === 'raft' && chainBefore !== null ? nextResultChain(sha256, chainBefore, root) : root
  return { mode, type: 'result', epoch, view: term, sequence: index, digest, extra: chain }
}
