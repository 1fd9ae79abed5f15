/** A cluster of PBFT cores for tests: small checkpoints, short time-outs where a test asks for them. */
import {
  DEFAULT_PBFT_LIMITS,
  DEFAULT_PBFT_SETTINGS,
  PbftCore,
  type PbftLimits,
  type PbftSettings,
} from '../../../src/consensus/bft/pbft/index.js'
import { proposedBody } from '../../../src/consensus/bft/wire.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { epoch, logIndex, type NodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { ByzantineCluster, type CoreSeed } from './cluster.js'
import { replicasOf } from './keys.js'
import { mayChangeMembers } from './requests.js'

export interface PbftClusterOptions {
  readonly seed?: number
  readonly count?: number
  readonly spares?: readonly NodeId[]
  readonly settings?: Partial<PbftSettings>
  readonly limits?: Partial<PbftLimits>
  readonly batchMax?: number
}

/** Checkpoints every 8 entries, so that short tests see some. */
export const TEST_SETTINGS: PbftSettings = { ...DEFAULT_PBFT_SETTINGS, checkpointInterval: 8, windowSlots: 16 }

export function pbftCluster(options: PbftClusterOptions = {}): ByzantineCluster {
  const settings = { ...TEST_SETTINGS, ...options.settings }
  return new ByzantineCluster({
    seed: options.seed ?? 1,
    membership: replicasOf(options.count ?? 4),
    spares: options.spares ?? [],
    batchMax: options.batchMax ?? 4,
    checkpointInterval: settings.checkpointInterval,
    bodyOf: proposedBody,
    makeCore: (seed) => pbftCore(seed, settings, options.limits),
  })
}

export function pbftCore(
  seed: CoreSeed,
  settings: PbftSettings = TEST_SETTINGS,
  limits: Partial<PbftLimits> = {},
): PbftCore {
  const { self, membership, sign, random, restored, now } = seed
  return new PbftCore(
    {
      self,
      clusterId: CLUSTER_ID,
      clusterConfigHash: CONFIG_HASH,
      epoch: epoch(0),
      origin: { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 },
      membership,
      handOver: null,
      settings,
      limits: { ...DEFAULT_PBFT_LIMITS, ...limits },
    },
    { sha256, sign, mayChangeMembers, random, restored, now },
  )
}
