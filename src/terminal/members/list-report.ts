/** `cluster members list`: the configuration in force, and how far the leader says that each member is. */

import { votersOf } from '../../cluster/change-goals.js'
import type { MembersView } from '../../cluster/members.js'
import { quorumArithmetic, toleranceText } from '../../cluster/quorum-arithmetic.js'
import type { SelfReport } from '../../cluster/self-reports.js'
import type { ProtocolName } from '../../consensus/types.js'
import { formatPublicKey } from '../../crypto/key-encoding.js'
import type { Output } from '../printer.js'
import * as schema from '../schema.js'
import { ARITHMETIC_FIELDS } from './change-report.js'
import { type ClusterLook, isByzantine } from './look.js'

const maybeInteger = schema.nullable(schema.integer)

export const MEMBERS_SCHEMA = schema.record({
  index: schema.integer,
  committed: schema.flag,
  joint: schema.flag,
  leader: schema.nullable(schema.text),
  ...ARITHMETIC_FIELDS,
  members: schema.list(
    schema.record({
      id: schema.text,
      role: schema.text,
      wasVoter: schema.flag,
      promote: schema.flag,
      address: schema.text,
      zone: schema.text,
      publicKey: schema.text,
      active: schema.nullable(schema.flag),
      matchIndex: maybeInteger,
      lagEntries: maybeInteger,
      snapshotIndex: maybeInteger,
    }),
  ),
})

/** Without a leader, what only it knows is null. */
export function membersOutput(view: MembersView, look: ClusterLook, protocol: ProtocolName): Output {
  const { index, committed, joint } = view
  const { leader, status } = look
  const arithmetic = quorumArithmetic(votersOf(view), protocol)
  const members = view.members.map(({ id, role, wasVoter, promote, address, zone, publicKey }) => ({
    id: id as string,
    role,
    wasVoter,
    promote,
    address,
    zone,
    publicKey: formatPublicKey(publicKey),
    ...(isByzantine(status.mode) ? standing(look, id) : replication(leader, id)),
  }))
  return {
    value: { index, committed, joint, leader: leader?.id ?? null, ...arithmetic, members },
    items: members,
    ids: members.map(({ id }) => id),
    text: async ({ fields, table }) => {
      const state = joint ? 'joint: the old voters decide too' : committed ? 'settled' : 'not committed yet'
      const head = fields([
        ['configuration', `entry ${index}, ${state}`],
        [
          'quorum',
          `${arithmetic.quorum} of ${arithmetic.voters.length}, ${toleranceText(arithmetic.failuresTolerated, protocol)}`,
        ],
        ['leader', leader?.id ?? 'none'],
      ])
      const rows = members.map((member) => [
        member.id,
        roleText(member),
        member.matchIndex,
        member.lagEntries,
        member.active,
        member.zone,
        member.address,
        member.publicKey,
      ])
      return `${head}\n${await table(['member', 'role', 'match', 'lag', 'heard', 'zone', 'address', 'public key'], rows)}`
    },
  }
}

function replication(leader: SelfReport | null, id: string) {
  if (leader === null) return { active: null, matchIndex: null, lagEntries: null, snapshotIndex: null }
  const { lastIndex } = leader
  if (leader.id === id) return { active: true, matchIndex: lastIndex, lagEntries: 0, snapshotIndex: null }
  const peer = leader.peers.find((one) => one.id === id)
  if (peer === undefined) return { active: null, matchIndex: null, lagEntries: null, snapshotIndex: null }
  const { active, matchIndex, snapshotIndex } = peer
  return { active, matchIndex, lagEntries: lastIndex - matchIndex, snapshotIndex }
}

/** Nobody keeps books about the others in a Byzantine cluster: each says for itself where its log ends. */
function standing({ reports, status }: ClusterLook, id: string) {
  const lastIndex = reports.get(id)?.lastIndex ?? null
  const decided = status.commitIndex
  return {
    active: [...reports.values()].some((report) => report.id === id || report.linkedTo.includes(id)),
    matchIndex: lastIndex,
    lagEntries: lastIndex === null || decided === null ? null : Math.max(0, decided - lastIndex),
    snapshotIndex: null,
  }
}

function roleText({ role, wasVoter, promote }: { role: string; wasVoter: boolean; promote: boolean }): string {
  if (promote) return `${role}, to be promoted`
  return wasVoter && role !== 'voter' ? `${role}, was voter` : role
}
