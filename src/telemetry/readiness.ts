/**
 * Whether a node is ready, and every reason why not, with its numbers: what `/readyz`, `knhk doctor` and
 * the metrics go by. A process that is alive and wedged is told apart from a healthy one here.
 */
import type { Millis } from '../consensus/types.js'
import type { DiskFacts } from '../node/ports.js'
import type { NodeFacts } from './facts.js'
import type { Attributes } from './names.js'

export interface NotReady {
  readonly reason: Attributes['consensus.not_ready_reason']
  readonly message: string
  readonly numbers: Readonly<Record<string, number>>
}

/** What only the observer knows. */
export interface Vitals {
  readonly loopDelayMs: Millis
  readonly pendingWriteMs: Millis
  readonly isDiverged: boolean
  readonly isEpochChanging: boolean
}

export interface ReadinessLimits {
  /** A leader that was not heard for so long counts as none. */
  readonly leaderSilenceMs: Millis
  readonly applyLagEntries: number
  readonly loopDelayMs: Millis
  readonly pendingWriteMs: Millis
}

export const READINESS_LIMITS = { applyLagEntries: 1000, pendingWriteMs: 1000 } as const

/** Which limit of its disk a node has reached, as people read it. */
export function diskText({ usedBytes, quotaBytes, freeBytes, reserveBytes }: DiskFacts): string {
  const taken = quotaBytes === null ? '' : `${inMiB(usedBytes)} of the quota of ${inMiB(quotaBytes)} are used, `
  return `${taken}${inMiB(freeBytes)} are free, ${inMiB(reserveBytes)} have to stay free`
}

function inMiB(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`
}

export function notReadyReasons(facts: NodeFacts, vitals: Vitals, limits: ReadinessLimits): NotReady[] {
  const { status, appliedIndex, restoring } = facts
  const reasons: NotReady[] = []
  const add = (reason: NotReady['reason'], message: string, numbers: NotReady['numbers']): void => {
    reasons.push({ reason, message, numbers })
  }
  const silenceMs = Math.round(facts.leaderSilenceMs)
  if (status.leader === null) add('no_leader', 'no leader is known', { silenceMs })
  // Only a Raft leader sends heartbeats: an idle primary has nothing to say.
  else if (status.mode === 'raft' && silenceMs > limits.leaderSilenceMs) {
    add('no_leader', `the leader was not heard for ${silenceMs} ms`, { silenceMs, limitMs: limits.leaderSilenceMs })
  }
  const lagEntries = status.commitIndex - appliedIndex
  if (lagEntries > limits.applyLagEntries) {
    add('apply_lag', `${lagEntries} committed entries wait to be applied`, {
      lagEntries,
      limit: limits.applyLagEntries,
    })
  }
  const delayMs = Math.round(vitals.loopDelayMs)
  if (delayMs > limits.loopDelayMs) {
    add('loop_delay', `the process was held up for ${delayMs} ms`, { delayMs, limitMs: limits.loopDelayMs })
  }
  const pendingMs = Math.round(vitals.pendingWriteMs)
  if (pendingMs > limits.pendingWriteMs) {
    add('stalled_disk', `a write is under way for ${pendingMs} ms`, { pendingMs, limitMs: limits.pendingWriteMs })
  }
  if (facts.disk?.isFull === true) {
    const { usedBytes, quotaBytes, freeBytes, reserveBytes } = facts.disk
    const numbers = { usedBytes, freeBytes, reserveBytes, ...(quotaBytes === null ? {} : { quotaBytes }) }
    add('full_disk', `no proposals are accepted: ${diskText(facts.disk)}`, numbers)
  }
  if (vitals.isDiverged) add('diverged', 'the state differs from that of the majority', { appliedIndex })
  // Who has no vote in a Byzantine protocol signs nothing, and nothing is wrong with it.
  if (!status.mayVote && (status.mode === 'raft' || status.role !== 'learner')) {
    const { lastIndex } = status
    add('damaged', 'the log lost what it had acknowledged: the node neither votes nor leads', { lastIndex })
  }
  if (restoring) add('restoring', 'the state is being replaced by a snapshot', { appliedIndex })
  if (vitals.isEpochChanging) add('epoch_change', 'a change of the mode is under way', { epoch: status.epoch })
  return reasons
}
