/**
 * The life of a case: its states, their codes in records and operations, and the table of legal
 * transitions. Everything that is not in the table, a self-transition too, is illegal.
 */
import type { CaseState } from './operations.js'

/** A state's code is its place here. */
export const CASE_STATES: readonly CaseState[] = ['created', 'running', 'suspended', 'completed', 'failed', 'cancelled']

const TRANSITIONS: Readonly<Record<CaseState, readonly CaseState[]>> = {
  created: ['running', 'cancelled'],
  running: ['suspended', 'completed', 'failed', 'cancelled'],
  suspended: ['running', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
}

export function isLegalTransition(from: CaseState, to: CaseState): boolean {
  return TRANSITIONS[from].includes(to)
}

/** A final state has no way out. */
export function isFinal(state: CaseState): boolean {
  return TRANSITIONS[state].length === 0
}

export function caseStateCode(state: CaseState): number {
  return CASE_STATES.indexOf(state)
}

/** Undefined for a code that names no state. */
export function caseStateOf(code: number): CaseState | undefined {
  return CASE_STATES[code]
}

export function isCaseState(text: string): text is CaseState {
  return (CASE_STATES as readonly string[]).includes(text)
}
