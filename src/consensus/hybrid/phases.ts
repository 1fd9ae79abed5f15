/** What runs in an epoch, made at the start and at every change: Raft, a way out of it, or a Byzantine core. */
import { assert } from '../../base/assert.js'
import type { Core, RestoredLog } from '../core.js'
import type { NodeId } from '../types.js'
import { decodeEpochRecord, decodeLeaving, type LeavingRecord } from './epoch-record.js'
import { HandOverInstance } from './hand-over.js'
import { HardenedRaft } from './hardened/raft.js'
import { decodeStanding } from './hardened/standing.js'
import { byzantineCore, endingOf, raftEpoch } from './inner.js'
import { Leaving } from './leaving.js'
import type { HybridState, Phase } from './state.js'
import { watch } from './suspicion.js'

export function restore(state: HybridState, safety: Uint8Array): void {
  const { start, switches, ended, evidence, inner } = decodeEpochRecord(safety)
  state.start = start
  state.switches = [...switches]
  state.ended = ended
  state.evidence = [...evidence]
  state.inner = inner
  for (const { culprit } of evidence) state.threat.noteEvidence(culprit)
}

export function resume(state: HybridState, restored: RestoredLog): Phase {
  const { epoch, mode } = state.start
  if (mode !== 'raft') return { kind: 'byzantine', core: makeByzantine(state, { ...restored, safety: state.inner }) }
  const left = restored.aborts.find((record) => record.epoch === epoch)
  if (left === undefined) return { kind: 'raft', raft: makeHardened(state, restored) }
  return makeLeaving(state, decodeLeaving(left.payload))
}

export function makeHardened(state: HybridState, restored: RestoredLog): HardenedRaft {
  const { self, settings, raftLimits } = state.options
  const { sign, random } = state.modules
  const epoch = raftEpoch(state.options, state.modules, state.start)
  const { membership } = state.start
  const isSmall = epoch.replicas.quorum === epoch.replicas.count - 1
  return new HardenedRaft(
    { self, epoch, membership, settings, limits: raftLimits },
    {
      sign,
      random,
      restored,
      stored: state.inner === null ? null : decodeStanding(state.inner),
      isAborted: false,
      now: state.now,
      shadow: state.shadow,
      assurance: () => (isSmall && state.reported.level === 'none' ? 'fast' : 'certified'),
      onStatement: (statement) => watch(state, statement),
      onUnsound: (from) => state.threat.noteTampering(from, state.now.monotonicMs),
    },
  )
}

export function makeByzantine(state: HybridState, restored: RestoredLog): Core {
  const certificate = state.switches.at(-1)
  assert(certificate !== undefined && state.ended !== null, 'a Byzantine epoch follows a switch')
  const switched = { ended: state.ended, certificate }
  return byzantineCore(state.options, state.modules, state.start, switched, restored, state.now)
}

export function makeLeaving(state: HybridState, { history, safety, slots, fetched }: LeavingRecord): Phase {
  const ending = endingOf(state.options, state.modules, state.start)
  const leaving = new Leaving(ending, state.shadow, state.released, fetched)
  const distrusts = (id: NodeId): boolean => state.evidence.some(({ culprit }) => culprit === id)
  const stored = { safety, slots }
  const instance = new HandOverInstance(ending, state.options, state.modules, stored, distrusts, state.now)
  leaving.note(history)
  return { kind: 'leaving', leaving, instance, history, held: new Map(), decided: null }
}
