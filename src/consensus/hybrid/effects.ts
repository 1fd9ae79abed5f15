/** Steps the core of the epoch and takes what it wants done: writes become one, safety records stand within the hybrid's. */
import { ByteWriter } from '../../base/bytes.js'
import { decodeCertificate } from '../bft/certificate.js'
import { decodeEvidence } from '../bft/evidence.js'
import type { Effect, Input, StoreRecord } from '../core.js'
import { forEachRequest } from '../request-body.js'
import type { LogIndex } from '../types.js'
import type { HardenedRaft } from './hardened/raft.js'
import { repeat } from './helping.js'
import type { Position } from './positions.js'
import { type HybridState, isSigned } from './state.js'
import type { Writer } from './write-merger.js'

/** Steps the core of the epoch. */
export function inside(state: HybridState, input: Input): void {
  const phase = state.phase
  if (phase.kind === 'raft') {
    takeRaft(state, phase.raft, phase.raft.step(input, state.now))
    if (input.type === 'tick' && state.panics.has(state.options.self)) repeat(state)
  } else if (phase.kind === 'byzantine') {
    const effects = phase.core.step(input, state.now)
    takeByzantine(state, effects)
    noteSigned(state, input, effects)
  }
}

/** The newest signed snapshot of a Byzantine epoch: what can be given to who is epochs behind. */
function noteSigned(state: HybridState, input: Input, effects: readonly Effect[]): void {
  let hasChanged = input.type === 'snapshotTaken' && state.snapshots.taken(input.snapshot)
  for (const effect of effects) {
    if (effect.type !== 'checkpointStable') continue
    const isNewest = state.snapshots.certified(decodeCertificate(effect.certificate), effect.proof ?? null)
    hasChanged ||= isNewest
  }
  if (hasChanged) state.storeEpoch()
}

export function takeRaft(state: HybridState, raft: HardenedRaft, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type === 'store') state.merger.store(state.raftWriter, effect, (record) => [record])
    else if (effect.type === 'send') state.merger.send(state.raftWriter, effect, isSigned(effect.message))
    else if (effect.type === 'restoreState') restoreState(state, state.raftWriter, effect)
    else state.pass(effect)
  }
  if (!raft.takeChange(state.merger.hasRecords, state.now.monotonicMs)) return
  const out = new ByteWriter(1024)
  raft.writeTo(out)
  state.inner = out.finish()
  state.storeEpoch()
  const certified = raft.lastCertificate
  state.merger.whenDurable(() => standingDurable(state, raft, certified))
}

export function standingDurable(state: HybridState, raft: HardenedRaft, certified: Position): void {
  const phase = state.phase
  if (phase.kind === 'raft' && phase.raft === raft) takeRaft(state, raft, raft.standingDurable(certified))
}

export function takeByzantine(state: HybridState, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type === 'store') {
      state.shadow.apply(effect.records)
      for (const record of effect.records) noteOrdered(state, record)
      state.merger.store(state.byzantineWriter, effect, (record) => [wrapped(state, record)])
    } else if (effect.type === 'send') state.merger.send(state.byzantineWriter, effect, false)
    else if (effect.type === 'evidence') {
      state.remember(decodeEvidence(effect.evidence))
      state.merger.emit(effect)
    } else if (effect.type === 'restoreState') restoreState(state, state.byzantineWriter, effect)
    else state.pass(effect)
  }
}

type RestoreState = Extract<Effect, { type: 'restoreState' }>

/** What was told is that of the snapshot from here on. */
function restoreState(state: HybridState, writer: Writer, effect: RestoreState): void {
  state.released = Math.max(state.released, effect.snapshot.base.index) as LogIndex
  const after = state.merger.idOf(writer, effect.after) ?? effect.after
  state.merger.emit({ ...effect, after })
}

/** Evidence that is decided is known before it is executed. */
function noteOrdered(state: HybridState, record: StoreRecord): void {
  if (record.kind !== 'entries') return
  for (const { kind, body } of record.entries) {
    if (kind !== 'evidence') continue
    forEachRequest(body, (start, end) => state.remember(decodeEvidence(body.subarray(start, end))))
  }
}

/** The core's safety record stands within the hybrid's. */
export function wrapped(state: HybridState, record: StoreRecord): StoreRecord {
  if (record.kind !== 'safety') return record
  state.inner = record.safety
  return { kind: 'safety', safety: state.encoded() }
}
