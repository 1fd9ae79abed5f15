/**
 * The cluster file: what an operator writes or `knhk cluster init` makes, and every node and client
 * reads. Strict: an unknown key, a duplicate or a value of the wrong kind is an error with its line
 * and column, because a typo that is skipped in silence would be a cluster that is not what it says.
 * The format is documented in docs/configuration.md.
 */
import { Document } from 'yaml'
import { bytesEqual, fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import {
  CLIENT_ROLES,
  type ClientConfiguration,
  type ClusterConfiguration,
  type ClusterSettings,
  DEFAULT_SETTINGS,
  type MemberConfiguration,
  PRIORITY_MAX,
  requestTimeouts,
} from '../consensus/configuration.js'
import { spanZones, zoneOf } from '../consensus/membership.js'
import { logIndex, nodeId, type ProtocolName } from '../consensus/types.js'
import { formatPublicKey, parsePublicKey } from '../crypto/key-encoding.js'
import { uuidFromBytes, uuidToBytes } from '../workflow/uuid.js'
import { parseAddress } from './address.js'
import { readTextIfThere } from './files.js'
import { parseYaml, type YamlField, type YamlRecord } from './yaml-reader.js'

/** Members of a cluster at one time; a joint configuration holds those of two. */
export const MEMBERS_MAX = 31
/** Lines of `members`, those that left included. */
const MEMBERS_LISTED_MAX = 256
export const CLIENTS_MAX = 1_000
const FILE_BYTES_MAX = 1024 * 1024
const ZONE_LENGTH_MAX = 64
const PREFERRED_ZONES_MAX = 16
/** As `http` of a member: it opens no HTTP port. */
export const HTTP_OFF = 'off'
const TIMEOUT_MS_MAX = 600_000
const NAME = /^[a-z0-9-]{1,64}$/
const ROOT_KEYS: readonly string[] = ['version', 'clusterId', 'protocol', 'members', 'clients', 'settings', 'lineage']
const PROTOCOLS: readonly ProtocolName[] = ['raft', 'pbft', 'hotstuff', 'hybrid']

/** What a cluster that was restored or recovered began with: a place in the log of another one. */
export interface ClusterLineage {
  /** Of the cluster before, 16 bytes. */
  readonly clusterId: Uint8Array
  /** The state is that after this entry of its log … */
  readonly index: number
  /** … which this hash names with all before it: chain(index), 32 bytes. */
  readonly chain: Uint8Array
  /** The time of that entry; null in files of before it was noted. */
  readonly timestampMs: number | null
  /** SHA-256 of the snapshot file that it came from; null where it was made from a log. */
  readonly snapshot: Uint8Array | null
  /** Digest of the plan by which it was recovered; null for a restore. */
  readonly plan: Uint8Array | null
}

/** A cluster file: what its nodes agree on, and where the cluster comes from. */
export interface ClusterFile extends ClusterConfiguration {
  /** Absent for a cluster that began with nothing. */
  readonly lineage?: ClusterLineage
}

/** Reads and checks a cluster file. Throws `NotFound`, `InvalidFile` or `InvalidClusterFile`. */
export async function readClusterFile(path: string): Promise<ClusterFile> {
  const text = await readTextIfThere(path)
  if (text === null) {
    throw new KnhkError('NotFound', `there is no cluster file ${path}`, {
      hint: 'Check the path; `knhk up` and `knhk cluster init` make a cluster.',
      details: { path },
    })
  }
  return parseClusterFile(text, path)
}

/** `name` stands for the file in messages. Throws `InvalidClusterFile`. */
export function parseClusterFile(text: string, name = 'cluster.yaml'): ClusterFile {
  if (text.length > FILE_BYTES_MAX) throw new KnhkError('InvalidClusterFile', `${name} is over ${FILE_BYTES_MAX} bytes`)
  const root = parseYaml(text, name).record(ROOT_KEYS)
  const version = root.required('version')
  if (version.integer(1, Number.MAX_SAFE_INTEGER) !== 1) version.fail('is not 1, the only version this program knows')
  const clusterId = root.required('clusterId')
  const protocol = root.required('protocol')
  const members = root.required('members')
  const memberFields = members.items(1, MEMBERS_LISTED_MAX)
  const clients = root.required('clients')
  const clientFields = clients.items(0, CLIENTS_MAX)
  const lineage = root.optional('lineage')
  const seen = new Seen()
  const listed = memberFields.map((field) => parseMember(field, seen))
  const settings = root.optional('settings')?.record(Object.keys(DEFAULT_SETTINGS))
  const file: ClusterFile = {
    clusterId: clusterId.convert(() => uuidToBytes(clusterId.text(), 'the cluster id')),
    protocol: protocol.oneOf(PROTOCOLS),
    genesis: membersOf(members, listed, 'at the beginning', ({ joined }) => !joined),
    members: membersOf(members, listed, 'now', ({ removed }) => !removed),
    clients: clientFields.map((field) => parseClient(field, seen)),
    settings: parseSettings(settings),
    ...(lineage === undefined ? {} : withLineage(parseLineage(lineage))),
  }
  if (settings !== undefined) checkZones(settings, file, listed)
  if (file.protocol !== 'raft' && listed.some(({ member }) => member.priority !== undefined)) {
    members.fail('has priorities, which are for raft')
  }
  return file
}

/** What the settings say of zones means something where members stand, or stood: nobody's leaving makes a file wrong. */
function checkZones(record: YamlRecord, { protocol, settings }: ClusterFile, listed: readonly ListedMember[]): void {
  const { commitZones, preferredZones } = settings
  if (protocol !== 'raft' && (commitZones !== null || preferredZones !== null)) {
    record.fail('have commitZones and preferredZones in raft only')
  }
  const all = listed.map(({ member }) => member)
  if (commitZones !== null && !spanZones(all)) {
    record.fail(`need members in at least ${commitZones} zones for commitZones; \`default\` and \`local\` name none`)
  }
  for (const zone of preferredZones ?? []) {
    if (!all.some((member) => zoneOf(member) === zone)) {
      record.fail(`prefer the zone ${JSON.stringify(zone)}, where no member stands`)
    }
  }
}

function membersOf(
  field: YamlField,
  listed: readonly ListedMember[],
  when: string,
  belongs: (listed: ListedMember) => boolean,
): MemberConfiguration[] {
  const members = listed.filter(belongs).map(({ member }) => member)
  if (members.length < 1 || members.length > MEMBERS_MAX) {
    field.fail(`has to list 1 to ${MEMBERS_MAX} members of the cluster ${when}, not ${members.length}`)
  }
  return members
}

/** The text of a cluster file; `parseClusterFile` gives back the same configuration. */
export function formatClusterFile(configuration: ClusterFile): string {
  const { lineage } = configuration
  const document = new Document({
    version: 1,
    clusterId: uuidFromBytes(configuration.clusterId),
    protocol: configuration.protocol,
    members: listedMembers(configuration).map(memberLine),
    clients: configuration.clients.map((client) => ({
      id: client.id,
      publicKey: formatPublicKey(client.publicKey),
      role: client.role,
    })),
    settings: Object.fromEntries(Object.entries(configuration.settings).filter(([, value]) => value !== null)),
    ...(lineage === undefined ? {} : { lineage: lineageLines(lineage) }),
  })
  document.commentBefore =
    ' A knhk cluster file. Members are an ordered list; every node and client needs the same file.'
  return document.toString({ lineWidth: 0 })
}

/** Who joins a Byzantine cluster that was restored has to know what the first epoch follows. */
export function withLineage(lineage: ClusterLineage): Pick<ClusterFile, 'lineage' | 'origin'> {
  const { index, chain, timestampMs } = lineage
  return timestampMs === null ? { lineage } : { lineage, origin: { index: logIndex(index), chain, timestampMs } }
}

function lineageLines(lineage: ClusterLineage): Record<string, string | number> {
  const { clusterId, index, chain, timestampMs, snapshot, plan } = lineage
  return {
    clusterId: uuidFromBytes(clusterId),
    index,
    chain: toHex(chain),
    ...(timestampMs === null ? {} : { timestampMs }),
    ...(snapshot === null ? {} : { snapshot: toHex(snapshot) }),
    ...(plan === null ? {} : { plan: toHex(plan) }),
  }
}

/** A line of `members`. */
interface ListedMember {
  readonly member: MemberConfiguration
  /** Came with a change of members: no part of the configuration at index 0. */
  readonly joined: boolean
  /** Left with one; kept so that the configuration at index 0 stays known. */
  readonly removed: boolean
}

function listedMembers({ genesis, members }: ClusterConfiguration): ListedMember[] {
  const isIn = (list: readonly MemberConfiguration[], member: MemberConfiguration): boolean =>
    list.some((other) => bytesEqual(other.publicKey, member.publicKey))
  return [
    ...genesis.map((member) => ({ member, joined: false, removed: !isIn(members, member) })),
    ...members.filter((member) => !isIn(genesis, member)).map((member) => ({ member, joined: true, removed: false })),
  ]
}

/** A line of `members` as it is written. */
export function memberLine({ member, joined, removed }: ListedMember): Record<string, string | number | boolean> {
  return {
    id: member.id,
    publicKey: formatPublicKey(member.publicKey),
    address: member.address,
    zone: member.zone,
    ...(member.http === undefined ? {} : { http: member.http }),
    ...(member.priority === undefined ? {} : { priority: member.priority }),
    ...(joined ? { joined } : {}),
    ...(removed ? { removed } : {}),
  }
}

/** What must not occur twice in one file, with the line where it was first seen. */
class Seen {
  readonly #lines = new Map<string, string>()

  add(field: YamlField, what: string, value: string): void {
    const key = `${what} ${value}`
    const first = this.#lines.get(key)
    if (first !== undefined) field.fail(`is a ${what} that is already used at ${first}`)
    this.#lines.set(key, field.place)
  }
}

function parseMember(field: YamlField, seen: Seen): ListedMember {
  const record = field.record(['id', 'publicKey', 'address', 'zone', 'http', 'priority', 'joined', 'removed'])
  const joined = record.optional('joined')?.boolean() ?? false
  const removed = record.optional('removed')?.boolean() ?? false
  const idField = record.required('id')
  const id = parseName(idField)
  // A name or an address may be used again once its member has left; a key never.
  if (!removed) seen.add(idField, 'member id', id)
  if (!joined) seen.add(idField, 'member id of the beginning', id)
  const publicKey = parseKey(record.required('publicKey'), seen)
  const address = record.required('address')
  address.convert(() => parseAddress(address.text()))
  if (!removed) seen.add(address, 'address', address.text())
  const zone = record.optional('zone')
  const zoneText = zone?.text() ?? 'default'
  if (zone !== undefined && (zoneText.length === 0 || zoneText.length > ZONE_LENGTH_MAX)) {
    zone.fail(`has to have 1 to ${ZONE_LENGTH_MAX} characters`)
  }
  const http = record.optional('http')
  if (http !== undefined && http.text() !== HTTP_OFF) http.convert(() => parseAddress(http.text()))
  const place = { address: address.text(), zone: zoneText, ...(http === undefined ? {} : { http: http.text() }) }
  const priority = record.optional('priority')?.integer(0, PRIORITY_MAX)
  const preference = priority === undefined ? {} : { priority }
  return { member: { id: nodeId(id), publicKey, ...place, ...preference }, joined, removed }
}

function parseClient(field: YamlField, seen: Seen): ClientConfiguration {
  const record = field.record(['id', 'publicKey', 'role'])
  const id = record.required('id')
  seen.add(id, 'client id', parseName(id))
  return {
    id: id.text(),
    publicKey: parseKey(record.required('publicKey'), seen),
    role: record.required('role').oneOf(CLIENT_ROLES),
  }
}

function parseLineage(field: YamlField): ClusterLineage {
  const record = field.record(['clusterId', 'index', 'chain', 'timestampMs', 'snapshot', 'plan'])
  const clusterId = record.required('clusterId')
  const hash = (one: YamlField | undefined): Uint8Array | null => (one === undefined ? null : parseHash(one))
  return {
    clusterId: clusterId.convert(() => uuidToBytes(clusterId.text(), 'the cluster id')),
    index: record.required('index').integer(0, Number.MAX_SAFE_INTEGER),
    chain: parseHash(record.required('chain')),
    timestampMs: record.optional('timestampMs')?.integer(0, Number.MAX_SAFE_INTEGER) ?? null,
    snapshot: hash(record.optional('snapshot')),
    plan: hash(record.optional('plan')),
  }
}

function parseHash(field: YamlField): Uint8Array {
  const text = field.text()
  if (!/^[0-9a-f]{64}$/.test(text)) field.fail('has to be 64 hexadecimal digits')
  return fromHex(text)
}

function parseName(field: YamlField): string {
  const name = field.text()
  if (!NAME.test(name)) field.fail('has to be 1 to 64 characters of a-z, 0-9 and -')
  return name
}

function parseKey(field: YamlField, seen: Seen): Uint8Array {
  const bytes = field.convert(() => parsePublicKey(field.text()))
  seen.add(field, 'public key', formatPublicKey(bytes))
  return bytes
}

function parseSettings(record: YamlRecord | undefined): ClusterSettings {
  if (record === undefined) return DEFAULT_SETTINGS
  const given = (name: Exclude<keyof ClusterSettings, 'preferredZones'>): number | null =>
    record.optional(name)?.integer(1, TIMEOUT_MS_MAX) ?? null
  const settings: ClusterSettings = {
    electionTimeoutMinMs: given('electionTimeoutMinMs') ?? DEFAULT_SETTINGS.electionTimeoutMinMs,
    electionTimeoutMaxMs: given('electionTimeoutMaxMs') ?? DEFAULT_SETTINGS.electionTimeoutMaxMs,
    heartbeatIntervalMs: given('heartbeatIntervalMs') ?? DEFAULT_SETTINGS.heartbeatIntervalMs,
    leaseDriftMs: given('leaseDriftMs'),
    requestTimeoutMs: given('requestTimeoutMs'),
    requestTimeoutMaxMs: given('requestTimeoutMaxMs'),
    commitRule: (record.optional('commitRule')?.integer(2, 3) ?? null) as 2 | 3 | null,
    residencyMs: given('residencyMs'),
    commitZones: (record.optional('commitZones')?.integer(2, 2) ?? null) as 2 | null,
    preferredZones:
      record
        .optional('preferredZones')
        ?.items(1, PREFERRED_ZONES_MAX)
        .map((zone) => zone.text()) ?? null,
  }
  if (settings.electionTimeoutMinMs >= settings.electionTimeoutMaxMs) {
    record.fail('need electionTimeoutMinMs below electionTimeoutMaxMs')
  }
  if (settings.heartbeatIntervalMs * 2 > settings.electionTimeoutMinMs) {
    record.fail('need heartbeatIntervalMs to be at most half of electionTimeoutMinMs')
  }
  if (settings.leaseDriftMs !== null && settings.leaseDriftMs >= settings.electionTimeoutMinMs) {
    record.fail('need leaseDriftMs below electionTimeoutMinMs: a lease lasts for what is left of it')
  }
  const { shortestMs, longestMs } = requestTimeouts(settings)
  if (shortestMs > longestMs) {
    record.fail(`need requestTimeoutMs (${shortestMs}) to be at most requestTimeoutMaxMs (${longestMs})`)
  }
  return settings
}
