/** The cluster that a plan wants: sizes, clocks, and the small bounds that make rare things common. */

import type { ClusterSettings } from '../consensus/configuration.js'
import { byzantineFaults } from '../consensus/quorum.js'
import type { SimulatedClusterOptions } from './cluster.js'
import { type RunPlan, zoneAt } from './plan.js'

/** A request is passed on to the primary after this share of the time in which it would be suspected. */
const FORWARD_SHARE = 0.25
/** A Byzantine epoch of a hybrid can be left after so long, and what was seen is forgotten after so long. */
const RESIDENCY_MS = 500
const THREAT_WINDOW_MS = 3000
/** Leadership moves to the preferred data centre soon, so that it happens between the faults. */
const PREFERENCE_TIMEOUTS = 1
/** Time-outs grow up to so many times the first. */
const TIMEOUT_GROWTH = 5

export function clusterOptionsOf(plan: RunPlan): Omit<SimulatedClusterOptions, 'sha256'> {
  const { seed, nodes, spares, protocol, leaseDriftMs, electionTimeoutMaxMs, clockSpeeds, placesMs } = plan
  const { flushIntervalMs, tailEntriesMax, messageEntriesMax, segmentBytesMax } = plan
  const { snapshotEntries, trailingEntries, snapshotPieceBytes, zones } = plan
  const shared = {
    seed,
    nodes,
    spares,
    clockSpeeds,
    placesMs,
    segmentBytesMax,
    settings: { electionTimeoutMaxMs, leaseDriftMs: leaseDriftMs === 0 ? null : leaseDriftMs, ...settingsOf(zones) },
    ...(zones === undefined ? {} : { zones: placesMs.map(zoneAt) }),
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
  if (protocol === 'raft') {
    const raft = { tailEntriesMax, messageEntriesMax, preferenceTimeouts: PREFERENCE_TIMEOUTS }
    return { ...shared, limits, coreLimits: { raft } }
  }
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

function settingsOf(zones: RunPlan['zones']): Partial<ClusterSettings> {
  if (zones === undefined) return {}
  const { commitsApart, preferred } = zones
  return { commitZones: commitsApart ? 2 : null, preferredZones: preferred === null ? null : [preferred] }
}
