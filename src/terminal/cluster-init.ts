/**
 * `cluster init`: from flags to the plan of a cluster, and what to say of it. init-wizard.ts asks instead.
 */
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import {
  defaultNodes,
  type InitializedCluster,
  type InitOptions,
  localMembers,
  type MemberPlan,
} from '../cluster/init.js'
import {
  type ClusterSettings,
  DEFAULT_SETTINGS,
  PRIORITY_MAX,
  REQUEST_TIMEOUT_MAX_MS,
} from '../consensus/configuration.js'
import type { ProtocolName } from '../consensus/types.js'
import { formatPublicKey, parsePublicKey } from '../crypto/key-encoding.js'
import { loadPublicKey } from '../crypto/key-files.js'
import { uuidFromBytes } from '../workflow/uuid.js'
import { parseDuration } from './durations.js'
import type { Output } from './printer.js'

const HEARTBEATS_PER_TIMEOUT = 3

export interface InitFlags {
  readonly dir?: string | undefined
  readonly nodes?: number | undefined
  readonly member?: readonly string[] | undefined
  readonly 'member-key'?: readonly string[] | undefined
  readonly zone?: readonly string[] | undefined
  readonly protocol: ProtocolName
  readonly 'election-timeout'?: string | undefined
  readonly 'lease-drift'?: string | undefined
  readonly 'request-timeout'?: string | undefined
  readonly residency?: string | undefined
  readonly 'commit-rule'?: number | undefined
  readonly 'commit-zones'?: number | undefined
  readonly 'prefer-zone'?: readonly string[] | undefined
  readonly priority?: readonly string[] | undefined
}

/** Throws `Usage` or `InvalidArgument` that names the flag. */
export async function initOptions(flags: InitFlags): Promise<InitOptions> {
  if (flags.dir === undefined)
    throw new KnhkError('Usage', 'missing: --dir', { hint: 'Say where to make the cluster: --dir DIR.' })
  const members =
    flags.member === undefined
      ? localMembers(flags.nodes ?? defaultNodes(flags.protocol))
      : flags.member.map(parseMember)
  const keys = pairs(flags['member-key'] ?? [], '--member-key', members)
  const zones = pairs(flags.zone ?? [], '--zone', members)
  const priorities = pairs(flags.priority ?? [], '--priority', members)
  const settings = settingsOf(flags)
  return {
    dir: flags.dir,
    protocol: flags.protocol,
    members: await Promise.all(
      members.map(async (member) => ({
        ...member,
        zone: zones.get(member.id) ?? null,
        ...priorityOf(priorities.get(member.id)),
        publicKey: await readKey(keys.get(member.id)),
      })),
    ),
    settings,
  }
}

export function initOutput({ dir, clusterFile, configuration, created }: InitializedCluster): Output {
  const clusterId = uuidFromBytes(configuration.clusterId)
  const members = configuration.members.map(({ id, address, zone, publicKey }) => ({
    id: id as string,
    address,
    zone,
    publicKey: formatPublicKey(publicKey),
  }))
  return {
    value: { clusterId, dir, clusterFile, protocol: configuration.protocol, created, members },
    items: members,
    ids: [clusterId],
    text: async ({ fields, table }) => {
      const head = fields([
        ['cluster', clusterId],
        ['file', clusterFile],
        ['protocol', configuration.protocol],
      ])
      const rows = members.map(({ id, address, zone, publicKey }) => [id, address, zone, publicKey])
      const listed = `${head}\n${await table(['node', 'address', 'zone', 'public key'], rows)}`
      return members.every(({ address }) => address.startsWith('127.'))
        ? `${listed}\nStart it: knhk up --dir ${dir}`
        : listed
    },
  }
}

export function parseMember(text: string): MemberPlan {
  const [id, address] = splitPair(text, '--member')
  return { id, address, zone: null, publicKey: null }
}

function pairs(texts: readonly string[], flag: string, members: readonly MemberPlan[]): Map<string, string> {
  const found = new Map<string, string>()
  for (const text of texts) {
    const [id, value] = splitPair(text, flag)
    if (!members.some((member) => member.id === id)) {
      throw new KnhkError('InvalidArgument', `${flag}: there is no member ${JSON.stringify(id)}`)
    }
    found.set(id, value)
  }
  return found
}

function priorityOf(text: string | undefined): Pick<MemberPlan, 'priority'> {
  if (text === undefined) return {}
  const priority = Number(text)
  if (!/^\d+$/.test(text) || priority > PRIORITY_MAX) {
    throw new KnhkError('InvalidArgument', `--priority: ${JSON.stringify(text)} is no integer of 0 to ${PRIORITY_MAX}`)
  }
  return { priority }
}

/** `ID=VALUE`. Throws `InvalidArgument` that names the flag. */
export function splitPair(text: string, flag: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1)
    throw new KnhkError('InvalidArgument', `${flag}: ${JSON.stringify(text)} is not of the form ID=VALUE`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** A key as base64 or as the file that holds it; null for nothing. Throws `InvalidArgument`, `InvalidKeyFile`. */
export async function readKey(text: string | undefined): Promise<Uint8Array | null> {
  if (text === undefined) return null
  const isFile = await access(text).then(
    () => true,
    () => false,
  )
  return isFile ? loadPublicKey(resolve(text)) : parsePublicKey(text)
}

function settingsOf(flags: InitFlags): ClusterSettings {
  const { 'election-timeout': timeout, 'lease-drift': drift, 'request-timeout': request, protocol } = flags
  const timing = timeout === undefined ? {} : timingOf(parseDuration(timeout))
  const leaseDriftMs = drift === undefined ? null : parseDuration(drift)
  if (protocol === 'raft' && (request ?? flags['commit-rule']) !== undefined) {
    throw new KnhkError('InvalidArgument', '--request-timeout and --commit-rule are for pbft and hotstuff')
  }
  if (protocol !== 'hybrid' && flags.residency !== undefined) {
    throw new KnhkError('InvalidArgument', '--residency is for hybrid')
  }
  if (protocol !== 'hotstuff' && flags['commit-rule'] !== undefined) {
    throw new KnhkError('InvalidArgument', '--commit-rule is for hotstuff')
  }
  const forRaft = flags['commit-zones'] ?? flags['prefer-zone'] ?? flags.priority
  if (protocol !== 'raft' && forRaft !== undefined) {
    throw new KnhkError('InvalidArgument', '--commit-zones, --prefer-zone and --priority are for raft')
  }
  const requestTimeoutMs = request === undefined ? null : parseDuration(request)
  // The longest is as long as ever, or the shortest where that is longer.
  const isLong = requestTimeoutMs !== null && requestTimeoutMs > REQUEST_TIMEOUT_MAX_MS
  const settings = {
    ...DEFAULT_SETTINGS,
    ...timing,
    leaseDriftMs,
    requestTimeoutMs,
    requestTimeoutMaxMs: isLong ? requestTimeoutMs : null,
    commitRule: (flags['commit-rule'] ?? null) as ClusterSettings['commitRule'],
    residencyMs: flags.residency === undefined ? null : parseDuration(flags.residency),
    commitZones: (flags['commit-zones'] ?? null) as ClusterSettings['commitZones'],
    preferredZones: flags['prefer-zone'] ?? null,
  }
  if (leaseDriftMs !== null && leaseDriftMs >= settings.electionTimeoutMinMs) {
    throw new KnhkError('InvalidArgument', '--lease-drift must be below the election time-out: a lease is what is left')
  }
  return settings
}

function timingOf(electionTimeoutMinMs: number): Partial<ClusterSettings> {
  return {
    electionTimeoutMinMs,
    electionTimeoutMaxMs: 2 * electionTimeoutMinMs,
    heartbeatIntervalMs: Math.max(1, Math.floor(electionTimeoutMinMs / HEARTBEATS_PER_TIMEOUT)),
  }
}
