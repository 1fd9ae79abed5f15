/**
 * A cluster as one of its processes sees it: the node that runs here, with TLS and disk, and a client that reaches
 * all of them. What the protocols differ in stands in the classes made from this one.
 */
import { KnhkError } from '../base/error.js'
import type { CallOptions, Client, ClusterStatus, QueryAnswer, QueryOptions } from '../client/api.js'
import { connectClient } from '../client/index.js'
import { formatMember } from '../cluster/data-directories.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import { type Epoch, epoch, type LogIndex, logIndex, type NodeId, nodeId, type Term, term } from '../consensus/types.js'
import type { Logger } from '../node/ports.js'
import { type RunningNode, startNode } from '../node/start.js'
import type { PlannedCluster } from './config.js'
import type { LocalNode } from './local-node.js'
import { type ConsensusResult, Proposer } from './proposer.js'
import type { StateMachineOp } from './state-machine.js'

const TIMEOUT_MS = 10_000
const SILENT: Logger = { log: () => {} }

/** A snapshot of the applied state that a node keeps as a file. */
export interface Snapshot {
  /** SHA-256 of the file, hex. */
  readonly id: string
  readonly node: NodeId
  /** Of the last entry whose effects are in it. */
  readonly index: LogIndex
  readonly epoch: Epoch
  readonly term: Term
  readonly bytes: number
  /** Of everything replicated, and of the data alone; hex. */
  readonly stateDigest: string
  readonly dataDigest: string
}

/** What a class made from this one is made of. */
export interface StartedCluster<Node extends LocalNode> {
  readonly node: Node
  readonly client: Client
  readonly configuration: ClusterConfiguration
}

/**
 * Starts the node and connects the client. Resolves when the node listens; the others need not run yet. Throws what
 * `startNode` documents.
 */
export async function startCluster<Node extends LocalNode>(
  { config, configuration }: PlannedCluster,
  makeNode: (id: NodeId, running: RunningNode, timeoutMs: number) => Node,
): Promise<StartedCluster<Node>> {
  const { key, clientKey, dataDir, stateMachine, listen, disk, timeoutMs = TIMEOUT_MS } = config
  const id = nodeId(config.nodeId)
  await formatMember(configuration, id, dataDir)
  const running = await startNode({
    configuration,
    nodeId: id,
    dataDir,
    key,
    logger: config.logger ?? SILENT,
    version: 'embedded',
    http: config.http ?? null,
    ...(listen === undefined ? {} : { listen }),
    ...(disk === undefined ? {} : { disk }),
    ...(stateMachine === undefined ? {} : { extensions: stateMachine.extensions }),
  })
  const client = await connectClient({ configuration, key: clientKey, timeoutMs })
  return { node: makeNode(id, running, timeoutMs), client, configuration }
}

export abstract class EmbeddedCluster<Node extends LocalNode> {
  /** The node that runs here. */
  readonly node: Node
  /** For everything that has no method here: sessions of one's own, orders, queries. */
  readonly client: Client
  readonly configuration: ClusterConfiguration
  readonly #proposer: Proposer

  protected constructor({ node, client, configuration }: StartedCluster<Node>) {
    this.node = node
    this.client = client
    this.configuration = configuration
    this.#proposer = new Proposer(client)
  }

  /** As `LocalNode.waitForCommit` of the node that runs here. */
  waitForCommit(index: number, options?: Pick<CallOptions, 'timeoutMs' | 'signal'>): Promise<void> {
    return this.node.waitForCommit(index, options)
  }

  /** Asks the state machine, linearizably where nothing else is said; docs/concepts.md lists the queries. */
  query(name: string, args: Readonly<Record<string, unknown>> = {}, options?: QueryOptions): Promise<QueryAnswer> {
    return this.client.query(name, args, options)
  }

  /** Every member as it sees itself; one that does not answer is reported, not thrown. */
  status(options?: CallOptions): Promise<ClusterStatus> {
    return this.client.clusterStatus(options)
  }

  /**
   * Makes the node that runs here take a snapshot of what it has applied. Throws `NotPermitted` for clients that are
   * no operators, `ResourceExhausted` inside a long entry or while one is being written.
   */
  async snapshot(options: CallOptions = {}): Promise<Snapshot> {
    const call = { ...options, node: this.node.id }
    const { detail } = await this.client.order({ kind: 'takeSnapshot' }, call)
    const { value } = await this.client.query('snapshot.list', {}, { ...call, read: 'local' })
    const found = (value as readonly ListedSnapshot[]).find(({ id }) => id === detail?.id)
    if (found === undefined) throw new KnhkError('SnapshotGone', 'the snapshot was replaced by a newer one already')
    const { id, index, bytes, stateDigest, dataDigest } = found
    const position = { index: logIndex(index), epoch: epoch(found.epoch), term: term(found.term) }
    return { id, node: this.node.id, ...position, bytes, stateDigest, dataDigest }
  }

  /** Ends the session, the client's connections, and the node, cleanly. */
  async stop(): Promise<void> {
    await this.#proposer.close({ timeoutMs: CLOSE_TIMEOUT_MS })
    await this.client.close()
    await this.node.stop()
  }

  protected submit(operation: StateMachineOp, options: CallOptions): Promise<ConsensusResult> {
    return this.#proposer.propose(operation, options)
  }
}

/** For a session whose members may be gone already. */
const CLOSE_TIMEOUT_MS = 1_000

/** As `snapshot.list` answers it. */
interface ListedSnapshot {
  readonly id: string
  readonly index: number
  readonly epoch: number
  readonly term: number
  readonly bytes: number
  readonly stateDigest: string
  readonly dataDigest: string
}
