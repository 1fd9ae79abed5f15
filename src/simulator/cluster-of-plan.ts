/** The cluster that a plan wants: sizes, clocks, and the small bounds that make rare things common. */

import { byzantineFaults } from '../consensus/quorum.js'
import type { SimulatedClusterOptions } from './cluster.js'
import type { RunPlan } from './plan.js'

/** A request is passed on to the primary after this share of the time in which it would be suspected. */
const FORWARD_SHARE = 0.25
/** A Byzantine epoch of a hybrid can be left after so long, and what was seen is forgotten after so long. */
const RESIDENCY_MS = 500
const THREAT_WINDOW_MS = 3000
/** Time-outs grow up to so many times the first. */
const TIMEOUT_GROWTH = 5

export function clusterOptionsOf(plan: RunPlan): Omit<SimulatedClusterOptions, 'sha256'> {
  const { seed, nodes, spares, protocol, leaseDriftMs, electionTimeoutMaxMs, clockSpeeds, placesMs } = plan
  const { flushIntervalMs, tailEntriesMax, messageEntriesMax, segmentBytesMax } = plan
  const { snapshotEntries, trailingEntries, snapshotPieceBytes } = plan
  const shared = {
    seed,
    nodes,
    spares,
    clockSpeeds,
    placesMs,
    segmentBytesMax,
    settings: { electionTimeoutMaxMs, leaseDriftMs: leaseDriftMs === 0 ? null : leaseDriftMs },
  }
  const limits = {
    digestInterval: 50,
    flushIntervalMs,
    idleMs: 400,
    snapshotEntries,
    trailingEntries,
    snapshotPieceBytes,
    snapshotRetryMs: 200,
  }
  if (protocol === 'raft') return { ...shared, limits, coreLimits: { raft: { tailEntriesMax, messageEntriesMax } } }
  const { requestTimeoutMs, checkpointInterval, verifyMaxMs, realSignatures, liars } = plan
  return {
    ...shared,
    protocol,
    limits: { ...limits, checkpointInterval, forwardAfterMs: requestTimeoutMs * FORWARD_SHARE },
    settings: {
      ...shared.settings,
      requestTimeoutMs,
      requestTimeoutMaxMs: requestTimeoutMs * TIMEOUT_GROWTH,
      ...(protocol === 'hybrid' ? { residencyMs: RESIDENCY_MS } : {}),
    },
    coreLimits: { pbft: { tailEntriesMax }, hotstuff: { tailEntriesMax }, threatWindowMs: THREAT_WINDOW_MS },
    verifyMaxMs,
    realSignatures,
    bearable: byzantineFaults(nodes) - liars.length,
  }
}
