/**
 * Evidence: every verified statement is compared with the first one of its signer in that slot; a
 * contradiction is a proof that anybody can check. It is told to the driver at once, gossiped, and
 * ordered by the primary; evidence against the primary ends its view (timers.ts).
 */
import { toHex } from '../../../base/bytes.js'
import { type Certificate, votesOf } from '../certificate.js'
import { type Evidence, encodeEvidence, equivocation, evidenceId } from '../evidence.js'
import { conflicts, type SignedStatement } from '../statement.js'
import type { PbftMessage } from './messages.js'
import type { PbftState } from './state.js'
import type { KnownEvidence } from './state-types.js'

/** Notes a statement whose signature holds. */
export function noteStatement(state: PbftState, statement: SignedStatement, message: PbftMessage | null = null): void {
  if (statement.signer === state.self || statement.epoch !== state.context.epoch) return
  const before = state.statements.note(statement)
  if (before !== null) accuse(state, before, statement)
  const along = message === null ? undefined : state.verifiedAlong.get(message)
  if (along !== undefined && conflicts(along, statement)) accuse(state, along, statement)
}

/** The votes inside a verified certificate are statements like any other. */
export function noteVotesOf(state: PbftState, certificate: Certificate): void {
  if (certificate.statement.epoch !== state.context.epoch) return
  for (const vote of votesOf(state.context.replicas, certificate)) noteStatement(state, vote)
}

function accuse(state: PbftState, a: SignedStatement, b: SignedStatement): void {
  const evidence = equivocation(state.context.sign, a, b)
  if (evidence !== null) takeEvidence(state, evidence)
}

/** Evidence that was found here or verified. True when it was new. */
export function takeEvidence(state: PbftState, evidence: Evidence): boolean {
  const id = toHex(evidenceId(state.modules.sha256, evidence))
  if (state.evidence.has(id)) return false
  const known = [...state.evidence.values()].filter((entry) => entry.evidence.culprit === evidence.culprit)
  if (known.length >= state.options.limits.evidencePerCulpritMax) return false
  // One proof against a culprit is ordered per epoch: more of them change nothing.
  const ordered = known.some((entry) => entry.ordered && entry.evidence.epoch === evidence.epoch)
  state.evidence.set(id, { evidence, sinceMs: state.now.monotonicMs, ordered, proposedIn: null })
  state.storeSafety()
  state.emit({ type: 'evidence', evidence: encodeEvidence(evidence) })
  state.broadcast({ type: 'pbftEvidence', evidence })
  return true
}

/** True for a replica that is proven to have lied in this epoch. */
export function isProvenLiar(state: PbftState, id: string): boolean {
  for (const { evidence } of state.evidence.values()) {
    if (evidence.culprit === id && evidence.epoch === state.context.epoch) return true
  }
  return false
}

/** The oldest evidence that waits to be ordered; undefined for none. */
export function waitingEvidence(state: PbftState): KnownEvidence | undefined {
  for (const entry of state.evidence.values()) {
    if (!entry.ordered && entry.evidence.epoch === state.context.epoch) return entry
  }
  return undefined
}
