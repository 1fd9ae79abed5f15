/**
 * Which protocol follows a Raft epoch. After a change of members it is Raft again, unless something speaks
 * against it: then, and after everything else that ends an epoch, a Byzantine protocol. Whoever proposes
 * decides; the others vote for no Raft that they know a reason against.
 */
import type { Evidence } from '../bft/evidence.js'
import type { Entry } from '../entry.js'
import type { Mode } from '../types.js'
import type { Assembly, Leaving } from './leaving.js'
import type { HybridState } from './state.js'
import type { HandOverResult } from './switch-certificate.js'
import { isAtLeast } from './threat-model.js'

export function currentEvidence({ evidence, start }: HybridState): Evidence[] {
  return evidence.filter(({ epoch }) => epoch === start.epoch)
}

/** What this node would propose. */
export function nextProtocol(state: HybridState, change: Entry | null): Mode {
  const isChanging = change !== null || state.shadow.changeIn(state.start.epoch) !== undefined
  return isChanging && mayStay(state) ? 'raft' : (state.ordered ?? state.options.bft)
}

/** Nothing that this node knows speaks against another epoch of Raft. */
export function mayStay(state: HybridState): boolean {
  return state.ordered === null && currentEvidence(state).length === 0 && !isAtLeast(state.reported.level, 'high')
}

/** Whether this node votes for a hand-over whose result it holds in full. */
export function isDueNext(
  state: HybridState,
  leaving: Leaving,
  assembly: Assembly,
  { result, change, protocol }: HandOverResult,
): boolean {
  if (leaving.changeIn(assembly, result)?.index !== change?.index) return false
  return protocol !== 'raft' || mayStay(state)
}
