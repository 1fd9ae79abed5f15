/**
 * Who comes to an epoch when its log is gone already begins behind a snapshot, with nothing signed. In the middle of
 * an epoch the block at its index is the root, and the certificate that decided that block the highest one: what a
 * replica of the epoch stores when it installs a snapshot (`install` in transfer.ts) says the same.
 */
import type { Sha256 } from '../../entry.js'
import type { Membership } from '../../membership.js'
import type { EpochContext } from '../epoch.js'
import type { InitBasis } from '../init.js'
import { type BlockHeader, genesisOf } from './block.js'
import { genesisQc } from './certificates.js'
import { decodeProof } from './proof.js'
import { freshSafety } from './safety-rules.js'
import { type Anchor, encodeState } from './stored-state.js'

export interface EpochBeginning {
  readonly context: EpochContext
  readonly basis: InitBasis
  /** Who signed the checkpoint that the INIT rests on; null after a hand-over. */
  readonly previous: Membership | null
}

/** The safety record to begin with behind `anchor`, whose certificates are verified; null at the epoch's beginning. */
export function stateBehind(
  sha256: Sha256,
  { context, basis, previous }: EpochBeginning,
  anchor: Anchor | null,
): Uint8Array {
  const { epoch, origin, record, sign } = context
  const genesis = genesisOf(sha256, sign, epoch, origin)
  const proof = anchor === null ? null : decodeProof(anchor.proof)
  return encodeState({
    origin,
    basis,
    members: record,
    previous,
    root: proof === null ? null : (proof.headers[0] as BlockHeader),
    tc: null,
    safety: freshSafety(epoch, genesis.hash, proof?.qc ?? genesisQc(genesis)),
    anchors: anchor === null ? [] : [anchor],
    ordered: [],
  })
}
