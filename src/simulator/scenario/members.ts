/** Configurations in the words of a story: lists of names by role. */
import type { Member, Membership, TargetMember } from '../../consensus/membership.js'
import { nodeId } from '../../consensus/types.js'
import type { Field } from './field.js'

/** The keys by which a story describes members. */
export const MEMBER_KEYS = ['voters', 'learners', 'promote', 'outgoing', 'leaving', 'zones'] as const

/** Member lists such as `{voters: [n1, n2], outgoing: [n1, n3], leaving: [n3]}`; joint where there is an `outgoing`. */
export function readMembership(record: ReadonlyMap<string, Field>): Membership {
  const voters = names(record.get('voters'))
  const learners = names(record.get('learners'))
  const promote = names(record.get('promote'))
  const outgoing = names(record.get('outgoing'))
  const leaving = names(record.get('leaving'))
  const zones = new Map((record.get('zones')?.entries() ?? []).map(([id, zone]) => [id, zone.text()]))
  const role = (id: string): Member['role'] => {
    if (voters.includes(id)) return 'voter'
    return leaving.includes(id) ? 'leaving' : 'learner'
  }
  const ids = [...new Set([...voters, ...learners, ...promote, ...leaving])]
  return {
    joint: outgoing.length > 0,
    members: ids.map((id) => ({
      ...makeMember(id, role(id), zones.get(id)),
      wasVoter: outgoing.includes(id),
      promote: promote.includes(id),
    })),
  }
}

/** What an operator asks for. */
export function readTarget(record: ReadonlyMap<string, Field>): TargetMember[] {
  return readMembership(record).members.map(({ wasVoter: _, role, ...member }) => ({
    ...member,
    role: role === 'voter' ? ('voter' as const) : ('learner' as const),
  }))
}

/** A configuration as a story writes it: only the lists that are not empty, names in order. */
export function describeMembership({ members }: Membership): Record<string, string[]> {
  const where = (test: (member: Member) => boolean) =>
    members
      .filter(test)
      .map((member) => member.id as string)
      .sort()
  const lists: Record<string, string[]> = {
    voters: where((member) => member.role === 'voter'),
    learners: where((member) => member.role === 'learner' && !member.promote),
    promote: where((member) => member.promote),
    outgoing: where((member) => member.wasVoter),
    leaving: where((member) => member.role === 'leaving'),
  }
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0))
}

/** A key, an address and a zone that follow from the name. */
export function makeMember(id: string, role: Member['role'], zone = 'z1'): Member {
  const publicKey = new Uint8Array(32)
  publicKey.set([...id].slice(0, 32).map((letter) => letter.charCodeAt(0)))
  return { id: nodeId(id), publicKey, address: `${id}:1`, zone, role, wasVoter: false, promote: false }
}

function names(field: Field | undefined): string[] {
  return field === undefined ? [] : field.several().map((item) => String(item.scalar()))
}
