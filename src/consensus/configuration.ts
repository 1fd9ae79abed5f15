/**
 * What all members of a cluster agree on before the first entry: who they are, which clients may do
 * what, and the settings that must be equal everywhere. Its hash travels in every header and every
 * handshake, so nodes that differ cannot talk past each other.
 */
import { ByteWriter } from '../base/bytes.js'
import type { Sha256 } from './entry.js'
import type { LogIndex, Millis, NodeId, ProtocolName } from './types.js'

export type ClientRole = 'reader' | 'writer' | 'operator' | 'admin'
export const CLIENT_ROLES: readonly ClientRole[] = ['reader', 'writer', 'operator', 'admin']

export interface MemberConfiguration {
  readonly id: NodeId
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** host:port where peers and clients connect. */
  readonly address: string
  readonly zone: string
  /** host:port where this member's own HTTP port is, or `off`; a free loopback port when absent. */
  readonly http?: string
  /** Plain Raft: of two that could lead, the one with more does; 0 to `PRIORITY_MAX`, 0 where absent. */
  readonly priority?: number
}

export const PRIORITY_MAX = 100

export interface ClientConfiguration {
  readonly id: string
  readonly publicKey: Uint8Array
  readonly role: ClientRole
}

export interface ClusterSettings {
  readonly electionTimeoutMinMs: Millis
  readonly electionTimeoutMaxMs: Millis
  readonly heartbeatIntervalMs: Millis
  /**
   * How far two clocks may drift apart within an election time-out, the bound that leader leases rest
   * on; null without leases.
   */
  readonly leaseDriftMs: Millis | null
  /**
   * Byzantine protocols: how long a request that is known may wait before whoever proposes is given up; grows
   * with each that fails. Null for the protocol's own.
   */
  readonly requestTimeoutMs: Millis | null
  /** … up to this. */
  readonly requestTimeoutMaxMs: Millis | null
  /** HotStuff: certified blocks in a row that commit the first of them; null for its own rule. */
  readonly commitRule: 2 | 3 | null
  /** Hybrid: how long a Byzantine epoch lasts at least; null for 30 seconds. */
  readonly residencyMs: Millis | null
  /** Plain Raft: in how many zones an entry is held before it is committed; null for any. */
  readonly commitZones: 2 | null
  /** Plain Raft: zones where the leader shall stand, the first before the others; null for anywhere. */
  readonly preferredZones: readonly string[] | null
}

export interface ClusterConfiguration {
  /** 16 bytes; shown as a UUID. */
  readonly clusterId: Uint8Array
  readonly protocol: ProtocolName
  /** Ordered. The members before the first entry of the log: the configuration at index 0. */
  readonly genesis: readonly MemberConfiguration[]
  /** The members now, as far as the cluster file knows: whom to connect to. The log knows better. */
  readonly members: readonly MemberConfiguration[]
  readonly clients: readonly ClientConfiguration[]
  readonly settings: ClusterSettings
  /** What its log follows where it began with the state of another cluster; absent where it began with nothing. */
  readonly origin?: ClusterOrigin
}

/** A place in a log. */
export interface ClusterOrigin {
  readonly index: LogIndex
  /** chain(index), 32 bytes. */
  readonly chain: Uint8Array
  readonly timestampMs: Millis
}

const REQUEST_TIMEOUT_MS: Millis = 2_000
export const REQUEST_TIMEOUT_MAX_MS: Millis = 10_000

/** The time-outs of requests under a Byzantine protocol, as set or as they are by default. */
export function requestTimeouts({ requestTimeoutMs, requestTimeoutMaxMs }: ClusterSettings): {
  readonly shortestMs: Millis
  readonly longestMs: Millis
} {
  return {
    shortestMs: requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    longestMs: requestTimeoutMaxMs ?? REQUEST_TIMEOUT_MAX_MS,
  }
}

const RESIDENCY_MS: Millis = 30_000

/** How long a Byzantine epoch of a hybrid cluster lasts at least. */
export function residencyOf({ residencyMs }: ClusterSettings): Millis {
  return residencyMs ?? RESIDENCY_MS
}

export const DEFAULT_SETTINGS: ClusterSettings = {
  electionTimeoutMinMs: 150,
  electionTimeoutMaxMs: 300,
  heartbeatIntervalMs: 50,
  leaseDriftMs: null,
  requestTimeoutMs: null,
  requestTimeoutMaxMs: null,
  commitRule: null,
  residencyMs: null,
  commitZones: null,
  preferredZones: null,
}

/**
 * Hash of everything that must be equal on every node. Addresses and zones stay outside: they may
 * change, or differ by point of view (NAT), without changing who decides; so does who is preferred as
 * leader, and so do members that came or went later: the log says who they are, and the hash is the
 * cluster's for as long as it lives.
 * `handlersHash` is the hash of the state machine's handler set, 32 bytes.
 */
export function hashConfiguration(
  sha256: Sha256,
  configuration: ClusterConfiguration,
  handlersHash: Uint8Array,
): Uint8Array {
  const out = new ByteWriter(1024)
  out.text('knhk/configuration/1').raw(configuration.clusterId).text(configuration.protocol)
  out.u32(configuration.genesis.length)
  for (const member of configuration.genesis) out.text(member.id).raw(member.publicKey)
  out.u32(configuration.clients.length)
  for (const client of configuration.clients) out.text(client.id).raw(client.publicKey).text(client.role)
  const { settings } = configuration
  out.u64(settings.electionTimeoutMinMs).u64(settings.electionTimeoutMaxMs).u64(settings.heartbeatIntervalMs)
  out.raw(handlersHash)
  // At the end and only where they are set: clusters without them keep the hash they were made with.
  for (const name of [
    'leaseDriftMs',
    'requestTimeoutMs',
    'requestTimeoutMaxMs',
    'commitRule',
    'residencyMs',
    'commitZones',
  ] as const) {
    const value = settings[name]
    if (value !== null) out.text(name).u64(value)
  }
  return sha256(out.finish())
}
