/** A simulated cluster: nodes, network and clients under one seed. */
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import { type ClusterSettings, DEFAULT_SETTINGS } from '../consensus/configuration.js'
import type { Sha256 } from '../consensus/entry.js'
import { type NodeId, nodeId, type ProtocolName } from '../consensus/types.js'
import type { NodeLimits } from '../node/limits.js'
import type { CoreLimits } from '../node/make-core.js'
import type { Logger } from '../node/ports.js'
import { SEGMENT_BYTES_MAX } from '../storage/segment-header.js'
import { EventQueue } from './event-queue.js'
import { SimulatedNetwork } from './network.js'
import { type DiskOf, type NodeWatch, SimulatedNode } from './node.js'
import { SeededRandom } from './random.js'
import { ed25519, keyedHashes, type SignatureScheme } from './signatures.js'
import { Trace, type TraceEvent } from './trace.js'

export interface SimulatedClusterOptions {
  readonly seed: number
  /** Members before the first entry. */
  readonly nodes: number
  /** Nodes beside them that run and belong to nothing until they are added; 0 if absent. */
  readonly spares?: number
  readonly settings?: Partial<ClusterSettings>
  /** How fast each node's clock goes, in thousandths; 1000 where absent. */
  readonly clockSpeeds?: readonly number[]
  /** Where each node stands on a line, in milliseconds of a message's way; all in one place where absent. */
  readonly placesMs?: readonly number[]
  /** The zone of each node; all in one where absent. */
  readonly zones?: readonly string[]
  /** How much each node is preferred as leader; 0 where absent. */
  readonly priorities?: readonly number[]
  readonly sha256: Sha256
  readonly limits?: Partial<NodeLimits>
  readonly coreLimits?: CoreLimits
  /** Plain Raft where absent. */
  readonly protocol?: ProtocolName
  readonly logger?: Logger
  /** Bytes of a log segment; 64 MiB if absent. */
  readonly segmentBytesMax?: number
  /** How long the check of a signature takes at most; 0 if absent. */
  readonly verifyMaxMs?: number
  /** How many members may be hurt at a time; a minority of the first members if absent. */
  readonly bearable?: number
  /** The disk of each node, whose limits it keeps; without limits if absent. */
  readonly diskOf?: DiskOf
  /** Members and clients sign with Ed25519; with a keyed hash if absent. */
  readonly realSignatures?: boolean
  /** Gets every event. */
  readonly onTrace?: (event: TraceEvent) => void
}

const SILENT: Logger = { log: () => {} }

/** Names the one client, and is its key where signatures are simulated; the simulated links do not check any. */
export const SIMULATED_CLIENT_KEY: Uint8Array = new Uint8Array(32).fill(0xc1)

export class SimulatedCluster {
  readonly queue = new EventQueue()
  readonly network: SimulatedNetwork
  readonly nodes: readonly SimulatedNode[]
  readonly configuration: ClusterConfiguration
  readonly sha256: Sha256
  readonly signatures: SignatureScheme
  /** Of the one client. */
  readonly clientKey: Uint8Array
  /** Null where nobody looks. */
  readonly trace: Trace | null
  /** Looks into nodes that are started from now on. */
  watch: NodeWatch | null = null
  /** How many members may be hurt at a time, whatever the configuration: none has fewer voters than the first. */
  readonly bearable: number

  constructor(options: SimulatedClusterOptions) {
    this.trace = options.onTrace === undefined ? null : new Trace(this.queue, options.onTrace)
    this.network = new SimulatedNetwork(this.queue, new SeededRandom(options.seed, 0))
    this.network.trace = this.trace
    const settings = { ...DEFAULT_SETTINGS, ...options.settings }
    this.sha256 = options.sha256
    this.signatures = options.realSignatures === true ? ed25519() : keyedHashes(options.sha256)
    this.configuration = simulatedConfiguration(options, settings, this.signatures.publicKeyOf)
    this.clientKey = this.signatures.publicKeyOf(SIMULATED_CLIENT_KEY)
    this.bearable = options.bearable ?? Math.floor((options.nodes - 1) / 2)
    this.configuration.members.forEach(({ id }, at) => {
      this.network.place(id, options.placesMs?.[at] ?? 0)
    })
    const { queue, network, trace, signatures } = this
    const world = { queue, network, sha256: options.sha256, signatures, trace, watch: () => this.watch }
    this.nodes = this.configuration.members.map(
      ({ id }, at) =>
        new SimulatedNode(
          {
            id,
            configuration: this.configuration,
            seed: options.seed,
            clockSpeed: (options.clockSpeeds?.[at] ?? 1000) / 1000,
            limits: options.limits ?? {},
            coreLimits: options.coreLimits ?? {},
            logger: options.logger ?? SILENT,
            segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_MAX,
            verifyMaxMs: options.verifyMaxMs ?? 0,
            diskOf: options.diskOf ?? null,
          },
          world,
        ),
    )
  }

  /** Starts every node that is down. Disks take simulated time, so time has to pass meanwhile. */
  async start(): Promise<void> {
    await this.finish(Promise.all(this.nodes.filter((node) => node.running === null).map((node) => node.start())))
  }

  /** Lets time pass until the promise settles; fails with `DeadlineExceeded` after `limitMs` of simulated time. */
  async finish<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    promise.then(mark, mark)
    if (!(await this.run(limitMs, () => settled))) {
      throw new KnhkError('DeadlineExceeded', `nothing came of it within ${limitMs} simulated milliseconds`)
    }
    return promise
  }

  /** Runs for so long at most; true as soon as `done` holds. */
  run(durationMs: number, done?: () => boolean): Promise<boolean> {
    return this.queue.run(this.queue.nowMs + durationMs, done)
  }

  node(id: NodeId): SimulatedNode {
    return this.nodes.find((node) => node.id === id) as SimulatedNode
  }

  /** Who leads in the newest epoch, and there in the highest term, view or round; null when nobody does. */
  leader(): SimulatedNode | null {
    let found: SimulatedNode | null = null
    let newest = { epoch: -1, turn: -1 }
    for (const node of this.nodes) {
      const status = node.running?.core.status()
      if (status?.role !== 'leader') continue
      const { epoch } = status
      const turn = status.view ?? status.round ?? status.term
      if (epoch < newest.epoch || (epoch === newest.epoch && turn <= newest.turn)) continue
      found = node
      newest = { epoch, turn }
    }
    return found
  }
}

/** The members n1 … of one cluster, and one client. */
export function simulatedConfiguration(
  {
    nodes,
    spares = 0,
    protocol = 'raft',
    zones = [],
    priorities = [],
  }: Pick<SimulatedClusterOptions, 'nodes' | 'spares' | 'protocol' | 'zones' | 'priorities'>,
  settings: ClusterSettings = DEFAULT_SETTINGS,
  publicKeyOf: SignatureScheme['publicKeyOf'] = (name) => name,
): ClusterConfiguration {
  const members = Array.from({ length: nodes + spares }, (_, i) => ({
    id: nodeId(`n${i + 1}`),
    publicKey: publicKeyOf(new Uint8Array(32).fill(i + 1)),
    address: `n${i + 1}:1`,
    zone: zones[i] ?? 'z1',
    priority: priorities[i] ?? 0,
  }))
  return {
    clusterId: new Uint8Array(16).fill(0x5c),
    protocol,
    genesis: members.slice(0, nodes),
    members,
    clients: [{ id: 'client', publicKey: publicKeyOf(SIMULATED_CLIENT_KEY), role: 'admin' }],
    settings,
  }
}
