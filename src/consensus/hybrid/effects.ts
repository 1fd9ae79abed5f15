/** Steps the core of the epoch and takes what it wants done: writes become one, safety records stand within the hybrid's. */
import { assert } from '../../base/assert.js'
import { ByteWriter } from '../../base/bytes.js'
import { decodeEvidence } from '../bft/evidence.js'
import type { Core, Effect, Input, StoreRecord } from '../core.js'
import type { HardenedRaft } from './hardened/raft.js'
import { repeat } from './helping.js'
import type { Position } from './positions.js'
import { type HybridState, isSigned } from './state.js'

/** Steps the core of the epoch. */
export function inside(state: HybridState, input: Input): void {
  const phase = state.phase
  if (phase.kind === 'raft') {
    takeRaft(state, phase.raft, phase.raft.step(input, state.now))
    if (input.type === 'tick' && state.panics.has(state.options.self)) repeat(state)
  } else if (phase.kind === 'byzantine') takeByzantine(state, phase.core, phase.core.step(input, state.now))
}

export function takeRaft(state: HybridState, raft: HardenedRaft, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type === 'store') state.merger.store(state.raftWriter, effect, (record) => [record])
    else if (effect.type === 'send') state.merger.send(state.raftWriter, effect, isSigned(effect.message))
    else state.pass(effect)
  }
  if (!raft.takeChange()) return
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

export function takeByzantine(state: HybridState, core: Core, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type === 'store') {
      state.shadow.apply(effect.records)
      state.merger.store(state.byzantineWriter, effect, (record) => [wrapped(state, record)])
    } else if (effect.type === 'send') state.merger.send(state.byzantineWriter, effect, false)
    else if (effect.type === 'evidence') {
      state.threat.noteEvidence(decodeEvidence(effect.evidence).culprit)
      state.merger.emit(effect)
    } else if (effect.type === 'restoreState') {
      const after = state.merger.idOf(state.byzantineWriter, effect.after) ?? effect.after
      state.merger.emit({ ...effect, after })
    } else state.pass(effect)
  }
  assert(core.status().epoch >= state.start.epoch, 'epochs only grow')
}

/** The core's safety record stands within the hybrid's. */
export function wrapped(state: HybridState, record: StoreRecord): StoreRecord {
  if (record.kind !== 'safety') return record
  state.inner = record.safety
  return { kind: 'safety', safety: state.encoded() }
}
