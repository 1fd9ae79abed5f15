/** Steps without a cluster: one row each of the tables of quorums and of configurations. */
import { leaveJoint, type Membership, nextMembership } from '../../consensus/membership.js'
import { committedIndex, type QuorumConfiguration, voteResult, zoneCommittedIndex } from '../../consensus/quorum.js'
import { type NodeId, nodeId } from '../../consensus/types.js'
import { type Field, need } from './field.js'
import { describeMembership, MEMBER_KEYS, readMembership, readTarget } from './members.js'
import { Unmet } from './unmet.js'
import type { World } from './world.js'

const NO_SAY = '-'

export const TABLE_STEPS: Readonly<Record<string, (world: World, field: Field) => void>> = {
  'quorum commits': (_world, field) => {
    const record = field.record(['voters', 'outgoing', 'zones', 'acks', 'index'])
    const acks = numbers(need(record, 'acks', field))
    const ackOf = (id: NodeId) => acks.get(id) ?? 0
    const quorum = quorumOf(record, field)
    const zones = new Map((record.get('zones')?.entries() ?? []).map(([id, zone]) => [id, zone.text()]))
    const found = record.has('zones')
      ? zoneCommittedIndex(quorum, ackOf, (id) => zones.get(id) ?? null)
      : committedIndex(quorum, ackOf)
    compare(need(record, 'index', field), need(record, 'index', field).integer(), found)
  },
  'quorum votes': (_world, field) => {
    const record = field.record(['voters', 'outgoing', 'yes', 'no', 'result'])
    const votes = new Map<NodeId, boolean>()
    for (const item of record.get('yes')?.several() ?? []) votes.set(nodeId(item.text()), true)
    for (const item of record.get('no')?.several() ?? []) votes.set(nodeId(item.text()), false)
    const expected = need(record, 'result', field)
    compare(expected, expected.oneOf(['won', 'lost', 'pending']), voteResult(quorumOf(record, field), votes))
  },
  'next members': (_world, field) => {
    const record = field.record(['now', 'target', 'next', 'then'])
    const now = membershipOf(need(record, 'now', field))
    const target = need(record, 'target', field)
    const next = nextMembership(now, readTarget(target.record(MEMBER_KEYS)))
    const expected = need(record, 'next', field)
    if (!expected.isRecord) {
      compare(expected, expected.oneOf(['nothing']), next === null ? 'nothing' : listsOf(next))
      return
    }
    compare(expected, listsOf(membershipOf(expected)), next === null ? 'nothing' : listsOf(next))
    const after = record.get('then')
    if (after === undefined || next === null) return
    compare(after, listsOf(membershipOf(after)), next.joint ? listsOf(leaveJoint(next)) : 'not joint')
  },
}

function quorumOf(record: ReadonlyMap<string, Field>, field: Field): QuorumConfiguration {
  const ids = (key: string) => (record.get(key)?.several() ?? []).map((item) => nodeId(item.text()))
  if (ids('voters').length === 0) field.fail('lacks voters')
  return { voters: ids('voters'), outgoing: ids('outgoing') }
}

function numbers(field: Field): Map<NodeId, number> {
  return new Map(
    field.entries().flatMap(([id, value]) => {
      return value.scalar() === NO_SAY ? [] : [[nodeId(id), value.integer()] as const]
    }),
  )
}

function membershipOf(field: Field): Membership {
  return readMembership(field.record(MEMBER_KEYS))
}

function listsOf(membership: Membership): string {
  return JSON.stringify(describeMembership(membership))
}

function compare(field: Field, expected: unknown, found: unknown): void {
  if (expected !== found) throw new Unmet(`${field.path} is ${String(found)}, not ${String(expected)}`, field.line)
}
