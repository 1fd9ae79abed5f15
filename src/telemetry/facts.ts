/**
 * What telemetry asks of a node when somebody looks: a scrape, a probe, `status`, and once a second for
 * the throughput. The node makes it anew for each look; nothing of it costs anything in between.
 */
import type { CoreStatus } from '../consensus/core.js'
import type { LogIndex, Millis, NodeId } from '../consensus/types.js'
import type { DiskFacts } from '../node/ports.js'

export interface PeerFacts {
  readonly id: NodeId
  readonly connected: boolean
  /** Smoothed; null before the first measurement. */
  readonly rttMs: Millis | null
}

export interface NodeFacts {
  readonly status: CoreStatus
  readonly appliedIndex: LogIndex
  /** Since the start of the process. */
  readonly operationsApplied: number
  /** The state is being replaced by a snapshot. */
  readonly restoring: boolean
  /** Since a leader was heard; 0 on the leader itself. */
  readonly leaderSilenceMs: Millis
  readonly queues: {
    readonly requests: number
    readonly slots: number
    readonly writes: number
    readonly reads: number
    readonly messages: number
  }
  readonly logBytes: number
  readonly unflushedBytes: number
  readonly digestBacklogBytes: number
  readonly sessions: number
  readonly clients: number
  readonly peers: readonly PeerFacts[]
  readonly newestSnapshot: { readonly index: LogIndex; readonly bytes: number } | null
  /** Of the snapshot on its way here; 0 for none. */
  readonly snapshotBytesMissing: number
  /** Null before the first look at it. */
  readonly disk: DiskFacts | null
}
