/**
 * Suspicion: two statements for one slot are evidence and end the epoch at once; what this node alone sees makes
 * it panic or suspect the leader, and f + 1 of that count.
 */
import { ByteWriter, bytesEqual } from '../../base/bytes.js'
import { type Evidence, encodeEvidence, equivocation } from '../bft/evidence.js'
import { conflicts, type SignedStatement } from '../bft/statement.js'
import type { ProtocolMessage } from '../core.js'
import type { Millis, NodeId, Term } from '../types.js'
import type { AbortHistory } from './abort-history.js'
import { takeRaft } from './effects.js'
import type { HardenedRaft } from './hardened/raft.js'
import { currentEpoch } from './inner.js'
import type { Leaving } from './leaving.js'
import type { HybridState } from './state.js'
import { isAtLeast } from './threat-model.js'

export function watch(state: HybridState, statement: SignedStatement): void {
  if (statement.epoch !== state.start.epoch || statement.signer === state.options.self) return
  const before = state.book.note(statement)
  if (before === null) return
  const evidence = equivocation(currentEpoch(state).sign, before, statement)
  if (evidence !== null) accuse(state, evidence)
}

/** Takes a verified history, and holds what it shows of its leader's log against what the others show. */
export function noteHistory(state: HybridState, leaving: Leaving, history: AbortHistory): void {
  if (!leaving.note(history)) return
  for (const evidence of leaving.forksWith(history)) accuse(state, evidence)
}

export function isProven(state: HybridState, culprit: NodeId): boolean {
  return state.evidence.some((known) => known.culprit === culprit && known.epoch === state.start.epoch)
}

/** The replicated state cleared a member, or all. What was signed under the configuration in force stays. */
export function clearThreat(state: HybridState, node: NodeId | null): void {
  const { configHash } = currentEpoch(state).sign
  state.evidence = state.evidence.filter(
    (known) => (node !== null && known.culprit !== node) || bytesEqual(known.configHash, configHash),
  )
  state.threat.clear(node)
  for (const { culprit } of state.evidence) state.threat.noteEvidence(culprit)
  state.storeEpoch()
}

/** Keeps what nobody but this node may know. True when it was new. */
export function learn(state: HybridState, evidence: Evidence): boolean {
  if (!state.remember(evidence)) return false
  state.merger.emit({ type: 'evidence', evidence: encodeEvidence(evidence) })
  return true
}

export function accuse(state: HybridState, evidence: Evidence): void {
  if (!learn(state, evidence)) return
  state.broadcast({ type: 'hybridEvidence', evidence })
  if (state.phase.kind === 'raft') state.abortDue ??= `there is evidence against ${evidence.culprit}`
}

export function panic(state: HybridState): void {
  const phase = state.phase
  if (phase.kind !== 'raft' || state.panics.has(state.options.self)) return
  if (!currentEpoch(state).replicas.has(state.options.self)) return
  const vote = phase.raft.panic(PANIC_DIGEST)
  state.panics.set(state.options.self, vote)
  state.broadcast({ type: 'hybridVote', vote })
  state.merger.emit({ type: 'panicked', epoch: state.start.epoch })
  state.repeatMs = state.now.monotonicMs + state.options.limits.repeatMs
}

/** Whether PANIC, SUSPECT, or what somebody else signed, is worth a verification; said again, a suspicion only asks. */
export function isWorthVote(state: HybridState, from: NodeId, vote: SignedStatement): boolean {
  if (vote.signer !== from)
    return vote.type === 'panic'
      ? isNewVote(state, vote) && vote.signer !== state.options.self
      : isTestimony(state, vote)
  return isNewVote(state, vote) || (vote.type === 'suspect' && mayTestify(state, from))
}

/** Takes a vote that was verified. */
export function takeSuspicion(state: HybridState, from: NodeId, vote: SignedStatement): void {
  // A PANIC is its signer's, whoever shows it.
  if (vote.signer !== from && vote.type !== 'panic') {
    watch(state, vote)
    if (state.phase.kind === 'raft') state.phase.raft.compare(vote)
    return
  }
  if (isNewVote(state, vote)) {
    watch(state, vote)
    if (vote.type === 'panic') state.panics.set(vote.signer, vote)
    else state.suspects.set(from, vote)
  }
  if (vote.type === 'suspect') testify(state, from, vote)
}

function isNewVote(state: HybridState, vote: SignedStatement): boolean {
  if (vote.type === 'panic') return !state.panics.has(vote.signer)
  return vote.view > (state.suspects.get(vote.signer)?.view ?? -1)
}

/** When the present leader is suspected unless it does better; undefined for never, or already. */
export function suspicionDueMs(state: HybridState): Millis | undefined {
  const { leader, term, sinceMs } = state.reign
  const { self, pbftSettings } = state.options
  if (state.phase.kind !== 'raft' || leader === null || leader === self) return undefined
  if (state.demandMs === null || !currentEpoch(state).replicas.has(self)) return undefined
  if (state.suspects.get(self)?.view === term) return state.suspectAgainMs
  return Math.max(state.demandMs, sinceMs) + pbftSettings.requestTimeoutMs
}

/** Who is to blame for requests that wait: the leader; where there is none here for long, who leads the others. */
function whoReigns(state: HybridState, raft: HardenedRaft): { readonly leader: NodeId | null; readonly term: Term } {
  const { leader, term } = raft.status()
  const known = raft.certifiedLeader
  const { demandMs, now, options } = state
  const hasWaited = demandMs !== null && now.monotonicMs - demandMs > 2 * options.pbftSettings.requestTimeoutMs
  return leader === null && known !== null && hasWaited ? known : { leader, term }
}

/** Who leaves requests waiting, or is seen to lie, is suspected; who f + 1 suspect leads no more. */
export function suspect(state: HybridState, raft: HardenedRaft): void {
  const { leader, term } = whoReigns(state, raft)
  const nowMs = state.now.monotonicMs
  const { self } = state.options
  if (leader !== state.reign.leader || term !== state.reign.term) state.reign = { leader, term, sinceMs: nowMs }
  if (leader === null || !currentEpoch(state).replicas.has(self)) return
  const digest = state.modules.sha256(new ByteWriter(64).text('knhk/suspect/1').text(leader).finish())
  const dueMs = suspicionDueMs(state)
  const isLate = dueMs !== undefined && nowMs >= dueMs
  const isSeen = leader !== self && isAtLeast(state.threat.of(leader, nowMs).level, 'medium')
  if (isLate || (isSeen && state.suspects.get(self)?.view !== term)) {
    if (isLate && state.suspects.get(self)?.view !== term) state.threat.noteTiming(leader, nowMs)
    const vote = raft.suspect(term, digest)
    state.suspects.set(self, vote)
    state.suspectAgainMs = nowMs + state.options.pbftSettings.requestTimeoutMs
    state.broadcast({ type: 'hybridVote', vote })
  }
  const count = [...state.suspects.values()].filter(
    (vote) => vote.view === term && bytesEqual(vote.digest, digest),
  ).length
  if (count <= currentEpoch(state).replicas.f) return
  for (const [from, vote] of state.suspects) if (from !== self && vote.view <= term) state.suspects.delete(from)
  takeRaft(state, raft, raft.distrust(leader, term))
}

/**
 * Who suspects a leader alone may have been told another history than the others: it is shown what that
 * leader signed here, so that two words for one place meet.
 */
function testify(state: HybridState, to: NodeId, { view }: SignedStatement): void {
  const phase = state.phase
  const known = phase.kind === 'raft' ? phase.raft.certifiedLeader : null
  if (known === null || known.leader === to || known.term !== view) return
  if (!mayTestify(state, to)) return
  state.testifiedMs.set(to, state.now.monotonicMs)
  const isMeant = ({ type, epoch, view: term }: SignedStatement): boolean =>
    type === 'header' && epoch === state.start.epoch && term === view
  for (const vote of state.book.newest(known.leader, TESTIMONIES_MAX, isMeant))
    state.merger.sendTo(to, { type: 'hybridVote', vote }, false)
}

function mayTestify({ now, testifiedMs }: HybridState, to: NodeId): boolean {
  return now.monotonicMs - (testifiedMs.get(to) ?? Number.NEGATIVE_INFINITY) >= TESTIMONY_MS
}

const TESTIMONY_MS: Millis = 500
const TESTIMONIES_MAX = 16

/** What somebody else signed counts for nothing, but where it contradicts what was heard here it proves a lie. */
function isTestimony({ book, start }: HybridState, vote: SignedStatement): boolean {
  const before = book.before(vote.signer, vote)
  return vote.type === 'header' && vote.epoch === start.epoch && before !== undefined && conflicts(before, vote)
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
