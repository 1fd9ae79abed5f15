/**
 * Proposals that no driver has to ask for: INIT, a change of members, evidence, another protocol. And what
 * the driver may propose, and when.
 */
import type { Input } from '../../core.js'
import { encodeBody } from '../../request-body.js'
import type { Term } from '../../types.js'
import { encodeEvidence } from '../evidence.js'
import { waitingEvidence } from './accusations.js'
import { nextIndex, propose } from './normal-case.js'
import { hasOpenChange } from './proposal-rules.js'
import { freshValue, ownInit } from './reconfigure.js'
import type { PbftState } from './state.js'

type Propose = Extract<Input, { type: 'propose' }>

/** True when a batch of the driver would be taken now. */
export function mayPropose(state: PbftState): boolean {
  return state.initDone && state.change === null && !isModeDue(state) && hasRoom(state)
}

function hasRoom(state: PbftState): boolean {
  if (!state.isPrimary) return false
  const index = nextIndex(state)
  if (!state.isOpen(index) || hasOpenChange(state, index)) return false
  return index - state.log.lastIndex <= state.options.limits.slotsInFlightMax
}

export function handlePropose(state: PbftState, { proposalId, kind, body, batchDigest }: Propose): void {
  if (!mayPropose(state)) {
    const leader = state.active ? state.primary : null
    const code = state.isPrimary ? 'ResourceExhausted' : leader === null ? 'NoLeader' : 'NotLeader'
    state.emit({ type: 'refused', proposalId, code, leader })
    return
  }
  const index = propose(state, { timestampMs: Math.floor(state.now.wallMs), kind, batchDigest, body })
  state.emit({ type: 'proposed', proposalId, index, term: 0 as Term })
}

/** Proposes what the primary itself has to propose. True when it did. */
export function proposeOwn(state: PbftState): boolean {
  if (!state.isPrimary) return false
  if (!state.initDone) return proposeInit(state)
  if (!hasRoom(state)) return false
  if (state.change !== null) return proposeChange(state)
  const waiting = waitingEvidence(state)
  if (waiting === undefined || waiting.proposedIn === state.view) return proposeMode(state)
  waiting.proposedIn = state.view
  propose(state, freshValue(state, 'evidence', encodeBody([encodeEvidence(waiting.evidence)])))
  return true
}

function isModeDue({ options }: PbftState): boolean {
  return options.modeRules !== undefined && options.modeRules.due !== null
}

/** Alone, and judged by everything before it, which is to be executed. */
function proposeMode(state: PbftState): boolean {
  const due = state.options.modeRules?.due ?? null
  const { lastIndex } = state.log
  if (due === null || nextIndex(state) !== lastIndex + 1 || state.executedIndex < lastIndex) return false
  propose(state, freshValue(state, 'mode', due))
  return true
}

function proposeInit(state: PbftState): boolean {
  if (nextIndex(state) !== state.context.initIndex) return false
  const value = ownInit(state)
  if (value === null) return false
  propose(state, value)
  return true
}

/** Alone: everything before it is decided, and nothing follows before it is. */
function proposeChange(state: PbftState): boolean {
  const { change } = state
  if (change === null || nextIndex(state) !== state.log.lastIndex + 1) return false
  state.change = null
  const index = propose(state, freshValue(state, 'membership', change.body))
  state.emit({ type: 'ordered', orderId: change.orderId, index })
  return true
}
