/**
 * Who comes to an epoch when its log is gone already begins behind a snapshot of its middle: nothing signed,
 * the block at its index for root, and the certificate that decided that block for the highest one. What a
 * replica of the epoch stores when it installs a snapshot (`install` in transfer.ts) says the same.
 */
import type { Sha256 } from '../../entry.js'
import type { EpochContext } from '../epoch.js'
import type { InitBasis } from '../init.js'
import { type BlockHeader, genesisOf } from './block.js'
import { decodeProof } from './proof.js'
import { type Anchor, encodeState } from './stored-state.js'

/** The safety record to begin with behind `anchor`, whose certificates are verified. */
export function stateBehind(
  sha256: Sha256,
  { epoch, origin, record, sign }: EpochContext,
  basis: InitBasis,
  anchor: Anchor,
): Uint8Array {
  const { headers, qc } = decodeProof(anchor.proof)
  return encodeState({
    origin,
    basis,
    members: record,
    previous: null,
    root: headers[0] as BlockHeader,
    tc: null,
    safety: {
      epoch,
      forgot: false,
      lastVotedRound: 0,
      lastProposedRound: 0,
      fencedRound: 0,
      lockedRound: 0,
      lockedHash: genesisOf(sha256, sign, epoch, origin).hash,
      highQc: qc,
      lastVote: null,
      lastTimeout: null,
      lastCheckpoint: null,
    },
    anchors: [anchor],
    ordered: [],
  })
}
