/** A cluster of hybrid cores for tests: small checkpoints, and what Byzantine members of Raft epochs say. */
import { DEFAULT_HOTSTUFF_LIMITS } from '../../../src/consensus/bft/hotstuff/index.js'
import { DEFAULT_PBFT_LIMITS, DEFAULT_PBFT_SETTINGS } from '../../../src/consensus/bft/pbft/index.js'
import { proposedBody } from '../../../src/consensus/bft/wire.js'
import { DEFAULT_HYBRID_LIMITS, HybridCore, type HybridOptions } from '../../../src/consensus/hybrid/index.js'
import { evidenceIn } from '../../../src/consensus/hybrid/ordered-evidence.js'
import { RESIDENCY_MS } from '../../../src/consensus/hybrid/revert-rules.js'
import { THREAT_WINDOW_MS } from '../../../src/consensus/hybrid/threat-model.js'
import { DEFAULT_RAFT_LIMITS } from '../../../src/consensus/raft/config.js'
import { type NodeId, nodeId } from '../../../src/consensus/types.js'
import { ByzantineCluster, type CoreSeed } from '../bft/cluster.js'
import { replicasOf } from '../bft/keys.js'
import { CLUSTER_ID, CONFIG_HASH, SETTINGS, sha256 } from '../disk.js'

export interface Given {
  readonly seed?: number
  readonly count?: number
  readonly bft?: HybridOptions['bft']
  readonly batchMax?: number
  readonly residencyMs?: number
  /** Entries in one append of a Raft leader. */
  readonly messageEntriesMax?: number
  /** Nodes that are no members yet. */
  readonly spares?: readonly string[]
}

/** Who lied, by what each node executed: what the state machine keeps. */
type Culprits = Map<NodeId, Set<NodeId>>

const CHECKPOINT_INTERVAL = 8

export function makeHybrid(
  { self, membership, sign, random, restored, now }: CoreSeed,
  given: Given = {},
  culprits: Culprits = new Map(),
): HybridCore {
  return new HybridCore(
    {
      self,
      clusterId: CLUSTER_ID,
      clusterConfigHash: CONFIG_HASH,
      membership,
      settings: SETTINGS as HybridOptions['settings'],
      bft: given.bft ?? 'pbft',
      residencyMs: given.residencyMs ?? RESIDENCY_MS,
      threatWindowMs: THREAT_WINDOW_MS,
      raftLimits: {
        ...DEFAULT_RAFT_LIMITS,
        messageEntriesMax: given.messageEntriesMax ?? DEFAULT_RAFT_LIMITS.messageEntriesMax,
      },
      pbftSettings: {
        ...DEFAULT_PBFT_SETTINGS,
        checkpointInterval: CHECKPOINT_INTERVAL,
        windowSlots: 2 * CHECKPOINT_INTERVAL,
      },
      pbftLimits: DEFAULT_PBFT_LIMITS,
      hotstuffLimits: DEFAULT_HOTSTUFF_LIMITS,
      limits: DEFAULT_HYBRID_LIMITS,
    },
    {
      sha256,
      sign,
      mayChangeMembers: () => true,
      liveCulprits: () => [...(culprits.get(self) ?? [])],
      random,
      restored,
      now,
    },
  )
}

export class HybridCluster extends ByzantineCluster {
  readonly #culprits: Culprits

  constructor(given: Given) {
    const culprits: Culprits = new Map()
    super({
      seed: given.seed ?? 1,
      membership: replicasOf(given.count ?? 4),
      spares: (given.spares ?? []).map(nodeId),
      batchMax: given.batchMax ?? 4,
      checkpointInterval: CHECKPOINT_INTERVAL,
      bodyOf: proposedBody,
      makeCore: (seed) => makeHybrid(seed, given, culprits),
    })
    this.#culprits = culprits
    this.onExecute = (id, entry) => {
      const known = culprits.get(id) ?? new Set()
      for (const evidence of evidenceIn(entry)) known.add(evidence.culprit)
      culprits.set(id, known)
    }
  }

  /** The replicated state cleared a member: what an ordered operation leads to on every node. */
  pardon(member: NodeId): void {
    for (const node of this.nodes.values()) {
      this.#culprits.get(node.id)?.delete(member)
      this.step(node, { type: 'clear', node: member })
    }
  }
}

export function hybridCluster(given: Given = {}): HybridCluster {
  return new HybridCluster(given)
}
