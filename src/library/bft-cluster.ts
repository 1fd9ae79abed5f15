/**
 * A Byzantine cluster: PBFT (Castro and Liskov, "Practical Byzantine Fault Tolerance") or HotStuff (Yin et al.,
 * "HotStuff: BFT Consensus in the Lens of Blockchain"; pacemaker of DiemBFT). One of its replicas runs in this
 * process. Of n members f = ⌊(n − 1) / 3⌋ may lie.
 */
import type { CallOptions } from '../client/api.js'
import { ClusterBuilder } from './builder.js'
import { type ConsensusConfig, planCluster } from './config.js'
import { type Decision, provenBy } from './decision.js'
import { EmbeddedCluster, startCluster } from './embedded-cluster.js'
import { BftNode } from './local-node.js'
import type { StateMachineOp } from './state-machine.js'

export type BftProtocol = 'pbft' | 'hotstuff'

/** Times in milliseconds, the same on every node. */
export interface BftConfig extends ConsensusConfig {
  readonly protocol: BftProtocol
  /** How long a known request may wait before whoever proposes is given up; grows with each that fails; 2,000. */
  readonly requestTimeoutMs?: number
  /** … up to this; 10,000. */
  readonly requestTimeoutMaxMs?: number
}

export class BftCluster extends EmbeddedCluster<BftNode> {
  static builder(): ClusterBuilder<BftConfig, BftCluster> {
    return new ClusterBuilder((config) => BftCluster.start(config))
  }

  /** As `RaftCluster.start`; four members are the fewest. */
  static async start(config: BftConfig): Promise<BftCluster> {
    const { protocol, requestTimeoutMs, requestTimeoutMaxMs } = config
    const planned = await planCluster(config, protocol, { requestTimeoutMs, requestTimeoutMaxMs })
    return new BftCluster(await startCluster(planned, (...node) => new BftNode(...node)))
  }

  /**
   * Has the operation applied by the cluster, signed by the client key, and resolves once f + 1 replicas gave the same
   * answer and the one that runs here has applied it too. Throws as `RaftCluster.propose`; `DeadlineExceeded` with the
   * detail `index` where it was applied and only the replica here stayed behind.
   */
  async propose(value: StateMachineOp, options: CallOptions = {}): Promise<Decision> {
    const result = await this.submit(value, options)
    return provenBy(this.node, result, options)
  }
}
