/**
 * The cluster file: what an operator writes or `knhk cluster init` makes, and every node and client
 * reads. Strict: an unknown key, a duplicate or a value of the wrong kind is an error with its line
 * and column, because a typo that is skipped in silence would be a cluster that is not what it says.
 * The format is documented in docs/configuration.md.
 */
import { Document } from 'yaml'
import { KnhkError } from '../base/error.js'
import {
  CLIENT_ROLES,
  type ClientConfiguration,
  type ClusterConfiguration,
  type ClusterSettings,
  DEFAULT_SETTINGS,
  type MemberConfiguration,
} from '../consensus/configuration.js'
import { nodeId, type ProtocolName } from '../consensus/types.js'
import { formatPublicKey, parsePublicKey } from '../crypto/key-encoding.js'
import { uuidFromBytes, uuidToBytes } from '../workflow/uuid.js'
import { parseAddress } from './address.js'
import { readTextIfThere } from './files.js'
import { parseYaml, type YamlField, type YamlRecord } from './yaml-reader.js'

export const MEMBERS_MAX = 31
export const CLIENTS_MAX = 1_000
const FILE_BYTES_MAX = 1024 * 1024
const ZONE_LENGTH_MAX = 64
const TIMEOUT_MS_MAX = 600_000
const NAME = /^[a-z0-9-]{1,64}$/
const PROTOCOLS: readonly ProtocolName[] = ['raft', 'pbft', 'hotstuff', 'hybrid']

/** Reads and checks a cluster file. Throws `NotFound`, `InvalidFile` or `InvalidClusterFile`. */
export async function readClusterFile(path: string): Promise<ClusterConfiguration> {
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
export function parseClusterFile(text: string, name = 'cluster.yaml'): ClusterConfiguration {
  if (text.length > FILE_BYTES_MAX) throw new KnhkError('InvalidClusterFile', `${name} is over ${FILE_BYTES_MAX} bytes`)
  const root = parseYaml(text, name).record(['version', 'clusterId', 'protocol', 'members', 'clients', 'settings'])
  const version = root.required('version')
  if (version.integer(1, Number.MAX_SAFE_INTEGER) !== 1) version.fail('is not 1, the only version this program knows')
  const clusterId = root.required('clusterId')
  const protocol = root.required('protocol')
  const members = root.required('members')
  const memberFields = members.items(1, MEMBERS_MAX)
  const clients = root.required('clients')
  const clientFields = clients.items(0, CLIENTS_MAX)
  const seen = new Seen()
  return {
    clusterId: clusterId.convert(() => uuidToBytes(clusterId.text(), 'the cluster id')),
    protocol: protocol.oneOf(PROTOCOLS),
    members: memberFields.map((field) => parseMember(field, seen)),
    clients: clientFields.map((field) => parseClient(field, seen)),
    settings: parseSettings(root.optional('settings')?.record(Object.keys(DEFAULT_SETTINGS))),
  }
}

/** The text of a cluster file; `parseClusterFile` gives back the same configuration. */
export function formatClusterFile(configuration: ClusterConfiguration): string {
  const document = new Document({
    version: 1,
    clusterId: uuidFromBytes(configuration.clusterId),
    protocol: configuration.protocol,
    members: configuration.members.map((member) => ({
      id: member.id as string,
      publicKey: formatPublicKey(member.publicKey),
      address: member.address,
      zone: member.zone,
    })),
    clients: configuration.clients.map((client) => ({
      id: client.id,
      publicKey: formatPublicKey(client.publicKey),
      role: client.role,
    })),
    settings: { ...configuration.settings },
  })
  document.commentBefore =
    ' A knhk cluster file. Members are an ordered list; every node and client needs the same file.'
  return document.toString({ lineWidth: 0 })
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

function parseMember(field: YamlField, seen: Seen): MemberConfiguration {
  const record = field.record(['id', 'publicKey', 'address', 'zone'])
  const id = parseName(record.required('id'), seen, 'member id')
  const publicKey = parseKey(record.required('publicKey'), seen)
  const address = record.required('address')
  address.convert(() => parseAddress(address.text()))
  seen.add(address, 'address', address.text())
  const zone = record.optional('zone')
  const zoneText = zone?.text() ?? 'default'
  if (zone !== undefined && (zoneText.length === 0 || zoneText.length > ZONE_LENGTH_MAX)) {
    zone.fail(`has to have 1 to ${ZONE_LENGTH_MAX} characters`)
  }
  return { id: nodeId(id), publicKey, address: address.text(), zone: zoneText }
}

function parseClient(field: YamlField, seen: Seen): ClientConfiguration {
  const record = field.record(['id', 'publicKey', 'role'])
  return {
    id: parseName(record.required('id'), seen, 'client id'),
    publicKey: parseKey(record.required('publicKey'), seen),
    role: record.required('role').oneOf(CLIENT_ROLES),
  }
}

function parseName(field: YamlField, seen: Seen, what: string): string {
  const name = field.text()
  if (!NAME.test(name)) field.fail('has to be 1 to 64 characters of a-z, 0-9 and -')
  seen.add(field, what, name)
  return name
}

function parseKey(field: YamlField, seen: Seen): Uint8Array {
  const bytes = field.convert(() => parsePublicKey(field.text()))
  seen.add(field, 'public key', formatPublicKey(bytes))
  return bytes
}

function parseSettings(record: YamlRecord | undefined): ClusterSettings {
  if (record === undefined) return DEFAULT_SETTINGS
  const read = (name: keyof ClusterSettings): number =>
    record.optional(name)?.integer(1, TIMEOUT_MS_MAX) ?? DEFAULT_SETTINGS[name]
  const settings: ClusterSettings = {
    electionTimeoutMinMs: read('electionTimeoutMinMs'),
    electionTimeoutMaxMs: read('electionTimeoutMaxMs'),
    heartbeatIntervalMs: read('heartbeatIntervalMs'),
  }
  if (settings.electionTimeoutMinMs >= settings.electionTimeoutMaxMs) {
    record.fail('need electionTimeoutMinMs below electionTimeoutMaxMs')
  }
  if (settings.heartbeatIntervalMs * 2 > settings.electionTimeoutMinMs) {
    record.fail('need heartbeatIntervalMs to be at most half of electionTimeoutMinMs')
  }
  return settings
}
