/** The one core that runs in an epoch, made from where the epoch began and what the log holds. */
import { HotStuffCore } from '../bft/hotstuff/core.js'
import type { InitBasis } from '../bft/init.js'
import type { ModeRules, WedgedCore } from '../bft/mode-change.js'
import { PbftCore } from '../bft/pbft/index.js'
import { epochConfigHash, Replicas } from '../bft/replicas.js'
import type { Now, RestoredLog } from '../core.js'
import type { NodeId, Term } from '../types.js'
import { encodeBasis, validateBasis } from './basis.js'
import type { HybridModules, HybridOptions } from './config.js'
import type { EpochLink, LinkRules } from './epoch-links.js'
import type { EpochStart } from './epoch-record.js'
import type { RaftEpoch } from './positions.js'
import type { HybridState } from './state.js'
import type { EndingEpoch } from './switch-certificate.js'

/** What a Raft epoch is judged by. */
export function raftEpoch(
  options: HybridOptions,
  modules: Pick<HybridModules, 'sha256'>,
  start: EpochStart,
): RaftEpoch {
  const { clusterId, clusterConfigHash } = options
  const { epoch, origin, membership } = start
  const configHash = epochConfigHash(modules.sha256, clusterConfigHash, membership)
  return {
    sha256: modules.sha256,
    epoch,
    replicas: new Replicas(membership),
    sign: { clusterId, configHash },
    origin: { term: 0 as Term, index: origin.index, hash: origin.chain },
  }
}

/** What the present epoch is judged by, as long as it lasts the same object. */
export function currentEpoch(state: HybridState): RaftEpoch {
  const { start, epochCache, options, modules } = state
  if (epochCache?.start === start) return epochCache.epoch
  const epoch = raftEpoch(options, modules, start)
  state.epochCache = { start, epoch }
  return epoch
}

/** Whether others count what this node signs at the end of its epoch: a voter, and none that may have forgotten what it signed. */
export function hasSay(state: HybridState): boolean {
  return state.mayVote && state.forgotten === null && currentEpoch(state).replicas.has(state.options.self)
}

export function linkRules(options: HybridOptions, { sha256 }: Pick<HybridModules, 'sha256'>): LinkRules {
  const { clusterId, clusterConfigHash, settings } = options
  return { sha256, clusterId, clusterConfigHash, settings }
}

export function endingOf(
  options: HybridOptions,
  modules: Pick<HybridModules, 'sha256'>,
  start: EpochStart,
): EndingEpoch {
  const { clusterConfigHash } = options
  const { membership, configuredAt } = start
  return { raft: raftEpoch(options, modules, start), membership, configuredAt, clusterConfigHash }
}

/** How the epoch came about that a Byzantine core begins with. */
export interface Beginning {
  readonly ended: EpochStart
  readonly link: EpochLink
}

/** What the core asks of the hybrid around it. */
export interface ByzantineRules {
  readonly modeRules: ModeRules
  /** Members with live evidence against them: their views end at once. */
  readonly distrusts: (id: NodeId) => boolean
}

/** What the INIT of an epoch says of what led to it. */
export function handOverBasis(link: EpochLink): InitBasis {
  return { kind: 'handOver', proof: encodeBasis(link) }
}

/** The Byzantine core of the epoch that begins with `start`. */
export function byzantineCore(
  options: HybridOptions,
  modules: HybridModules,
  start: EpochStart,
  { ended, link }: Beginning,
  rules: ByzantineRules,
  restored: RestoredLog,
  now: Now,
): WedgedCore {
  const { self, clusterId, clusterConfigHash, pbftSettings, pbftLimits, hotstuffLimits } = options
  const { epoch, origin, membership, configuredAt } = start
  const { sha256, sign, random, mayChangeMembers } = modules
  const { modeRules, distrusts } = rules
  const shared = { self, clusterId, clusterConfigHash, epoch, origin, membership, modeRules }
  const ports = { sha256, sign, random, mayChangeMembers, restored, now }
  const validate = validateBasis(linkRules(options, modules), ended, link)
  if (start.mode === 'hotstuff') {
    return new HotStuffCore(
      { ...shared, basis: handOverBasis(link), validateInit: validate, limits: hotstuffLimits },
      ports,
    )
  }
  const handOver = { proof: encodeBasis(link), validate }
  return new PbftCore(
    { ...shared, distrusts, configuredAt, knowsItsPast: true, handOver, settings: pbftSettings, limits: pbftLimits },
    ports,
  )
}
