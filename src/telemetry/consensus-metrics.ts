/** The figures of a node for a program that embeds it: the short list, since the start of the process. */
import type { NodeRecorder } from './recorder.js'

/** Counts since the start of the process; latencies in milliseconds, from the first request of a batch to its answers. */
export interface ConsensusMetrics {
  readonly proposalsSubmitted: number
  readonly proposalsCommitted: number
  /** Refused before they were proposed: certainly not applied. */
  readonly proposalsRejected: number
  readonly averageLatencyMs: number
  readonly p99LatencyMs: number
  /** Elections that this node stood in. */
  readonly leaderElections: number
  readonly viewChanges: number
  readonly byzantineFailures: number
  readonly snapshotsCreated: number
  /** Operations applied per second, over the last ten seconds. */
  readonly throughput: number
}

export function consensusMetrics(recorder: NodeRecorder, throughput: number): ConsensusMetrics {
  return {
    proposalsSubmitted: recorder.submitted,
    proposalsCommitted: recorder.outcomes.committed,
    proposalsRejected: recorder.outcomes.rejected,
    averageLatencyMs: recorder.latency.mean,
    p99LatencyMs: recorder.latency.quantile(0.99),
    leaderElections: recorder.elections,
    viewChanges: total(Object.values(recorder.viewChanges)),
    byzantineFailures: total([...recorder.byzantineFailures.values()]),
    snapshotsCreated: recorder.snapshots.taken,
    throughput,
  }
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}
