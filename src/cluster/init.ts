/**
 * Makes a cluster: keys for its nodes and its admin client, formatted data directories, and the
 * cluster file. That file is written last and atomically, so a directory either holds a whole cluster
 * or none; what an interrupted attempt had planned is kept beside it and finished by the next one.
 */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import { REPLICAS_MIN } from '../consensus/bft/replicas.js'
import {
  type ClientConfiguration,
  type ClusterConfiguration,
  type ClusterSettings,
  DEFAULT_SETTINGS,
  type MemberConfiguration,
} from '../consensus/configuration.js'
import { nodeId, type ProtocolName } from '../consensus/types.js'
import { uuidToBytes } from '../workflow/uuid.js'
import { CLIENTS_MAX, formatClusterFile, MEMBERS_MAX, parseClusterFile, readClusterFile } from './cluster-file.js'
import { formatMember } from './data-directories.js'
import { exists, readTextIfThere, writeFileAtomically } from './files.js'
import { chooseFreePorts } from './free-ports.js'
import { ADMIN_CLIENT, clusterPaths, nodePaths } from './layout.js'

/** Protocols that this version can run. */
export const AVAILABLE_PROTOCOLS: readonly ProtocolName[] = ['raft', 'pbft', 'hotstuff', 'hybrid']
export const DEFAULT_NODES = 3
export const LOCAL_ZONE = 'local'

export interface MemberPlan {
  readonly id: string
  /** host:port; null for a free loopback port. */
  readonly address: string | null
  readonly zone: string | null
  /** A key that was made on the member's own host; null to make one here. */
  readonly publicKey: Uint8Array | null
  /** Of two that could lead, the one with more shall; 0 if absent. */
  readonly priority?: number
}

export interface InitOptions {
  readonly dir: string
  readonly members: readonly MemberPlan[]
  readonly protocol?: ProtocolName
  readonly settings?: Partial<ClusterSettings>
  /** Clients besides the admin client. */
  readonly clients?: readonly ClientConfiguration[]
}

export interface InitializedCluster {
  readonly dir: string
  readonly clusterFile: string
  readonly configuration: ClusterConfiguration
  /** False when the directory held a cluster already; it was left alone. */
  readonly created: boolean
}

/** n1 … nN on free loopback ports. */
export function localMembers(count: number): MemberPlan[] {
  if (!Number.isSafeInteger(count) || count < 1 || count > MEMBERS_MAX) {
    throw new KnhkError('InvalidArgument', `a cluster has 1 to ${MEMBERS_MAX} members, not ${count}`)
  }
  return Array.from({ length: count }, (_, i) => ({ id: `n${i + 1}`, address: null, zone: null, publicKey: null }))
}

/**
 * Makes the cluster unless `dir` holds one. Throws `InvalidArgument` for a plan that is not valid,
 * `Refused` for a protocol that this version cannot run.
 */
export async function initCluster(options: InitOptions): Promise<InitializedCluster> {
  const dir = resolve(options.dir)
  const paths = clusterPaths(dir)
  const { clusterFile } = paths
  if (await exists(clusterFile)) {
    return { dir, clusterFile, configuration: await readClusterFile(clusterFile), created: false }
  }
  const text = (await readTextIfThere(paths.plan)) ?? (await makePlan(dir, options))
  await writeFileAtomically(paths.plan, text)
  const configuration = parseClusterFile(text, clusterFile)
  for (const { id } of configuration.members) {
    if (await exists(`${nodePaths(dir, id).key}.key`)) await formatMember(configuration, id, nodePaths(dir, id).data)
  }
  await writeFileAtomically(clusterFile, text)
  await rm(paths.plan, { force: true })
  return { dir, clusterFile, configuration, created: true }
}

/** The text of the cluster file that will be, with the keys it names on disk. */
async function makePlan(dir: string, options: InitOptions): Promise<string> {
  const protocol = options.protocol ?? 'raft'
  assertAvailable(protocol)
  checkPlan(options)
  checkMembers(protocol, options.members.length)
  const members = await makeMembers(dir, options.members)
  const admin = await keyAt(clusterPaths(dir).adminKey)
  const text = formatClusterFile({
    clusterId: uuidToBytes(randomUUID(), 'cluster id'),
    protocol,
    genesis: members,
    members,
    clients: [{ id: ADMIN_CLIENT, publicKey: admin.publicKey, role: 'admin' }, ...(options.clients ?? [])],
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
  })
  // Reading it back is the one check of names, duplicates and settings; keys are checked as points.
  await assertKeysAdmissible(parseClusterFile(text))
  return text
}

export function assertAvailable(protocol: ProtocolName): void {
  if (AVAILABLE_PROTOCOLS.includes(protocol)) return
  throw new KnhkError('InvalidArgument', `the protocol ${protocol} is not in this version`, {
    hint: `Available: ${AVAILABLE_PROTOCOLS.join(', ')}.`,
    details: { protocol },
  })
}

/** The smallest cluster of a protocol; one member may lie in that of a Byzantine one. */
export function nodesMin(protocol: ProtocolName): number {
  return protocol === 'raft' ? 1 : REPLICAS_MIN
}

/** Members of a new cluster of which nobody says how many. */
export function defaultNodes(protocol: ProtocolName): number {
  return Math.max(DEFAULT_NODES, nodesMin(protocol))
}

function checkMembers(protocol: ProtocolName, count: number): void {
  const needed = nodesMin(protocol)
  if (count >= needed) return
  const message = `${protocol} needs at least ${needed} nodes to bear one that lies, not ${count}`
  throw new KnhkError('InvalidArgument', message, { details: { protocol, nodes: count, needed } })
}

/** Every key of the configuration is a sound Ed25519 key: canonical, not of small order, torsion-free. */
export async function assertKeysAdmissible(configuration: ClusterConfiguration): Promise<void> {
  const { publicKeyProblem } = await import('../crypto/pure/public-key.js')
  for (const { id, publicKey } of [...configuration.genesis, ...configuration.members, ...configuration.clients]) {
    const problem = publicKeyProblem(publicKey)
    if (problem !== null)
      throw new KnhkError('InvalidClusterFile', `the public key of ${id} cannot be used: ${problem}`)
  }
}

function checkPlan({ members, clients = [] }: InitOptions): void {
  if (members.length < 1 || members.length > MEMBERS_MAX) {
    throw new KnhkError('InvalidArgument', `a cluster has 1 to ${MEMBERS_MAX} members, not ${members.length}`)
  }
  if (clients.length >= CLIENTS_MAX)
    throw new KnhkError('InvalidArgument', `a cluster file lists at most ${CLIENTS_MAX} clients`)
  const ids = new Set<string>()
  for (const { id } of members) {
    if (!/^[a-z0-9-]{1,64}$/.test(id))
      throw new KnhkError('InvalidArgument', `${JSON.stringify(id)} is no node id: a-z, 0-9 and -`)
    if (ids.has(id)) throw new KnhkError('InvalidArgument', `the node id ${id} is used twice`)
    ids.add(id)
  }
}

async function makeMembers(dir: string, plans: readonly MemberPlan[]): Promise<MemberConfiguration[]> {
  // Two for each: one for peers and clients, one for HTTP.
  const ports = await chooseFreePorts(2 * plans.filter((plan) => plan.address === null).length)
  const members: MemberConfiguration[] = []
  for (const plan of plans) {
    const address = plan.address ?? `127.0.0.1:${ports.shift()}`
    const http = plan.address === null ? { http: `127.0.0.1:${ports.shift()}` } : {}
    const publicKey = plan.publicKey ?? (await keyAt(nodePaths(dir, plan.id).key)).publicKey
    const preference = plan.priority === undefined ? {} : { priority: plan.priority }
    members.push({ id: nodeId(plan.id), publicKey, address, zone: plan.zone ?? LOCAL_ZONE, ...http, ...preference })
  }
  return members
}

/** The key pair at `path`, made if it is not there. */
export async function keyAt(path: string): Promise<{ publicKey: Uint8Array }> {
  const { loadKeyPair, writeKeyFiles } = await import('../crypto/key-files.js')
  if (await exists(`${path}.key`)) return loadKeyPair(path)
  const { generateKeyPair } = await import('../crypto/keys.js')
  const pair = await generateKeyPair()
  await writeKeyFiles(path, pair)
  return pair
}
