/**
 * The normal case (Castro and Liskov, section 4.2): the primary gives a value a slot, everybody prepares
 * what it accepts, commits what a quorum prepared, and decides what a quorum committed. Everything a
 * replica says is in the write that its message waits for.
 */
import { assert } from '../../../base/assert.js'
import { bytesEqual } from '../../../base/bytes.js'
import type { LogIndex } from '../../types.js'
import { makeCertificate } from '../certificate.js'
import type { SignedStatement } from '../statement.js'
import { noteStatement } from './accusations.js'
import { executeReady } from './decisions.js'
import type { PrePrepare, Value } from './messages.js'
import { proposalProblem } from './proposal-rules.js'
import type { Phase, Slot } from './slots.js'
import type { PbftState } from './state.js'
import { digestOf } from './value.js'

/** The primary proposes `value` in the next free slot. */
export function propose(state: PbftState, value: Value): LogIndex {
  const index = nextIndex(state)
  assert(state.isPrimary && state.isOpen(index), 'a primary proposes within its window')
  const slot = state.slots.open(index)
  const sequence = state.sequenceOf(index)
  const digest = digestOf(state.modules.sha256, state.context, sequence, value)
  const vote = state.rules.vote('prepare', sequence, digest)
  const message: PrePrepare = { type: 'pbftPrePrepare', vote, value }
  state.proposedUpTo = index
  slot.addValue(digest, value)
  accept(state, slot, digest)
  slot.votes.prepare.set(state.self, vote)
  state.storeSlot(index, message)
  state.broadcast(message)
  advance(state, slot)
  return index
}

/** Where the primary's next proposal goes. */
export function nextIndex(state: PbftState): LogIndex {
  const { log, orderedUpTo, proposedUpTo, stableIndex } = state
  return (Math.max(log.lastIndex, orderedUpTo, proposedUpTo, stableIndex) + 1) as LogIndex
}

/** A proposal of the present primary, verified. */
export function receivePrePrepare(state: PbftState, message: PrePrepare): void {
  const { vote } = message
  noteStatement(state, vote, message)
  if (!state.active || vote.view !== state.view) return
  const index = state.context.indexOf(vote.sequence)
  if (!state.isOpen(index) || index <= state.orderedUpTo) return
  const slot = state.slots.open(index)
  slot.sinceMs ??= state.now.monotonicMs
  if (!slot.votes.prepare.has(vote.signer)) slot.votes.prepare.set(vote.signer, vote)
  if (slot.accepted === null && state.rules.maySign && !state.diverged) consider(state, slot, message)
}

/** Votes for a proposal, or keeps it until it can: what comes before it may be a message away. */
function consider(state: PbftState, slot: Slot, message: PrePrepare): void {
  const { vote, value } = message
  slot.held = message
  if (proposalProblem(state, slot.index, value) !== null) return
  slot.held = null
  slot.addValue(vote.digest, value)
  state.storeSlot(slot.index, message)
  accept(state, slot, vote.digest)
  prepare(state, slot, vote.digest)
}

/** Looks again at the proposals that could not be voted for. */
export function reconsider(state: PbftState): void {
  if (!state.active || !state.rules.maySign || state.diverged) return
  for (const slot of state.slots.above(state.log.lastIndex)) {
    if (slot.held !== null && slot.accepted === null && state.isOpen(slot.index)) consider(state, slot, slot.held)
  }
}

/** The new view gives this slot the value with this digest: from here on it is voted on like any other. */
export function acceptOrdered(state: PbftState, index: LogIndex, digest: Uint8Array): void {
  if (!state.isOpen(index)) return
  const slot = state.slots.open(index)
  if (bytesEqual(digest, digestOf(state.modules.sha256, state.context, state.sequenceOf(index), state.nullValue)))
    slot.addValue(digest, state.nullValue)
  slot.sinceMs ??= state.now.monotonicMs
  if (slot.value(digest) === undefined) {
    slot.wanted = digest
    return
  }
  accept(state, slot, digest)
  if (state.rules.maySign && !state.diverged) prepare(state, slot, digest)
}

/** The missing value of a slot is here. */
export function supplyValue(state: PbftState, slot: Slot, digest: Uint8Array, value: Value): void {
  if (!slot.addValue(digest, value)) return
  const sequence = state.sequenceOf(slot.index)
  state.storeSlot(slot.index, { type: 'pbftValue', epoch: state.context.epoch, sequence, value })
  if (slot.wanted !== null && bytesEqual(slot.wanted, digest)) {
    slot.wanted = null
    if (state.active && slot.decided === null) acceptOrdered(state, slot.index, digest)
  }
  executeReady(state)
}

function accept(state: PbftState, slot: Slot, digest: Uint8Array): void {
  slot.accept(digest, state.options.limits.valuesPerSlotMax)
  slot.sinceMs ??= state.now.monotonicMs
}

function prepare(state: PbftState, slot: Slot, digest: Uint8Array): void {
  say(state, slot, 'prepare', digest)
  advance(state, slot)
}

function say(state: PbftState, slot: Slot, phase: Phase, digest: Uint8Array): void {
  const vote = state.rules.vote(phase, state.sequenceOf(slot.index), digest)
  slot.votes[phase].set(state.self, vote)
  state.storeSlot(slot.index, { type: 'pbftVote', vote })
  state.broadcast({ type: 'pbftVote', vote })
}

/** A PREPARE or COMMIT, verified; of each signer the first counts. */
export function receiveVote(state: PbftState, vote: SignedStatement, phase: Phase): void {
  if (vote.view !== state.view) return
  const index = state.context.indexOf(vote.sequence)
  if (!state.isOpen(index)) return
  const slot = state.slots.open(index)
  if (slot.votes[phase].has(vote.signer)) return
  slot.votes[phase].set(vote.signer, vote)
  testify(state, slot, vote)
  advance(state, slot)
}

/**
 * Somebody prepares another value than this replica was given: shows it what the primary signed here, so
 * that a primary that told each its own is convicted by both. Once per slot and signer.
 */
function testify(state: PbftState, slot: Slot, vote: SignedStatement): void {
  const own = slot.votes.prepare.get(state.primary)
  if (vote.type !== 'prepare' || own === undefined || vote.signer === state.primary) return
  if (!bytesEqual(own.digest, vote.digest)) state.send(vote.signer, { type: 'pbftVote', vote: own })
}

/** Takes a slot as far as its votes carry it. */
export function advance(state: PbftState, slot: Slot): void {
  const { replicas } = state.context
  const { accepted } = slot
  if (accepted !== null && state.active && !slot.isPreparedIn(state.view)) {
    const prepares = slot.votesFor('prepare', accepted)
    if (prepares.length >= replicas.quorum) {
      const certificate = makeCertificate(replicas, prepares[0] as SignedStatement, prepares)
      slot.raise(certificate)
      state.verified.add(certificate)
      state.storeSlot(slot.index, { type: 'pbftCertificate', certificate })
      if (state.rules.maySign && !state.diverged) say(state, slot, 'commit', accepted)
    }
  }
  if (slot.decided !== null) return
  for (const vote of slot.votes.commit.values()) {
    const commits = slot.votesFor('commit', vote.digest)
    if (commits.length < replicas.quorum) continue
    slot.decided = makeCertificate(replicas, vote, commits)
    state.verified.add(slot.decided)
    executeReady(state)
    return
  }
}
