/** When the hybrid next wants to be stepped: by the core of the epoch, or by what it repeats and expects itself. */
import type { Millis } from '../types.js'
import { currentEpoch } from './inner.js'
import { whereDueMs } from './jump-offers.js'
import type { HybridState } from './state.js'
import { suspicionDueMs } from './suspicion.js'

/** Undefined for never. */
export function dueMs(state: HybridState): Millis | undefined {
  const { phase, now, options, panics, repeatMs, clearDueMs } = state
  const fallsMs = state.threat.nextChangeMs(now.monotonicMs)
  if (phase.kind === 'byzantine') {
    const isReplica = currentEpoch(state).replicas.has(options.self)
    return earliest([phase.core.deadline(), fallsMs, isReplica ? clearDueMs : undefined])
  }
  // Of itself a node in this phase waits for its write: at a start that write has yet to be given out.
  if (phase.kind === 'entering') return state.merger.hasRecords ? now.monotonicMs : undefined
  const own = phase.kind === 'raft' ? phase.raft.deadline() : phase.instance.deadline()
  const isRepeating = phase.kind === 'leaving' || panics.has(options.self)
  return earliest([own, fallsMs, isRepeating ? repeatMs : undefined, suspicionDueMs(state), whereDueMs(state)])
}

function earliest(times: readonly (Millis | undefined)[]): Millis | undefined {
  const due = times.filter((time) => time !== undefined)
  return due.length === 0 ? undefined : Math.min(...due)
}
