/**
 * Evidence of the epoch before a Byzantine mode began that no INIT and no entry brought: who says CLEAR has
 * not heard of it, and is told. A culprit that is a member no more, or under another key, is no reason any more.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { SignatureCheck } from '../../bft/checks.js'
import type { Evidence } from '../../bft/evidence.js'
import { Replicas } from '../../bft/replicas.js'
import type { NodeId } from '../../types.js'
import { checksOfHybrid } from '../ingress.js'
import { currentEpoch, endingOf } from '../inner.js'
import type { HybridEvidence } from '../messages.js'
import type { HybridState } from '../state.js'

/** Whether somebody's word about the epoch before is worth a verification. */
export function isOldEvidence(state: HybridState, evidence: Evidence): boolean {
  const { phase, ended } = state
  if (phase.kind !== 'byzantine' || ended === null || evidence.epoch !== ended.epoch) return false
  if (state.evidence.some(({ culprit, epoch }) => culprit === evidence.culprit && epoch === evidence.epoch))
    return false
  return isStillMember(state, evidence.culprit)
}

/** The signatures in it; null where it is unsound. */
export function checksOfOldEvidence(state: HybridState, message: HybridEvidence): readonly SignatureCheck[] | null {
  const { ended, options, modules } = state
  return ended === null ? null : checksOfHybrid(endingOf(options, modules, ended), message)
}

export function tellOldEvidence(state: HybridState, to: NodeId): void {
  const ordered = state.modules.liveCulprits()
  for (const evidence of state.evidence) {
    const { culprit, epoch } = evidence
    if (epoch !== state.ended?.epoch || ordered.includes(culprit) || !isStillMember(state, culprit)) continue
    state.merger.sendTo(to, { type: 'hybridEvidence', evidence }, false)
  }
}

function isStillMember(state: HybridState, culprit: NodeId): boolean {
  const now = currentEpoch(state).replicas.publicKeyOf(culprit)
  const then = state.ended === null ? null : new Replicas(state.ended.membership).publicKeyOf(culprit)
  return now !== null && then !== null && bytesEqual(now, then)
}
