/**
 * All of a node's network: one listening port, the links to the other members, the clients. The node
 * sees three ports of its own, `PeerLinks`, `SnapshotLinks` and `ClientListener`; this file puts them
 * together. Who is connected to and admitted are the members of the cluster file first, and whoever
 * `PeerLinks.setMembers` names from then on.
 */

import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { NodeId } from '../consensus/types.js'
import type { ClientListener, Logger, PeerHello, PeerLinks, Random, SnapshotLinks } from '../node/ports.js'
import type { TraceLinks } from '../telemetry/spans.js'
import { TlsClientListener } from './client-listener.js'
import { type Hello, PROTOCOL_MAJOR, PROTOCOL_MINOR, type Welcome } from './handshake.js'
import { LimitedLog } from './limited-log.js'
import { Listener } from './listener.js'
import type { Peer } from './peer-link.js'
import { TlsPeerLinks } from './peer-links.js'
import { TlsSnapshotLinks } from './snapshot-links.js'
import type { TlsKey } from './tls.js'

export interface TransportOptions {
  readonly nodeId: NodeId
  readonly configuration: ClusterConfiguration
  /** 32 bytes; the same for as long as the cluster lives, whoever its members are. */
  readonly configHash: Uint8Array
  readonly key: TlsKey
  /** host:port to listen on; the member's own address when absent. */
  readonly listen?: string
  /** What this node says of itself, asked for at every handshake. */
  readonly hello: () => PeerHello
  /** Null admits; otherwise the code of the refusal. Identity, cluster and configuration are checked already. */
  readonly admitPeer: (hello: PeerHello) => ErrorCode | null
  readonly admitClient: (publicKey: Uint8Array) => ErrorCode | null
  /** When a link for snapshots counts as idle; 30,000. */
  readonly snapshotIdleMs?: number
  readonly random: Random
  readonly logger: Logger
}

export interface Transport {
  readonly peers: PeerLinks
  readonly snapshots: SnapshotLinks
  readonly clients: ClientListener
  readonly traces: TraceLinks
  /** Where it listens. */
  readonly port: number
  /** Ends every link and stops listening. */
  close(): Promise<void>
}

/**
 * Listens and starts to dial the other members. Set the handlers of all three ports in the same
 * turn in which the promise resolves: nothing arrives before. Throws `AddressInUse`,
 * `InvalidArgument`, or `IdentityMismatch` when the key is not the one of `nodeId`.
 */
export async function openTransport(options: TransportOptions): Promise<Transport> {
  const { nodeId, configuration, configHash, key } = options
  const self = configuration.members.find((member) => member.id === nodeId)
  if (self === undefined) throw new KnhkError('IdentityMismatch', `${nodeId} is no member of this cluster`)
  if (toHex(self.publicKey) !== toHex(key.publicKey)) {
    throw new KnhkError('IdentityMismatch', `the key is not the one that the cluster file lists for ${nodeId}`)
  }
  const log = new LimitedLog(options.logger)
  const version = { major: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR }
  const hello = (): Hello => ({ version, clusterId: configuration.clusterId, configHash, ...options.hello() })
  let memberByKey: ReadonlyMap<string, NodeId> = new Map()
  const shared = { key, clusterId: configuration.clusterId, configHash, hello, random: options.random, log }
  const { snapshotIdleMs } = options
  const snapshots = new TlsSnapshotLinks({
    ...shared,
    ...(snapshotIdleMs === undefined ? {} : { idleMs: snapshotIdleMs }),
  })
  const peers = new TlsPeerLinks({
    ...shared,
    onMembers: (members: readonly Peer[]) => {
      memberByKey = new Map(members.map((member) => [toHex(member.publicKey), member.id]))
      snapshots.setMembers(members)
    },
  })
  const clients = new TlsClientListener(log)
  const welcome: Welcome = hello()
  const listener = new Listener({
    key,
    welcome,
    memberOf: (publicKey) => memberByKey.get(toHex(publicKey)) ?? null,
    admitPeer: options.admitPeer,
    admitClient: options.admitClient,
    onPeer: (peer, connection) => peers.accept(peer, connection),
    onSnapshotPeer: (peer, connection) => snapshots.accept(peer, connection),
    onClient: (publicKey, connection) => clients.accept(publicKey, connection),
    log,
  })
  const port = await listener.listen(options.listen ?? self.address)
  peers.setMembers(configuration.members.filter((member) => member.id !== nodeId))
  return {
    peers,
    snapshots,
    clients,
    traces: peers,
    port,
    close: async () => {
      await peers.close()
      snapshots.close()
      await clients.close()
      await listener.close()
    },
  }
}
