/** What runs in an epoch, made at the start and at every change: Raft, a way out of it, or a Byzantine core. */
import { assert } from '../../base/assert.js'
import type { WedgedCore } from '../bft/mode-change.js'
import { SignedSnapshots } from '../bft/signed-snapshots.js'
import type { RestoredLog } from '../core.js'
import type { NodeId } from '../types.js'
import { byzantineRules } from './back/mode-rules.js'
import { type EpochLink, epochEndedBy } from './epoch-links.js'
import { decodeEpochRecord, decodeLeaving, type LeavingRecord } from './epoch-record.js'
import { HandOverInstance } from './hand-over.js'
import { HardenedRaft } from './hardened/raft.js'
import { decodeStanding } from './hardened/standing.js'
import { byzantineCore, endingOf, raftEpoch } from './inner.js'
import { Leaving } from './leaving.js'
import type { HybridState, Phase } from './state.js'
import { accuse, watch } from './suspicion.js'

export function restore(state: HybridState, safety: Uint8Array): void {
  const { start, stay, links, ended, snapshot, evidence, inner } = decodeEpochRecord(safety)
  state.start = start
  state.stay = stay
  state.links = withOlder(state.modules.links ?? [], links)
  state.configurationTold = start.configuredAt
  state.snapshots = new SignedSnapshots(snapshot)
  state.ended = ended
  state.evidence = [...evidence]
  state.inner = inner
  for (const { culprit } of evidence) state.threat.noteEvidence(culprit)
}

/** What the driver kept of the time before the record, as far as it leads up to it. */
function withOlder(known: readonly EpochLink[], links: readonly EpochLink[]): EpochLink[] {
  const all = [...links]
  for (let before = all[0]; before !== undefined; before = all[0]) {
    const wanted = epochEndedBy(before) - 1
    const older = known.find((link) => epochEndedBy(link) === wanted)
    if (older === undefined) break
    all.unshift(older)
  }
  return all
}

export function resume(state: HybridState, restored: RestoredLog): Phase {
  const { epoch, mode } = state.start
  if (mode !== 'raft') return { kind: 'byzantine', core: makeByzantine(state, { ...restored, safety: state.inner }) }
  const left = restored.aborts.find((record) => record.epoch === epoch)
  if (left === undefined) return { kind: 'raft', raft: makeHardened(state, restored) }
  const record = decodeLeaving(left.payload)
  const phase = makeLeaving(state, record)
  for (const history of record.reasons.histories) phase.leaving.note(history)
  return phase
}

export function makeHardened(state: HybridState, restored: RestoredLog): HardenedRaft {
  const { self, settings, raftLimits } = state.options
  const { sign, random, mayChangeMembers } = state.modules
  const epoch = raftEpoch(state.options, state.modules, state.start)
  const { membership } = state.options
  const { configuredAt, origin } = state.start
  const record = { index: configuredAt, membership: state.start.membership }
  const { snapshots } = state
  // What a log holds of a change of members in this epoch is in force in the next one.
  const memberships = restored.memberships.filter(({ index }) => index <= origin.index)
  const snapshot = snapshots.newest?.snapshot ?? restored.snapshot
  const isSmall = epoch.replicas.quorum === epoch.replicas.count - 1
  return new HardenedRaft(
    { self, epoch, membership, record, settings, limits: raftLimits },
    {
      sign,
      random,
      mayChangeMembers,
      restored: { ...restored, memberships, snapshot },
      snapshots,
      stored: state.inner === null ? null : decodeStanding(state.inner),
      isAborted: false,
      now: state.now,
      shadow: state.shadow,
      assurance: () => (isSmall && state.reported.level === 'none' ? 'fast' : 'certified'),
      onStatement: (statement) => watch(state, statement),
      onEvidence: (evidence) => accuse(state, evidence),
      onUnsound: (from) => state.threat.noteTampering(from, state.now.monotonicMs),
    },
  )
}

/** What runs in an epoch that has begun. */
export function makePhase(state: HybridState, restored: RestoredLog): Phase {
  if (state.start.mode !== 'raft') return { kind: 'byzantine', core: makeByzantine(state, restored) }
  return { kind: 'raft', raft: makeHardened(state, restored) }
}

export function makeByzantine(state: HybridState, restored: RestoredLog): WedgedCore {
  const { ended, links, options, modules, start, now } = state
  const link = links.find((known) => epochEndedBy(known) === ended?.epoch)
  assert(ended !== null && link !== undefined, 'a Byzantine epoch follows another one')
  return byzantineCore(options, modules, start, { ended, link }, byzantineRules(state), restored, now)
}

export function makeLeaving(
  state: HybridState,
  { history, safety, slots, fetched, reasons }: LeavingRecord,
): Extract<Phase, { kind: 'leaving' }> {
  const ending = endingOf(state.options, state.modules, state.start)
  const leaving = new Leaving(ending, state.shadow, state.released, fetched)
  const distrusts = (id: NodeId): boolean => state.evidence.some(({ culprit }) => culprit === id)
  const stored = { safety, slots, mayVote: state.mayVote && state.forgotten === null }
  const instance = new HandOverInstance(ending, state.options, state.modules, stored, distrusts, state.now)
  leaving.note(history)
  return { kind: 'leaving', leaving, instance, history, reasons, held: new Map(), decided: null }
}
