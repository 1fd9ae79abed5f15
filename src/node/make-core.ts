/**
 * The core of the protocol that the cluster's configuration names. Everything behind this file is the
 * same for all of them.
 */
import { DEFAULT_HOTSTUFF_LIMITS, HotStuffCore, type HotStuffLimits } from '../consensus/bft/hotstuff/index.js'
import { DEFAULT_PBFT_LIMITS, DEFAULT_PBFT_SETTINGS, PbftCore, type PbftLimits } from '../consensus/bft/pbft/index.js'
import { type ClusterConfiguration, requestTimeouts, residencyOf } from '../consensus/configuration.js'
import type { Core, Now, RestoredLog } from '../consensus/core.js'
import { GENESIS_CHAIN, type Sha256 } from '../consensus/entry.js'
import type { EpochLink } from '../consensus/hybrid/epoch-links.js'
import { DEFAULT_HYBRID_LIMITS, HybridCore, type HybridLimits } from '../consensus/hybrid/index.js'
import { THREAT_WINDOW_MS } from '../consensus/hybrid/threat-model.js'
import { genesisMembership } from '../consensus/membership.js'
import { DEFAULT_RAFT_LIMITS, type RaftLimits, type RaftOptions } from '../consensus/raft/config.js'
import { RaftCore } from '../consensus/raft/core.js'
import type { LogBase } from '../consensus/snapshot.js'
import { epoch, logIndex, type Millis, type NodeId } from '../consensus/types.js'

export interface CoreLimits {
  readonly raft?: Partial<RaftLimits>
  readonly pbft?: Partial<PbftLimits>
  readonly hotstuff?: Partial<HotStuffLimits>
  readonly hybrid?: Partial<HybridLimits>
  /** Signature failures count for so long; 60 s. */
  readonly threatWindowMs?: Millis
}

export interface CoreOptions {
  readonly configuration: ClusterConfiguration
  readonly self: NodeId
  /** Of the cluster's configuration, 32 bytes. */
  readonly configHash: Uint8Array
  readonly checkpointInterval: number
  readonly limits: CoreLimits
}

export interface CoreModules {
  readonly sha256: Sha256
  /** Ed25519 with this node's key, 64 bytes. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** By what is executed here. */
  readonly mayChangeMembers: (clientKey: Uint8Array) => boolean
  /** Hybrid: members with evidence against them that nobody cleared, by what is executed here. */
  readonly liveCulprits: () => readonly NodeId[]
  /** How the epochs of a hybrid cluster led to each other, as far as it is kept here. */
  readonly links?: readonly EpochLink[]
  readonly random: () => number
  readonly restored: RestoredLog
  readonly now: Now
}

export function makeCore(
  { configuration, self, configHash, checkpointInterval, limits }: CoreOptions,
  modules: CoreModules,
): Core {
  const { clusterId, protocol, settings } = configuration
  const membership = genesisMembership(configuration)
  if (protocol === 'raft') {
    const raftLimits = { ...DEFAULT_RAFT_LIMITS, ...limits.raft }
    const preference = preferenceOf(configuration)
    return new RaftCore(
      { self, genesis: membership, clusterId, configHash, settings, limits: raftLimits, ...preference },
      modules,
    )
  }
  const origin = configuration.origin ?? beginningOf(modules.restored)
  const shared = { self, clusterId, clusterConfigHash: configHash, epoch: epoch(0), origin, membership }
  const { shortestMs, longestMs } = requestTimeouts(settings)
  if (protocol === 'hotstuff') {
    const timeouts = { timeoutMs: shortestMs, timeoutMaxMs: longestMs }
    const commitRule = settings.commitRule === null ? {} : { commitRule: settings.commitRule }
    return new HotStuffCore(
      { ...shared, ...commitRule, limits: { ...DEFAULT_HOTSTUFF_LIMITS, ...timeouts, ...limits.hotstuff } },
      modules,
    )
  }
  const timeouts = { requestTimeoutMs: shortestMs, requestTimeoutMaxMs: longestMs }
  const pbftSettings = {
    ...DEFAULT_PBFT_SETTINGS,
    ...timeouts,
    checkpointInterval,
    windowSlots: 2 * checkpointInterval,
  }
  if (protocol === 'hybrid') {
    const hybridLimits = {
      raftLimits: { ...DEFAULT_RAFT_LIMITS, ...limits.raft },
      pbftSettings,
      pbftLimits: { ...DEFAULT_PBFT_LIMITS, ...limits.pbft },
      hotstuffLimits: {
        ...DEFAULT_HOTSTUFF_LIMITS,
        timeoutMs: shortestMs,
        timeoutMaxMs: longestMs,
        ...limits.hotstuff,
      },
      limits: { ...DEFAULT_HYBRID_LIMITS, ...limits.hybrid },
    }
    const { origin: founded } = configuration
    const begins = founded === undefined ? {} : { origin: founded }
    const identity = { self, clusterId, clusterConfigHash: configHash, membership, settings, ...begins }
    return new HybridCore(
      {
        ...identity,
        ...hybridLimits,
        bft: 'pbft',
        residencyMs: residencyOf(settings),
        threatWindowMs: limits.threatWindowMs ?? THREAT_WINDOW_MS,
      },
      modules,
    )
  }
  return new PbftCore(
    { ...shared, handOver: null, settings: pbftSettings, limits: { ...DEFAULT_PBFT_LIMITS, ...limits.pbft } },
    modules,
  )
}

function preferenceOf({ genesis, members }: ClusterConfiguration): Pick<RaftOptions, 'priorities'> {
  const given = [...genesis, ...members].flatMap(({ id, priority = 0 }) =>
    priority > 0 ? [[id, priority] as const] : [],
  )
  return given.length === 0 ? {} : { priorities: new Map(given) }
}

/** Where the first epoch begins as far as the log tells: behind the state that a restored cluster was made with, or at its start. */
function beginningOf({ base, lastIndex, safety }: RestoredLog): Pick<LogBase, 'index' | 'chain' | 'timestampMs'> {
  const isSeeded = safety === null && base.index > 0 && lastIndex === base.index
  return isSeeded ? base : { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
}
