/**
 * What is worth a verification: nothing that changes nothing. Votes are verified up to the quorum, one
 * of each signer, within the window and the present view; what a contradiction could come from is still
 * looked at, and what was dropped unverified is remembered so that a contradiction to it is found.
 */

import { bytesEqual, toHex } from '../../../base/bytes.js'
import type { NodeId } from '../../types.js'
import { type Evidence, evidenceId } from '../evidence.js'
import { conflicts, type SignedStatement } from '../statement.js'
import type { CertificateMessage, Decided, NewView, PbftMessage, PrePrepare, ViewChange } from './messages.js'
import type { Phase, Slot } from './slots.js'
import type { PbftState } from './state.js'

type Interest = 'verify' | 'keep' | 'drop'

export function interestIn(state: PbftState, from: NodeId, message: PbftMessage): Interest {
  switch (message.type) {
    case 'pbftStatus':
    case 'pbftFetch':
    case 'pbftValue':
      return 'keep'
    case 'pbftPrePrepare':
      return isWorth(interestInProposal(state, from, message))
    case 'pbftVote':
      return isWorth(
        isOfSender(state, from, message.vote)
          ? interestInVote(state, message.vote)
          : isTestimony(state, from, message.vote),
      )
    case 'pbftCertificate':
      return isWorth(interestInCertificate(state, message))
    case 'pbftViewChange':
      return isWorth(isOfSender(state, from, message.vote) && interestInViewChange(state, message))
    case 'pbftNewView':
      return isWorth(interestInNewView(state, message))
    case 'pbftDecided':
      return isWorth(interestInDecided(state, message))
    case 'pbftOffer':
      return isWorth(isWantedSnapshot(state, message.snapshot.base.index))
    case 'pbftEvidence':
      return isWorth(interestInEvidence(state, message.evidence))
  }
}

/** What continues the own log, or can take the place of a state that is wrong; another epoch's signers are not known any more. */
function isWantedSnapshot({ log, context, diverged }: PbftState, index: number): boolean {
  return index > log.lastIndex || (diverged && index >= context.origin.index && index >= log.base.index)
}

const isWorth = (worth: boolean): Interest => (worth ? 'verify' : 'drop')

/** A vote counts for its signer only when its signer sent it. */
function isOfSender(state: PbftState, from: NodeId, vote: SignedStatement): boolean {
  return vote.signer === from && state.context.replicas.has(from) && vote.epoch === state.context.epoch
}

/** What somebody else signed is of interest where it contradicts what this replica was told: it proves a lie, and counts for nothing. */
export function isTestimony(state: PbftState, from: NodeId, vote: SignedStatement): boolean {
  const { replicas, epoch } = state.context
  return replicas.has(from) && replicas.has(vote.signer) && vote.epoch === epoch && contradicts(state, vote)
}

function interestInProposal(state: PbftState, from: NodeId, { vote }: PrePrepare): boolean {
  if (!isOfSender(state, from, vote) || vote.view !== state.view || from !== state.primary) return false
  if (contradicts(state, vote)) return true
  if (!state.active) return false
  const index = state.context.indexOf(vote.sequence)
  if (!state.isOpen(index) || index <= state.orderedUpTo) return false
  const slot = state.slots.get(index)
  return slot === undefined || (slot.accepted === null && slot.held === null)
}

function interestInVote(state: PbftState, vote: SignedStatement): boolean {
  if (vote.type === 'checkpoint') {
    if (vote.sequence <= state.stableIndex) return false
    return contradicts(state, vote) || state.statements.before(vote.signer, vote) === undefined
  }
  const phase = vote.type === 'commit' ? 'commit' : 'prepare'
  const index = state.context.indexOf(vote.sequence)
  if (index > state.windowEnd || index <= state.stableIndex || vote.view !== state.view) return false
  if (contradicts(state, vote)) return true
  const slot = state.slots.get(index)
  const isEnough =
    index <= state.log.lastIndex ||
    (slot !== undefined && (phase === 'commit' ? slot.decided !== null : slot.isPreparedIn(state.view)))
  if (slot?.votes[phase].has(vote.signer) === true) return false
  if (!isEnough || isOfAnotherValue(slot, phase, vote)) return true
  state.unverified.note(vote)
  return false
}

/** Its signer was told something else than this replica: whoever told both lied, and they can show each other. */
function isOfAnotherValue(slot: Slot | undefined, phase: Phase, vote: SignedStatement): boolean {
  const accepted = slot?.accepted ?? null
  return phase === 'prepare' && accepted !== null && !bytesEqual(accepted, vote.digest)
}

/** A digest that differs from what this signer is remembered to have said of the same slot, verified or not. */
function contradicts(state: PbftState, vote: SignedStatement): boolean {
  for (const book of [state.statements, state.unverified]) {
    const before = book.before(vote.signer, vote)
    if (before !== undefined && conflicts(before, vote)) return !isWellProven(state, vote.signer)
  }
  return false
}

function interestInEvidence(state: PbftState, evidence: Evidence): boolean {
  if (isWellProven(state, evidence.culprit)) return false
  return !state.evidence.has(toHex(evidenceId(state.modules.sha256, evidence)))
}

/** More evidence against a culprit tells nothing new. */
function isWellProven(state: PbftState, signer: NodeId): boolean {
  let count = 0
  for (const { evidence } of state.evidence.values()) if (evidence.culprit === signer) count++
  return count >= state.options.limits.evidencePerCulpritMax
}

function interestInCertificate(state: PbftState, { certificate }: CertificateMessage): boolean {
  const { statement } = certificate
  const { ending } = state
  if (statement.epoch !== state.context.epoch) return false
  if (statement.type === 'checkpoint')
    return statement.sequence > state.stableIndex || (ending !== null && ending.index === statement.sequence)
  if (statement.type !== 'commit') return false
  const index = state.context.indexOf(statement.sequence)
  return index > state.log.lastIndex && index <= state.windowEnd && state.slots.get(index)?.decided == null
}

function interestInViewChange(state: PbftState, { vote }: ViewChange): boolean {
  if (contradicts(state, vote)) return true
  if (vote.view < state.view || (vote.view === state.view && state.active)) return false
  const before = state.viewChanges.get(vote.signer)
  return before === undefined || before.vote.view < vote.view
}

function interestInNewView(state: PbftState, { vote }: NewView): boolean {
  if (vote.epoch !== state.context.epoch) return false
  if (contradicts(state, vote)) return true
  return vote.view > state.view || (vote.view === state.view && !state.active)
}

function interestInDecided(state: PbftState, { entries }: Decided): boolean {
  const first = entries[0]
  const last = entries.at(-1)
  if (first === undefined || last === undefined) return false
  return first.index <= state.log.lastIndex + 1 && last.index > state.log.lastIndex
}
