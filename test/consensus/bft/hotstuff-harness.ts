/** What the tests of HotStuff share: clusters of its cores on the common deterministic harness. */
import { type BlockHeader, hashHeader } from '../../../src/consensus/bft/hotstuff/block.js'
import { proposalStatement } from '../../../src/consensus/bft/hotstuff/certificates.js'
import type { CommitRule } from '../../../src/consensus/bft/hotstuff/commit-rule.js'
import {
  DEFAULT_HOTSTUFF_LIMITS,
  HotStuffCore,
  type HotStuffLimits,
  type HotStuffMessage,
  isHotStuff,
} from '../../../src/consensus/bft/hotstuff/index.js'
import type { HsProposal } from '../../../src/consensus/bft/hotstuff/messages.js'
import { signBytes } from '../../../src/consensus/bft/statement.js'
import { proposedBody } from '../../../src/consensus/bft/wire.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import type { Membership } from '../../../src/consensus/membership.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { ByzantineCluster, type CoreSeed } from './cluster.js'
import { replicasOf, signAs } from './keys.js'
import { mayChangeMembers } from './requests.js'

export interface Given {
  readonly seed?: number
  readonly count?: number
  readonly spares?: readonly string[]
  readonly limits?: Partial<HotStuffLimits>
  readonly commitRule?: 2 | 3
  /** A rule that production does not have. */
  readonly rule?: CommitRule
  readonly batchMax?: number
}

export function makeHotStuff(
  { self, membership, sign, random, restored, now }: CoreSeed,
  { limits, commitRule, rule }: Given = {},
): HotStuffCore {
  return new HotStuffCore(
    {
      self,
      clusterId: CLUSTER_ID,
      clusterConfigHash: CONFIG_HASH,
      epoch: epoch(0),
      origin: { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 },
      membership,
      limits: { ...DEFAULT_HOTSTUFF_LIMITS, ...limits },
      ...(commitRule === undefined ? {} : { commitRule }),
    },
    { sha256, sign, mayChangeMembers, random, restored, now, ...(rule === undefined ? {} : { rule }) },
  )
}

export function clusterOf(given: Given = {}): ByzantineCluster {
  const membership: Membership = replicasOf(given.count ?? 4)
  return new ByzantineCluster({
    seed: given.seed ?? 1,
    membership,
    spares: (given.spares ?? []).map(nodeId),
    makeCore: (seed) => makeHotStuff(seed, given),
    bodyOf: proposedBody,
    checkpointInterval: 128,
    ...(given.batchMax === undefined ? {} : { batchMax: given.batchMax }),
  })
}

/** Runs until INIT is executed everywhere. */
export function begun(given: Given = {}): ByzantineCluster {
  const cluster = clusterOf(given)
  const ready = cluster.run(20_000, () => cluster.honest.every((node) => node.executed >= 1))
  if (!ready) throw new Error('the epoch did not begin')
  return cluster
}

/** A message of one type, for taps and hands in the traffic. */
export function isType<T extends HotStuffMessage['type']>(
  message: ProtocolMessage,
  type: T,
): message is Extract<HotStuffMessage, { type: T }> {
  return isHotStuff(message) && message.type === type
}

/** A proposal of the same round with other fields, under the proposer's own key. */
export function forgeProposal(
  cluster: ByzantineCluster,
  proposal: HsProposal,
  change: Partial<BlockHeader>,
  body: Uint8Array = proposal.body,
): HsProposal {
  const header = { ...proposal.header, ...change }
  const statement = proposalStatement(hashHeader(sha256, header))
  const configHash = cluster.node(header.proposer).core.configHash()
  const signature = signAs(header.proposer)(signBytes({ clusterId: CLUSTER_ID, configHash }, statement))
  return { ...proposal, header, body, signature }
}
