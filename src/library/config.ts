/**
 * What a program says of the node that it runs, and the configuration of the cluster that follows from it. Every
 * process of a cluster says the same but for its own node id, key, data directory and addresses; then all of them
 * come to the same cluster id and configuration hash, and nodes that differ cannot talk past each other.
 */

import { ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ClientKey } from '../client/api.js'
import { formatClusterFile, parseClusterFile } from '../cluster/cluster-file.js'
import { assertAvailable, assertKeysAdmissible, nodesMin } from '../cluster/init.js'
import {
  type ClientConfiguration,
  type ClusterConfiguration,
  type ClusterSettings,
  DEFAULT_SETTINGS,
} from '../consensus/configuration.js'
import { nodeId, type ProtocolName } from '../consensus/types.js'
import { sha256 } from '../crypto/sha256.js'
import type { DiskSettings, Logger } from '../node/ports.js'
import type { HttpAddress } from '../node/start.js'
import type { ReplicatedStateMachine } from './state-machine.js'

/** A member of the cluster, this process's own one included. */
export interface PeerConfig {
  /** 1 to 64 of a-z, 0-9 and -. */
  readonly id: string
  /** host:port where members and clients connect. */
  readonly address: string
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Where it stands, for placement and people; `default` if absent. */
  readonly zone?: string
  /** Plain Raft: of two that could lead, the one with more shall; 0 to 100, 0 if absent. */
  readonly priority?: number
}

/** What every protocol needs. Times in milliseconds. */
export interface ConsensusConfig {
  /** Which of `peers` this process is. */
  readonly nodeId: string
  /** All members before the first entry of the log, in one order everywhere. */
  readonly peers: readonly PeerConfig[]
  /** The node's own key: TLS, and in Byzantine protocols its signatures. */
  readonly key: ClientKey
  /** Directory of the node, made if it is not there: log, state, snapshots, identity. */
  readonly dataDir: string
  /** Who may do what from the first entry on; the same everywhere. A client's key is no member's. */
  readonly clients: readonly ClientConfiguration[]
  /** As which client this process proposes and asks. */
  readonly clientKey: ClientKey
  /** Tells clusters with the same members apart; `default` if absent. */
  readonly clusterName?: string
  /** Operations of the program's own. */
  readonly stateMachine?: ReplicatedStateMachine
  /** host:port to listen on instead of the member's address, for hosts behind a translation. */
  readonly listen?: string
  /** Where metrics and probes are served, port 0 for a free one; nowhere if absent. */
  readonly http?: HttpAddress
  /** How much of the disk the node may take; what is absent is the default of `knhk node start`. */
  readonly disk?: Partial<DiskSettings>
  /** Gets structured log lines; nobody if absent. */
  readonly logger?: Logger
  /** Deadline of every call that names none; 10,000. */
  readonly timeoutMs?: number
}

/** A configuration that can be run: valid, and the same in every process. */
export interface PlannedCluster {
  readonly configuration: ClusterConfiguration
  readonly config: ConsensusConfig
}

/** Undefined for the default. */
type GivenSettings = { readonly [Name in keyof ClusterSettings]?: ClusterSettings[Name] | undefined }

/**
 * Throws `InvalidArgument` where this process is none of the peers, has another key, or the protocol needs more of
 * them, and `InvalidClusterFile` for names, addresses, keys or settings that a cluster file could not hold either.
 */
export async function planCluster(
  config: ConsensusConfig,
  protocol: ProtocolName,
  given: GivenSettings,
): Promise<PlannedCluster> {
  assertAvailable(protocol)
  const { peers, clients } = config
  const needed = nodesMin(protocol)
  if (peers.length < needed) {
    const details = { protocol, nodes: peers.length, needed }
    throw new KnhkError('InvalidArgument', `${protocol} needs at least ${needed} peers, not ${peers.length}`, {
      details,
    })
  }
  const members = peers.map(({ id, address, publicKey, zone, priority }) => ({
    id: nodeId(id),
    address,
    publicKey,
    zone: zone ?? 'default',
    ...(priority === undefined ? {} : { priority }),
  }))
  const draft = { protocol, genesis: members, members, clients, settings: settingsOf(given) }
  // Writing and reading it is the one check of names, duplicates and settings.
  const configuration = parseClusterFile(formatClusterFile({ ...draft, clusterId: clusterIdOf(config, protocol) }))
  await assertKeysAdmissible(configuration)
  requireOwn(config)
  return { configuration, config }
}

function settingsOf(given: GivenSettings): ClusterSettings {
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...DEFAULT_SETTINGS, ...said }
}

function requireOwn({ nodeId: id, peers, key, clients, clientKey }: ConsensusConfig): void {
  const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b)
  const own = peers.find((peer) => peer.id === id)
  if (own === undefined || !isSame(own.publicKey, key.publicKey)) {
    const why = own === undefined ? 'is none of the peers' : 'has another key among the peers'
    throw new KnhkError('InvalidArgument', `the node ${JSON.stringify(id)} ${why}`, { details: { node: id } })
  }
  if (!clients.some((client) => isSame(client.publicKey, clientKey.publicKey)))
    throw new KnhkError('InvalidArgument', 'the client key is that of none of the clients')
}

/** The same in every process that says the same: name, protocol, and who the members are at the beginning. */
function clusterIdOf({ clusterName = 'default', peers }: ConsensusConfig, protocol: ProtocolName): Uint8Array {
  const out = new ByteWriter(256).text('knhk/library/cluster/1').text(clusterName).text(protocol).u32(peers.length)
  for (const { id, publicKey } of peers) out.text(id).bytes(publicKey)
  const id = sha256(out.finish()).slice(0, 16)
  // A UUID of version 8 (RFC 9562, section 5.8).
  id[6] = 0x80 | ((id[6] as number) & 0x0f)
  id[8] = 0x80 | ((id[8] as number) & 0x3f)
  return id
}
