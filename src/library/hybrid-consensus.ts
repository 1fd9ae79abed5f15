/**
 * The hybrid: Raft while all are honest, PBFT or HotStuff while somebody is not, and back (the Abstract framework:
 * Guerraoui, Knežević, Quéma, Vukolić, "The Next 700 BFT Protocols"). One of its nodes runs in this process. Of n
 * members f = ⌊(n − 1) / 3⌋ may lie, leaders included.
 */
import { isDeepStrictEqual } from 'node:util'
import { KnhkError } from '../base/error.js'
import type { CallOptions } from '../client/api.js'
import type { ThreatLevel, ThreatReport } from '../consensus/hybrid/threat-model.js'
import type { Epoch, Mode } from '../consensus/types.js'
import type { BftCluster, BftConfig } from './bft-cluster.js'
import { ClusterBuilder } from './builder.js'
import { planCluster } from './config.js'
import { type Decision, provenBy } from './decision.js'
import { EmbeddedCluster, startCluster } from './embedded-cluster.js'
import { LocalNode } from './local-node.js'
import type { RaftCluster, RaftConfig } from './raft-cluster.js'
import type { StateMachineOp } from './state-machine.js'

/** What a Raft and a Byzantine cluster are told. Times in milliseconds. */
export type HybridConfig = Omit<RaftConfig, 'leaseDriftMs'> &
  Omit<BftConfig, 'protocol'> & {
    /** How long a Byzantine epoch lasts at least; 30,000. */
    readonly residencyMs?: number
  }

/** What the node that runs here holds against members: None, Low, Medium, High, Critical, and why. */
export interface ThreatModel {
  threatLevel(): ThreatLevel
  /** Level, causes and members; everything empty at level none. */
  report(): ThreatReport
}

/** A decision, and what was held against members when it was there. */
export interface WatchedDecision extends Decision {
  readonly threatLevel: ThreatLevel
}

/** A node of a hybrid cluster: in a Raft epoch it has a term, in a Byzantine one a view or a round. */
export class HybridNode extends LocalNode {
  get mode(): Mode {
    return this.status.mode
  }

  get epoch(): Epoch {
    return this.status.epoch
  }
}

const NO_THREAT: ThreatReport = { level: 'none', causes: [], nodes: [] }

export class HybridConsensus extends EmbeddedCluster<HybridNode> {
  static builder(): ClusterBuilder<HybridConfig, HybridConsensus> {
    return new ClusterBuilder((config) => HybridConsensus.start(config))
  }

  /**
   * What both builders say, as one: the Raft and the Byzantine protocol run on the same node, with one log. Throws
   * `InvalidArgument` where they contradict each other, and for what a hybrid cluster cannot have: leases, as leaders
   * may lie, and HotStuff as what it switches to by itself.
   */
  static of(
    raft: ClusterBuilder<RaftConfig, RaftCluster>,
    bft: ClusterBuilder<BftConfig, BftCluster>,
  ): ClusterBuilder<HybridConfig, HybridConsensus> {
    const { leaseDriftMs, commitZones, preferredZones, ...elections } = raft.said
    const { protocol = 'pbft', ...agreement } = bft.said
    const wrong = (option: string, why: string) =>
      new KnhkError('InvalidArgument', `${option}: ${why}`, { details: { option } })
    if (leaseDriftMs !== undefined) throw wrong('leaseDriftMs', 'there are no leases where leaders may lie')
    if (commitZones !== undefined) throw wrong('commitZones', 'commits across zones are of plain Raft')
    if (preferredZones !== undefined) throw wrong('preferredZones', 'preferred leaders are of plain Raft')
    if (protocol !== 'pbft')
      throw wrong('protocol', 'a hybrid cluster switches to PBFT; an order brings it to HotStuff')
    const before: Readonly<Record<string, unknown>> = elections
    for (const [option, value] of Object.entries(agreement)) {
      if (before[option] !== undefined && !isDeepStrictEqual(before[option], value))
        throw wrong(option, 'the two builders say different things')
    }
    return HybridConsensus.builder().options({ ...elections, ...agreement })
  }

  /** As `RaftCluster.start`; four members are the fewest. */
  static async start(config: HybridConfig): Promise<HybridConsensus> {
    const { electionTimeoutMinMs, electionTimeoutMaxMs, heartbeatIntervalMs } = config
    const { requestTimeoutMs, requestTimeoutMaxMs, residencyMs } = config
    const raft = { electionTimeoutMinMs, electionTimeoutMaxMs, heartbeatIntervalMs }
    const planned = await planCluster(config, 'hybrid', { ...raft, requestTimeoutMs, requestTimeoutMaxMs, residencyMs })
    return new HybridConsensus(await startCluster(planned, (...node) => new HybridNode(...node)))
  }

  /**
   * Has the operation applied in whatever mode the cluster is, over a switch too: `mode` and `epoch` of the decision
   * say in which. An entry of a Raft epoch carries no certificate: a receipt proves it. Throws as `BftCluster.propose`.
   */
  async proposeWithThreatDetection(value: StateMachineOp, options: CallOptions = {}): Promise<WatchedDecision> {
    const decision = await provenBy(this.node, await this.submit(value, options), options)
    return { ...decision, threatLevel: this.threatModel().threatLevel() }
  }

  threatModel(): ThreatModel {
    const report = () => this.node.status.threat ?? NO_THREAT
    return { report, threatLevel: () => report().level }
  }
}
