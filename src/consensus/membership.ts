/**
 * Who belongs to the cluster and who decides, as it stands in the log: entries of kind `membership`
 * hold one whole configuration each, effective from the moment they are appended (Ongaro's thesis,
 * chapter 4). Joint consensus (4.3): while a change of voters is under way the old voters decide too.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration } from './configuration.js'
import type { QuorumConfiguration, QuorumRule } from './quorum.js'
import { encodeBody } from './request-body.js'
import type { LogIndex, NodeId } from './types.js'

/** `leaving`: has no say any more and goes when the joint configuration is left. */
export type MemberRole = 'voter' | 'learner' | 'leaving'
const ROLES: readonly MemberRole[] = ['voter', 'learner', 'leaving']

export interface Member {
  readonly id: NodeId
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** host:port where peers and clients connect. */
  readonly address: string
  readonly zone: string
  readonly role: MemberRole
  /** In a joint configuration: belongs to the old voters. False otherwise. */
  readonly wasVoter: boolean
  /** A learner that becomes a voter by itself once it has caught up. */
  readonly promote: boolean
}

export interface Membership {
  readonly joint: boolean
  /** In the order of the cluster's configuration. */
  readonly members: readonly Member[]
}

/** A configuration and the entry that brought it; index 0 for the genesis configuration. */
export interface MembershipRecord {
  readonly index: LogIndex
  readonly membership: Membership
}

export const MEMBERS_MAX = 64
const VERSION = 1
const FLAG_WAS_VOTER = 1
const FLAG_PROMOTE = 2

/** The configuration before the first entry: every genesis member votes. */
export function genesisMembership({ genesis }: Pick<ClusterConfiguration, 'genesis'>): Membership {
  const settled = { role: 'voter', wasVoter: false, promote: false } as const
  return {
    joint: false,
    members: genesis.map(({ id, publicKey, address, zone }) => ({ id, publicKey, address, zone, ...settled })),
  }
}

/** Who decides under this configuration. */
export function quorumOf(membership: Membership, rule: QuorumRule = 'majority'): QuorumConfiguration {
  const voters = membership.members.filter((member) => member.role === 'voter').map((member) => member.id)
  const outgoing = membership.members.filter((member) => member.wasVoter).map((member) => member.id)
  return rule === 'majority' ? { voters, outgoing } : { voters, outgoing, rule }
}

/** Zones of members of whom nobody said where they stand. */
const UNSAID_ZONES: readonly string[] = ['', 'local', 'default']

/** Where a member stands; null where nobody said: it may be anywhere. */
export function zoneOf({ zone }: Pick<Member, 'zone'>): string | null {
  return UNSAID_ZONES.includes(zone) ? null : zone
}

/** True where members stand in at least two zones that are known. */
export function spanZones(members: readonly Pick<Member, 'zone'>[]): boolean {
  return new Set(members.map(zoneOf).filter((zone) => zone !== null)).size > 1
}

/** The body of a membership entry: framed like any other body, with the configuration as its one request. */
export function encodeMembership(membership: Membership): Uint8Array {
  return encodeBody([encodeConfiguration(membership)])
}

/** The configuration alone. */
export function encodeConfiguration({ joint, members }: Membership): Uint8Array {
  assert(members.length <= MEMBERS_MAX, 'a cluster has a bounded number of members')
  const out = new ByteWriter(256)
  out
    .u8(VERSION)
    .u8(joint ? 1 : 0)
    .u8(members.length)
  for (const { id, publicKey, address, zone, role, wasVoter, promote } of members) {
    out.text(id).raw(publicKey).text(address).text(zone)
    out.u8(ROLES.indexOf(role)).u8((wasVoter ? FLAG_WAS_VOTER : 0) | (promote ? FLAG_PROMOTE : 0))
  }
  return out.finish()
}

/**
 * The configuration in a membership entry; under Byzantine protocols who ordered it stands behind it. Throws
 * `ProtocolViolation` where `body` is not exactly one sound configuration with at most that.
 */
export function decodeMembership(body: Uint8Array): Membership {
  const framed = new ByteReader(body)
  const count = framed.u32()
  if (count !== 1 && count !== 2) throw new KnhkError('ProtocolViolation', 'a membership entry holds one configuration')
  const configuration = framed.bytes()
  if (count === 2) framed.bytes()
  framed.end()
  return decodeConfiguration(new ByteReader(configuration))
}

function decodeConfiguration(reader: ByteReader): Membership {
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a membership entry of an unknown version')
  const joint = reader.flag()
  const count = reader.u8()
  const members: Member[] = []
  for (let i = 0; i < count; i++) {
    const id = reader.text() as NodeId
    const publicKey = reader.raw(32).slice()
    const address = reader.text()
    const zone = reader.text()
    const role = ROLES[reader.u8()]
    const flags = reader.u8()
    if (role === undefined || flags > (FLAG_WAS_VOTER | FLAG_PROMOTE)) {
      throw new KnhkError('ProtocolViolation', 'a membership entry names an unknown role or flag')
    }
    const wasVoter = (flags & FLAG_WAS_VOTER) !== 0
    members.push({ id, publicKey, address, zone, role, wasVoter, promote: (flags & FLAG_PROMOTE) !== 0 })
  }
  reader.end()
  const membership = { joint, members }
  const problem = membershipProblem(membership)
  if (problem !== null) throw new KnhkError('ProtocolViolation', `a membership entry is unsound: ${problem}`)
  return membership
}

/** What is wrong with a configuration by itself; null when nothing is. */
export function membershipProblem({ joint, members }: Membership): string | null {
  if (members.length > MEMBERS_MAX) return `a cluster has at most ${MEMBERS_MAX} members`
  if (new Set(members.map((member) => member.id)).size !== members.length) return 'a member is listed twice'
  if (!members.some((member) => member.role === 'voter')) return 'a cluster needs a voter'
  if (members.some((member) => member.promote && member.role !== 'learner')) return 'only a learner can be promoted'
  if (joint) return members.some((member) => member.wasVoter) ? null : 'a joint configuration has old voters'
  if (members.some((member) => member.wasVoter || member.role === 'leaving')) {
    return 'only a joint configuration has old voters'
  }
  return null
}

/** What an operator asks for: the members as they shall be. */
export type TargetMember = Omit<Member, 'wasVoter' | 'role'> & { readonly role: 'voter' | 'learner' }

/**
 * The configuration to append next on the way to `target`: joint where the voters change, plain where
 * only learners or their addresses do. Null where nothing changes. `current` is not joint.
 */
export function nextMembership(current: Membership, target: readonly TargetMember[]): Membership | null {
  assert(!current.joint, 'a change starts from a settled configuration')
  const plain: Membership = { joint: false, members: target.map((member) => ({ ...member, wasVoter: false })) }
  if (sameBytes(encodeMembership(plain), encodeMembership(current))) return null
  const voters = (members: readonly { readonly id: NodeId; readonly role: MemberRole }[]) =>
    members
      .filter((member) => member.role === 'voter')
      .map((member) => member.id)
      .sort()
      .join('\n')
  if (voters(current.members) === voters(plain.members)) return plain
  const before = new Map(current.members.map((member) => [member.id, member]))
  const kept = plain.members.map((member) => ({ ...member, wasVoter: before.get(member.id)?.role === 'voter' }))
  const targeted = new Set(target.map((member) => member.id))
  const leaving = current.members
    .filter((member) => !targeted.has(member.id))
    .map((member) => ({
      ...member,
      role: 'leaving' as const,
      wasVoter: member.role === 'voter',
      promote: false,
    }))
  return { joint: true, members: [...kept, ...leaving] }
}

/** What follows a joint configuration: the new voters alone. */
export function leaveJoint({ joint, members }: Membership): Membership {
  assert(joint, 'only a joint configuration is left')
  return {
    joint: false,
    members: members.filter((member) => member.role !== 'leaving').map((member) => ({ ...member, wasVoter: false })),
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
