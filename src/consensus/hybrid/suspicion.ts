/**
 * Suspicion: two statements for one slot are evidence and end the epoch at once; what this node alone sees makes
 * it panic or suspect the leader, and f + 1 of that count.
 */
import { ByteWriter, bytesEqual } from '../../base/bytes.js'
import { type Evidence, encodeEvidence, equivocation } from '../bft/evidence.js'
import type { SignedStatement } from '../bft/statement.js'
import type { ProtocolMessage } from '../core.js'
import type { Millis, NodeId } from '../types.js'
import { takeRaft } from './effects.js'
import type { HardenedRaft } from './hardened/raft.js'
import { raftEpoch } from './inner.js'
import type { HybridState } from './state.js'
import { isAtLeast } from './threat-model.js'

export function watch(state: HybridState, statement: SignedStatement): void {
  if (statement.epoch !== state.start.epoch || statement.signer === state.options.self) return
  const before = state.book.note(statement)
  if (before === null) return
  const evidence = equivocation(raftEpoch(state.options, state.modules, state.start).sign, before, statement)
  if (evidence !== null) accuse(state, evidence)
}

export function isProven(state: HybridState, culprit: NodeId): boolean {
  return state.evidence.some((known) => known.culprit === culprit && known.epoch === state.start.epoch)
}

/** True when it was new. */
export function learn(state: HybridState, evidence: Evidence): boolean {
  if (isProven(state, evidence.culprit)) return false
  state.evidence.push(evidence)
  state.threat.noteEvidence(evidence.culprit)
  state.storeEpoch()
  state.merger.emit({ type: 'evidence', evidence: encodeEvidence(evidence) })
  return true
}

export function accuse(state: HybridState, evidence: Evidence): void {
  if (!learn(state, evidence)) return
  state.broadcast({ type: 'hybridEvidence', evidence })
  state.abortDue ??= `there is evidence against ${evidence.culprit}`
}

export function panic(state: HybridState): void {
  const phase = state.phase
  if (phase.kind !== 'raft' || state.panics.has(state.options.self)) return
  const vote = phase.raft.panic(PANIC_DIGEST)
  state.panics.set(state.options.self, vote)
  state.broadcast({ type: 'hybridVote', vote })
  state.repeatMs = state.now.monotonicMs + state.options.limits.repeatMs
}

export function isNewVote(state: HybridState, vote: SignedStatement): boolean {
  if (vote.type === 'panic') return !state.panics.has(vote.signer)
  return vote.view > (state.suspects.get(vote.signer)?.view ?? -1)
}

/** When the present leader is suspected unless it does better; undefined for never, or already. */
export function suspicionDueMs(state: HybridState): Millis | undefined {
  const { leader, term, sinceMs } = state.reign
  const { self, pbftSettings } = state.options
  if (state.phase.kind !== 'raft' || leader === null || leader === self) return undefined
  if (state.suspects.get(self)?.view === term || state.demandMs === null) return undefined
  return Math.max(state.demandMs, sinceMs) + pbftSettings.requestTimeoutMs
}

/** Who leaves requests waiting, or is seen to lie, is suspected; who f + 1 suspect leads no more. */
export function suspect(state: HybridState, raft: HardenedRaft): void {
  const { leader, term } = raft.status()
  const nowMs = state.now.monotonicMs
  const { self } = state.options
  if (leader !== state.reign.leader || term !== state.reign.term) state.reign = { leader, term, sinceMs: nowMs }
  if (leader === null) return
  const digest = state.modules.sha256(new ByteWriter(64).text('knhk/suspect/1').text(leader).finish())
  const dueMs = suspicionDueMs(state)
  const isLate = dueMs !== undefined && nowMs >= dueMs
  const isSeen = leader !== self && isAtLeast(state.threat.of(leader, nowMs).level, 'medium')
  if ((isLate || isSeen) && state.suspects.get(self)?.view !== term) {
    if (isLate) state.threat.noteTiming(leader, nowMs)
    const vote = raft.suspect(term, digest)
    state.suspects.set(self, vote)
    state.broadcast({ type: 'hybridVote', vote })
  }
  const count = [...state.suspects.values()].filter(
    (vote) => vote.view === term && bytesEqual(vote.digest, digest),
  ).length
  if (count <= raftEpoch(state.options, state.modules, state.start).replicas.f) return
  for (const [from, vote] of state.suspects) if (from !== self && vote.view <= term) state.suspects.delete(from)
  takeRaft(state, raft, raft.distrust(leader, term))
}

/** A signature that does not hold, or what no honest member says, by the connection that delivered it. */
export function noteInvalid(
  state: HybridState,
  from: NodeId,
  message: ProtocolMessage,
  reason: 'unsound' | 'signature',
): void {
  const isTampered = reason === 'unsound' && (message.type === 'hybridAppend' || message.type === 'hybridEntries')
  if (isTampered) state.threat.noteTampering(from, state.now.monotonicMs)
  else state.threat.noteBadSignature(from, state.now.monotonicMs)
}

const PANIC_DIGEST = new Uint8Array(32).fill(0x50)
