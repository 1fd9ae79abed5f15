/**
 * A Raft cluster (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm"; Ongaro's thesis): one
 * of its nodes runs in this process. Bears the crash of fewer than half of its members, and nobody who lies.
 */
import type { CallOptions } from '../client/api.js'
import { ClusterBuilder } from './builder.js'
import { type ConsensusConfig, planCluster } from './config.js'
import { EmbeddedCluster, startCluster } from './embedded-cluster.js'
import { RaftNode } from './local-node.js'
import type { ConsensusResult } from './proposer.js'
import type { StateMachineOp } from './state-machine.js'

/** Times in milliseconds, the same on every node. */
export interface RaftConfig extends ConsensusConfig {
  /** An election begins after a random time between these two without a leader (section 5.2); 150 and 300. */
  readonly electionTimeoutMinMs?: number
  readonly electionTimeoutMaxMs?: number
  /** At most half of `electionTimeoutMinMs`; 50. */
  readonly heartbeatIntervalMs?: number
  /** How far two clocks may drift apart within an election time-out (thesis, 6.4.1); without it there are no lease reads. */
  readonly leaseDriftMs?: number
  /** What is acknowledged is held in two zones: the loss of one loses nothing. Without it any majority will do. */
  readonly commitZones?: 2
  /** Where the leader shall stand, the best zone first. */
  readonly preferredZones?: readonly string[]
}

export class RaftCluster extends EmbeddedCluster<RaftNode> {
  static builder(): ClusterBuilder<RaftConfig, RaftCluster> {
    return new ClusterBuilder((config) => RaftCluster.start(config))
  }

  /**
   * Starts the node; resolves when it listens, the others need not run yet. Throws `InvalidArgument` or
   * `InvalidClusterFile` for what is configured wrongly, `AddressInUse`, and what `startNode` says of the directory:
   * `DataDirectoryLocked`, `IdentityMismatch`, `UnsupportedFormat`, `StorageFailed`.
   */
  static async start(config: RaftConfig): Promise<RaftCluster> {
    const { electionTimeoutMinMs, electionTimeoutMaxMs, heartbeatIntervalMs, leaseDriftMs } = config
    const { commitZones, preferredZones } = config
    const times = { electionTimeoutMinMs, electionTimeoutMaxMs, heartbeatIntervalMs, leaseDriftMs }
    const planned = await planCluster(config, 'raft', { ...times, commitZones, preferredZones })
    return new RaftCluster(await startCluster(planned, (...node) => new RaftNode(...node)))
  }

  /**
   * Has the operation applied by the cluster, whoever leads, and resolves with its place and result. Sent again, within
   * the deadline, until it is answered, and applied once. Throws `ConsensusError`: the code of the rejection; a code of
   * exit 7 or 8 = certainly not applied; `OutcomeUnknown` or `DeadlineExceeded` = not known.
   */
  propose(value: StateMachineOp, options: CallOptions = {}): Promise<ConsensusResult> {
    return this.submit(value, options)
  }
}
