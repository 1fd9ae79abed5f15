/**
 * Starts a production node: storage, network, then the loop. Whoever starts it waits for `stopped`,
 * which tells whether the node ended cleanly or had to stop.
 */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { Entry } from '../consensus/entry.js'
import type { LogIndex, NodeId } from '../consensus/types.js'
import { importPrivateKey, sign } from '../crypto/keys.js'
import { sha256 } from '../crypto/sha256.js'
import { DataDisk, DEFAULT_DISK, segmentBytesFor } from '../storage/data-disk.js'
import { type NodeStorage, openNodeStorage } from '../storage/node-storage.js'
import { realFiles } from '../storage/real-files.js'
import type { ConsensusMetrics } from '../telemetry/consensus-metrics.js'
import type { NodeFacts } from '../telemetry/facts.js'
import { NodeTelemetry } from '../telemetry/node-telemetry.js'
import { openTransport, type Transport } from '../transport/transport.js'
import { uuidFromBytes } from '../workflow/uuid.js'
import { type ComposedNode, composeNode, configurationHash, type Extensions } from './compose.js'
import type { NodeLimits } from './limits.js'
import type { NodePorts } from './node-options.js'
import { poolVerifier } from './pool-verifier.js'
import type { DiskSettings, Logger, PeerHello } from './ports.js'
import { realClock, realRandom, realScheduler } from './real-ports.js'

const DEFAULT_HTTP: HttpAddress = { host: '127.0.0.1', port: 0 }

export interface StartOptions {
  readonly configuration: ClusterConfiguration
  readonly nodeId: NodeId
  readonly dataDir: string
  readonly key: { readonly publicKey: Uint8Array; readonly privateKeyPem: string; readonly certificatePem: string }
  readonly logger: Logger
  /** Shown by `status`. */
  readonly version: string
  /** host:port instead of the member's own address, for hosts behind a translation. */
  readonly listen?: string
  readonly limits?: Partial<NodeLimits>
  /** How much of the disk it may take; what is absent is as in `DEFAULT_DISK`. */
  readonly disk?: Partial<DiskSettings>
  /** Where the HTTP port is, port 0 for a free one; null for none. A free loopback port when absent. */
  readonly http?: HttpAddress | null
  /** Custom operations and rule types of the program. */
  readonly extensions?: Extensions
  /** What stands between the node and the world, instead of the ports as they are: for tools that observe or disturb. */
  readonly dress?: Dress
}

/** `configHash`: of the configuration that the node's core is in. */
export type Dress = (
  ports: NodePorts,
  identity: { readonly configHash: () => Uint8Array; readonly privateKeyPem: string },
) => NodePorts

export interface HttpAddress {
  readonly host: string
  readonly port: number
}

export interface RunningNode {
  readonly port: number
  /** Resolves when the node has stopped: null after a clean stop, the error otherwise. */
  readonly stopped: Promise<KnhkError | null>
  /** `http://host:port` of its HTTP port; null where none is open. */
  readonly httpUrl: string | null
  /** What it counted since its start. */
  metrics(): ConsensusMetrics
  /** What it knows of itself now: role, positions, members. */
  facts(): NodeFacts
  /** The entry at an index, with its certificate; null where its log does not hold it, yet or any more. */
  entry(index: LogIndex): Promise<Entry | null>
  /** Stops cleanly: answers what it can, seals the log. */
  stop(): Promise<void>
}

/**
 * Resolves when the node listens. Throws what storage and transport document: `DataDirectoryLost`,
 * `DataDirectoryLocked`, `IdentityMismatch`, `UnsupportedFormat`, `StorageFailed`, `AddressInUse`.
 */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const { configuration, nodeId, logger } = options
  let reportStopped: (error: KnhkError | null) => void = () => {}
  const stopped = new Promise<KnhkError | null>((resolve) => {
    reportStopped = resolve
  })
  const telemetry = makeTelemetry(options)
  const files = realFiles()
  const disk = new DataDisk(files, options.dataDir, { ...DEFAULT_DISK, ...options.disk })
  const onFatal = (error: unknown) => {
    const known =
      error instanceof KnhkError ? error : new KnhkError('Bug', 'the node failed unexpectedly', { cause: error })
    const stack = error instanceof Error ? (error.stack ?? null) : null
    logger.log('error', 'the node stops', { code: known.code, message: known.message, hint: known.hint, stack })
    void telemetry.stop()
    void disk.leave(known).then(() => reportStopped(known))
  }
  const { privateKey } = importPrivateKey(options.key.privateKeyPem)
  const signer = (bytes: Uint8Array) => sign(privateKey, bytes)
  let node: ComposedNode | undefined
  await disk.prepareStart()
  const storage = await openNodeStorage({
    files,
    path: options.dataDir,
    segmentBytesMax: segmentBytesFor(disk.settings),
    clusterId: configuration.clusterId,
    nodeId,
    nextTurn: realScheduler.nextTurn,
    onFailed: onFatal,
    onFlushed: () => node?.loop.wake(),
  }).catch(async (error: unknown) => {
    await disk.leave(error)
    throw error
  })
  reportStorage(storage, logger)
  try {
    const transport = await openTransport({
      nodeId,
      configuration,
      configHash: configurationHash(sha256, configuration, options.extensions),
      key: options.key,
      ...(options.listen === undefined ? {} : { listen: options.listen }),
      hello: () => hello(nodeId, storage, node),
      admitPeer: (peer) => admitPeer(peer, storage, logger, onFatal),
      admitClient: (publicKey) => admitClient(publicKey, node),
      random: realRandom,
      logger,
    })
    try {
      const ports = {
        clock: realClock,
        scheduler: realScheduler,
        random: realRandom,
        peers: transport.peers,
        clients: transport.clients,
        log: storage.log,
        state: storage.state,
        snapshots: storage.snapshots,
        snapshotLinks: transport.snapshots,
        logger: telemetry.logger,
        observer: telemetry.observer,
        sha256,
        verifier: configuration.protocol === 'raft' ? null : poolVerifier(),
        evidence: storage.evidence,
        epochs: storage.epochs,
        disk,
      }
      const { version, limits = {}, extensions = {} } = options
      const selfKnowledge = () => ({ http: telemetry.httpUrl, notReady: telemetry.notReady })
      const configHash = () => node?.core.configHash() ?? configurationHash(sha256, configuration, options.extensions)
      const dressed = options.dress?.(ports, { configHash, privateKeyPem: options.key.privateKeyPem }) ?? ports
      node = await composeNode(
        { configuration, self: nodeId, version, limits, sign: signer, extensions, selfKnowledge, onFatal },
        dressed,
      )
      await attach(telemetry, node, transport)
      node.loop.start()
      await telemetry.listen(options.http === undefined ? DEFAULT_HTTP : options.http)
    } catch (error) {
      await transport.close()
      throw error
    }
    const { loop } = node
    logger.log('info', 'node started', {
      address: options.listen ?? '',
      port: transport.port,
      version: options.version,
      http: telemetry.httpUrl,
    })
    return {
      port: transport.port,
      stopped,
      httpUrl: telemetry.httpUrl,
      metrics: () => telemetry.metrics(),
      facts: () => loop.facts(),
      entry: async (index) => (await storage.log.read(index, 1)).find((entry) => entry.index === index) ?? null,
      stop: async () => {
        try {
          await loop.stop()
          await transport.close()
          await telemetry.stop()
        } catch (error) {
          onFatal(error)
          return
        }
        logger.log('info', 'node stopped')
        reportStopped(null)
      },
    }
  } catch (error) {
    await storage.close()
    throw error
  }
}

function makeTelemetry({ configuration, nodeId, version, logger }: StartOptions): NodeTelemetry {
  const { clusterId, protocol, settings } = configuration
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = settings
  const times = { electionTimeoutMinMs, electionTimeoutMaxMs, nowMs: realClock.monotonicMs }
  return new NodeTelemetry({ nodeId, clusterId: uuidFromBytes(clusterId), protocol, version, logger, ...times })
}

async function attach(telemetry: NodeTelemetry, { loop }: ComposedNode, transport: Transport): Promise<void> {
  const source = { facts: () => loop.facts(), status: () => plainStatus(loop.describe()), traceLinks: transport.traces }
  await telemetry.attach(source, process.env)
}

/** The status as JSON can hold it. */
function plainStatus(status: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const plain = (value: unknown) => (value instanceof Uint8Array ? toHex(value) : value)
  return Object.fromEntries(Object.entries(status).map(([name, value]) => [name, plain(value)]))
}

function hello(nodeId: NodeId, storage: NodeStorage, node: ComposedNode | undefined): PeerHello {
  const { hardState } = storage.log.restored
  const status = node?.core.status()
  return {
    nodeId,
    incarnation: storage.directory.identity.incarnation,
    epoch: status?.epoch ?? hardState.epoch,
    term: status?.term ?? hardState.term,
    lastIndex: storage.log.lastIndex,
  }
}

/** Until the state is there nobody can be known, and no loop would hear what the client says. */
function admitClient(publicKey: Uint8Array, node: ComposedNode | undefined): ErrorCode | null {
  if (node === undefined) return 'Unreachable'
  return node.machine.roleOf(publicKey) === null ? 'UnknownKey' : null
}

/** A member that shows another incarnation lost its disk, and with it its promises: it must not take part. */
function admitPeer(
  peer: PeerHello,
  storage: NodeStorage,
  logger: Logger,
  onFatal: (error: unknown) => void,
): ErrorCode | null {
  const standing = storage.knownPeers.standing(peer.nodeId, peer.incarnation)
  if (standing === 'known') return null
  if (standing === 'different') {
    logger.log('error', 'refused a member that came back with another data directory', { peer: peer.nodeId })
    return 'DataDirectoryLost'
  }
  storage.knownPeers.remember(peer.nodeId, peer.incarnation).catch(onFatal)
  return null
}

function reportStorage(storage: NodeStorage, logger: Logger): void {
  const { report, restored } = storage.log
  for (const { index, segment, offset, kind } of report.problems) {
    logger.log('error', 'the log is damaged: this node neither votes nor leads', { index, segment, offset, kind })
  }
  if (report.cutTail !== null) {
    const { segment, offset, bytes } = report.cutTail
    logger.log('warn', 'cut a half-written frame off the log', { segment, offset, bytes })
  }
  for (const { name, code, message } of storage.snapshots.problems) {
    logger.log('error', 'a snapshot file is unusable and was put aside', { file: name, code, message })
  }
  if (storage.loaded !== null) {
    logger.log('info', 'the applied state was loaded from a snapshot', { index: storage.loaded.base.index })
  }
  if (storage.droppedBase !== null) {
    logger.log('error', 'the log was dropped: the state before it is gone, and so are the snapshots of it', {
      index: storage.droppedBase,
    })
  }
  if (storage.state.rebuilt !== null) {
    logger.log('warn', 'the applied state is rebuilt from the log', { reason: storage.state.rebuilt })
  }
  logger.log('info', 'storage opened', {
    lastIndex: restored.lastIndex,
    appliedIndex: storage.state.appliedIndex,
    term: restored.hardState.term,
  })
}
