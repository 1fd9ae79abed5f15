/**
 * From a Raft epoch to the next (S1 to S4): abort, the hand-over that a quorum of histories gives, its decision,
 * and the entry into the next epoch once the log is its result, on disk.
 */
import { assert } from '../../base/assert.js'
import { decodeEvidence } from '../bft/evidence.js'
import { isPbft } from '../bft/pbft/index.js'
import type { Input, StoreRecord } from '../core.js'
import type { Epoch, LogIndex, Millis, NodeId } from '../types.js'
import { enter } from './entering.js'
import { encodeLeaving, type Reasons } from './epoch-record.js'
import type { HardenedRaft } from './hardened/raft.js'
import { proposedResult } from './helping.js'
import { currentEpoch, hasSay } from './inner.js'
import type { HybridHandOver } from './messages.js'
import { makeLeaving } from './phases.js'
import type { HybridState } from './state.js'
import { statusOf } from './status.js'
import { currentEvidence, isDueNext, mayStay, nextProtocol } from './successor.js'
import { learn, noteHistory } from './suspicion.js'
import { type SwitchCertificate, switchResult } from './switch-certificate.js'

/** S1: nothing is signed, acknowledged or answered in this epoch from here on. */
export function abort(state: HybridState, raft: HardenedRaft, reason: string): void {
  for (const effect of raft.stepDown()) {
    if (effect.type === 'readRefused' || effect.type === 'refused') state.merger.emit(effect)
  }
  const { epoch } = state.start
  const history = raft.abort()
  state.abortDue = null
  const reasons = reasonsOf(state)
  state.phase = makeLeaving(state, { history, safety: null, slots: [], fetched: [], reasons })
  for (const early of state.early.values()) {
    if (state.phase.kind === 'leaving') noteHistory(state, state.phase.leaving, early)
  }
  state.early.clear()
  storeLeaving(state)
  state.merger.emit({ type: 'roleChanged', role: 'follower', epoch, term: statusOf(state).term, leader: null })
  state.merger.emit({ type: 'epochChanged', epoch, mode: 'raft', isUnderWay: true, reason })
  if (hasSay(state)) state.broadcast({ type: 'hybridHistory', history })
  state.repeatMs = state.now.monotonicMs + state.options.limits.repeatMs
}

/** f + 1 members that say that the epoch is over, where so many did. Else a proof ended it, or an operator's order. */
function reasonsOf(state: HybridState): Reasons {
  const { f } = currentEpoch(state).replicas
  const panics = [...state.panics.values()].slice(0, f + 1)
  const others = [...state.early].flatMap(([id, history]) => (state.panics.has(id) ? [] : [history]))
  const histories = others.slice(0, f + 1 - panics.length)
  return panics.length + histories.length > f ? { panics, histories } : { panics: [], histories: [] }
}

export function storeLeaving(state: HybridState): void {
  const phase = state.phase
  assert(phase.kind === 'leaving', 'an epoch is being left')
  const { history, instance, leaving, reasons } = phase
  const payload = encodeLeaving({ history, ...instance.stored, fetched: leaving.stored, reasons })
  state.merger.record({ kind: 'abort', epoch: state.start.epoch, payload })
}

/** S2 and S3: proposes what it can, votes for what it holds, enters what is decided. */
export function advance(state: HybridState): void {
  const phase = state.phase
  if (phase.kind !== 'leaving') return
  const { leaving, instance } = phase
  // What speaks against Raft may be heard only now. Who votes for no Raft proposes none, and stays with what everybody
  // takes also where it was a level that falls again: so a refusal lasts until the first view of whoever refuses.
  if (instance.proposal?.protocol === 'raft' && !mayStay(state)) instance.proposal = null
  if (phase.decided === null && instance.proposal === null && leaving.count >= leaving.ending.raft.replicas.quorum) {
    const proposed = leaving.propose((change) => nextProtocol(state, change), currentEvidence(state))
    if ('proof' in proposed) {
      instance.proposal = proposed
      stepHandOver(state, { type: 'tick' })
    }
  }
  for (const [from, message] of [...phase.held]) {
    phase.held.delete(from)
    consider(state, from, message)
  }
  if (phase.decided !== null) activate(state, phase.decided)
}

/** A message of the instance: a proposal has to wait until its result is here in full. */
export function consider(state: HybridState, from: NodeId, message: HybridHandOver): void {
  const phase = state.phase
  if (phase.kind !== 'leaving') return
  const inner = message.message
  if (inner.type === 'pbftPrePrepare') {
    const proposed = proposedResult(phase.leaving, inner)
    const assembly = proposed === null ? null : phase.leaving.assemble(proposed.result)
    if (assembly !== null && !('entries' in assembly)) {
      phase.held.set(from, message)
      return
    }
    if (assembly !== null && proposed !== null && !isDueNext(state, phase.leaving, assembly, proposed)) return
  }
  stepHandOver(state, { type: 'message', from, configHash: phase.instance.configHash(), message: inner })
}

export function stepHandOver(state: HybridState, input: Input): void {
  const phase = state.phase
  if (phase.kind !== 'leaving') return
  const { epoch } = state.start
  const effects = phase.instance.step(input, state.now)
  for (const effect of effects) {
    if (effect.type === 'send' && isPbft(effect.message))
      state.merger.sendTo(effect.to, { type: 'hybridHandOver', epoch, message: effect.message }, true)
    else if (effect.type === 'evidence') state.threat.noteEvidence(decodeEvidence(effect.evidence).culprit)
  }
  if (effects.some(({ type }) => type === 'store')) storeLeaving(state)
  const decision = phase.instance.decision()
  if (decision !== null) phase.decided ??= decision
}

/** A verified switch certificate, from whomever it came. */
export function decide(state: HybridState, certificate: SwitchCertificate): void {
  if (state.phase.kind === 'raft') abort(state, state.phase.raft, 'the others have left the epoch')
  if (state.phase.kind === 'leaving') state.phase.decided ??= certificate
}

/** S4: the log becomes the result, and the next epoch begins. */
export function activate(state: HybridState, certificate: SwitchCertificate): void {
  const phase = state.phase
  assert(phase.kind === 'leaving', 'an epoch is left before the next begins')
  const { leaving } = phase
  const decided = switchResult(leaving.ending, certificate)
  assert(typeof decided !== 'string', 'what was decided is sound')
  const { result, protocol, evidence, membership, change } = decided
  const assembly = leaving.assemble(result)
  if (!('entries' in assembly)) return
  for (const piece of evidence) learn(state, piece)
  const { forkIndex, entries } = assembly
  assert(forkIndex >= state.released, 'what was told is within the result')
  const records: StoreRecord[] = []
  if (state.shadow.lastIndex > forkIndex) records.push({ kind: 'truncate', from: (forkIndex + 1) as LogIndex })
  if (entries.length > 0) records.push({ kind: 'entries', entries })
  state.shadow.apply(records)
  for (const record of records) state.merger.record(record)
  const origin = { index: result.index, chain: result.hash, timestampMs: timestampAt(state, result.index) }
  const epoch = (state.start.epoch + 1) as Epoch
  const configuredAt = change === null ? state.start.configuredAt : result.index
  enter(state, { kind: 'switch', certificate }, { epoch, mode: protocol, origin, membership, configuredAt })
  state.broadcast({ type: 'hybridSwitch', certificate })
}

export function timestampAt(state: HybridState, index: LogIndex): Millis {
  const { base } = state.shadow
  const { origin } = state.start
  if (index === base.index) return base.timestampMs
  return state.shadow.entry(index)?.timestampMs ?? origin.timestampMs
}
