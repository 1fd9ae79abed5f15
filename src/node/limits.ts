/**
 * The bounds of the node loop, in one place; docs/limits.md lists them. Each keeps a queue, a turn or
 * a reply from growing without end.
 */
export interface NodeLimits {
  /** A batch is cut at this many bytes of requests … */
  readonly batchBytesMax: number
  /** … or this many requests. */
  readonly batchRequestsMax: number
  /** Entries of a leader on their way to an answer, beyond which requests collect: fewer and larger batches. */
  readonly entriesInFlightMax: number
  /** Requests accepted and not yet proposed; beyond, clients get `ResourceExhausted`. */
  readonly pendingBytesMax: number
  /** Committed entries not yet applied at which a leader stops taking proposals. */
  readonly applyLagEntriesMax: number
  /** Operations applied before the clock is looked at again. */
  readonly applySliceOperations: number
  /** Time apply may take in one turn … */
  readonly applyBudgetMs: number
  /** … and the digest behind it, which nobody waits for. */
  readonly digestBudgetMs: number
  /** Bytes read from the log at once for apply or for a lagging peer. */
  readonly loadBytesMax: number
  /** Changes collected in memory before they are written behind. */
  readonly generationBytesMax: number
  /** … or when the last write is this long ago. Longer saves writes of the same keys, and replays more after a crash. */
  readonly flushIntervalMs: number
  /** Nothing applied for so long: the node counts as idle, and its digest follows at the last index. */
  readonly idleMs: number
  /** Apply waits while more than this is not yet written behind. */
  readonly unflushedBytesMax: number
  /** Apply waits while more changes than this have not reached the digests, which hold on to them until then. */
  readonly digestBacklogBytesMax: number
  /** Entries between two compared digests. */
  readonly digestInterval: number
  /** Digests kept for `status --digest-at`. */
  readonly digestsKept: number
  /** A reader that lags more than this behind gets its connection closed. */
  readonly clientBufferBytesMax: number
  /** Queries that wait for confirmation or are being answered. */
  readonly queriesWaitingMax: number
  /** A read that found no leader is tried again after … */
  readonly readRetryMs: number
  /** … and fails after. */
  readonly readTimeoutMs: number
  /** A snapshot is taken after so many entries … */
  readonly snapshotEntries: number
  /** … or operations … */
  readonly snapshotOperations: number
  /** … or bytes of log since the last one, whichever comes first. */
  readonly snapshotLogBytes: number
  /** Entries before a snapshot that stay in the log for followers that are a little behind … */
  readonly trailingEntries: number
  /** … and their bytes. */
  readonly trailingBytes: number
  /** Snapshot files kept, besides those that peers are fetching. */
  readonly snapshotsKept: number
  /** Bytes of a snapshot asked for at once … */
  readonly snapshotPieceBytes: number
  /** … and per second … */
  readonly snapshotBytesPerSecondMax: number
  /** … and asked for again when they did not come within. */
  readonly snapshotRetryMs: number
  /** Byzantine protocols: proposals of one replica that are not executed yet. */
  readonly slotsInFlightMax: number
  /** … a request that waits so long is passed on to the primary … */
  readonly forwardAfterMs: number
  /** … and the answers of this many executed requests are kept for late askers … */
  readonly recentAnswersMax: number
  /** … as far as their results do not take more than this. */
  readonly recentAnswerBytesMax: number
  /** Entries between two checkpoints that replicas sign. */
  readonly checkpointInterval: number
  /** The disk is looked at so often … */
  readonly diskLookMs: number
  /** … and room is made at most so often. */
  readonly makeRoomAgainMs: number
}

export const DEFAULT_NODE_LIMITS: NodeLimits = {
  batchBytesMax: 1 << 20,
  batchRequestsMax: 4096,
  entriesInFlightMax: 2,
  pendingBytesMax: 64 << 20,
  applyLagEntriesMax: 4096,
  applySliceOperations: 256,
  applyBudgetMs: 4,
  digestBudgetMs: 1,
  loadBytesMax: 4 << 20,
  generationBytesMax: 64 << 20,
  flushIntervalMs: 5000,
  idleMs: 1000,
  unflushedBytesMax: 96 << 20,
  digestBacklogBytesMax: 96 << 20,
  digestInterval: 1000,
  digestsKept: 16,
  clientBufferBytesMax: 64 << 20,
  queriesWaitingMax: 16_384,
  readRetryMs: 500,
  readTimeoutMs: 5000,
  snapshotEntries: 10_000,
  snapshotOperations: 500_000,
  snapshotLogBytes: 256 << 20,
  trailingEntries: 5000,
  trailingBytes: 64 << 20,
  snapshotsKept: 2,
  snapshotPieceBytes: 256 << 10,
  snapshotBytesPerSecondMax: 64 << 20,
  snapshotRetryMs: 1000,
  slotsInFlightMax: 2,
  forwardAfterMs: 500,
  recentAnswersMax: 16_384,
  recentAnswerBytesMax: 16 << 20,
  checkpointInterval: 128,
  diskLookMs: 1000,
  makeRoomAgainMs: 10_000,
}
