/**
 * The start of a replica: from its safety record, its log and its slot records, in that order. What it
 * signed it knows again and repeats; what it did not store it never said.
 */

import { toHex } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import type { LogIndex } from '../../types.js'
import { EpochContext, type EpochPorts } from '../epoch.js'
import { evidenceId } from '../evidence.js'
import { endsEpoch } from '../mode-change.js'
import type { SignedStatement } from '../statement.js'
import { decodePbft } from './codec.js'
import { checkOptions, type PbftModules, type PbftOptions } from './config.js'
import { endingBy, isCheckpoint } from './decisions.js'
import type { PbftMessage } from './messages.js'
import { decodeSafety, freshRecord, type SafetyRecord } from './safety-record.js'
import { SafetyRules } from './safety-rules.js'
import type { Slot } from './slots.js'
import { PbftState } from './state.js'
import { digestOf } from './value.js'
import { beginView } from './view-change.js'

/** Throws `ProtocolViolation` where what is stored is not PBFT's, `Bug` where it contradicts itself. */
export function restoreState(options: PbftOptions, modules: PbftModules): PbftState {
  checkOptions(options)
  const { restored } = modules
  const { clusterId, clusterConfigHash } = options
  const ports: EpochPorts = { sha256: modules.sha256, clusterId, clusterConfigHash }
  const start = restored.safety === null ? freshStart(ports, options) : decodeSafety(ports, restored.safety)
  // Without its safety record a replica that took part before does not know what it signed.
  const isFirst = restored.safety === null && options.knowsItsPast !== true
  const hasForgotten = isFirst && restored.lastIndex > options.origin.index
  const { context, view, active } = start
  const silent = !restored.mayVote || hasForgotten || start.silent
  const rules = new SafetyRules(options.self, modules.sign, { context, view, active, silent })
  const own = [...start.ownCheckpoints, start.ownViewChange?.vote, ownNewViewVote(start, options)]
  for (const signed of own) if (signed !== undefined) rules.remember(signed)
  const state = new PbftState(options, modules, start, rules)
  rules.decided(context.sequenceOf(restored.lastIndex))
  if (start.ownViewChange !== null) state.viewChanges.set(state.self, start.ownViewChange)
  for (const evidence of start.evidence) {
    const known = { evidence, sinceMs: modules.now.monotonicMs, ordered: false, proposedIn: null }
    state.evidence.set(toHex(evidenceId(modules.sha256, evidence)), known)
  }
  beginView(state)
  restoreTail(state)
  restoreSlots(state)
  return state
}

function freshStart(ports: EpochPorts, { epoch, origin, membership, configuredAt }: PbftOptions): SafetyRecord {
  // The members of the beginning stand in no entry, also where the log begins behind a restored state.
  const index = configuredAt ?? (0 as LogIndex)
  return freshRecord(new EpochContext(ports, epoch, origin, { index, membership }))
}

function ownNewViewVote({ newView }: SafetyRecord, { self }: PbftOptions): SignedStatement | undefined {
  return newView !== null && newView.vote.signer === self ? newView.vote : undefined
}

/** Checkpoints that are still to be signed, and the end of the epoch that waits for its checkpoint. */
function restoreTail(state: PbftState): void {
  const { log, context, stableIndex } = state
  const { stable } = state.checkpoints
  if (stable !== null) state.certified.set(stable.statement.sequence, stable)
  for (const { sequence } of state.rules.ownCheckpoints()) state.checkpoints.note(ownCheckpoint(state, sequence))
  for (let index = log.tailFirst; index <= log.lastIndex; index++) {
    const entry = log.entry(index)
    if (entry === undefined || !isCheckpoint(state, entry)) continue
    if (index > stableIndex) state.chains.set(index, entry.chain)
    if (!endsEpoch(entry) || entry.epoch !== context.epoch) continue
    state.ending = endingBy(state, entry)
    state.epochDue = state.certified.get(entry.index) ?? null
  }
}

function ownCheckpoint(state: PbftState, sequence: number): SignedStatement {
  return state.rules.ownCheckpoints().find((signed) => signed.sequence === sequence) as SignedStatement
}

function restoreSlots(state: PbftState): void {
  for (const { kind, index, payload } of state.modules.restored.pending) {
    if (kind === 'slot' && index > state.log.lastIndex) restoreMessage(state, index, decodePbft(payload.slice()))
  }
  state.proposedUpTo = 0 as LogIndex
  for (const slot of state.slots.all()) restoreAgreement(state, slot)
}

function restoreMessage(state: PbftState, index: LogIndex, message: PbftMessage): void {
  const { context, modules, view } = state
  const slot = state.slots.open(index)
  switch (message.type) {
    case 'pbftPrePrepare':
      if (message.vote.epoch !== context.epoch) return
      slot.addValue(message.vote.digest, message.value)
      return restoreVote(state, slot, message.vote)
    case 'pbftVote':
      return restoreVote(state, slot, message.vote)
    case 'pbftCertificate': {
      const { certificate } = message
      if (certificate.statement.epoch !== context.epoch) return
      state.verified.add(certificate)
      slot.raise(certificate)
      if (certificate.statement.type === 'commit') slot.decided = certificate
      return
    }
    case 'pbftValue': {
      if (message.epoch !== context.epoch) return
      slot.addValue(digestOf(modules.sha256, context, message.sequence, message.value), message.value)
      return
    }
    default:
      throw new KnhkError('ProtocolViolation', `a slot record of view ${view} holds a ${message.type}`)
  }
}

function restoreVote(state: PbftState, slot: Slot, vote: SignedStatement): void {
  if (vote.epoch !== state.context.epoch) return
  if (vote.signer === state.self) state.rules.remember(vote)
  if (vote.view !== state.view || (vote.type !== 'prepare' && vote.type !== 'commit')) return
  slot.votes[vote.type].set(vote.signer, vote)
}

/** What this replica stood for in the present view it stands for again. */
function restoreAgreement(state: PbftState, slot: Slot): void {
  const own = slot.votes.prepare.get(state.self)
  const { sha256 } = state.modules
  const nullDigest = digestOf(sha256, state.context, state.sequenceOf(slot.index), state.nullValue)
  slot.addValue(nullDigest, state.nullValue)
  slot.sinceMs = state.now.monotonicMs
  if (!state.active) return
  if (own !== undefined) slot.accepted = own.digest
  if (state.primary === state.self && own !== undefined && slot.index > state.proposedUpTo)
    state.proposedUpTo = slot.index
}
