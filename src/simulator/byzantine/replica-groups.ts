/**
 * Who has to agree while the members of a Byzantine cluster change: a quorum of the newest replicas, and one of
 * those before as long as an honest one of them has not heard that their epoch is over.
 */
import type { Membership, MembershipRecord } from '../../consensus/membership.js'
import { byzantineQuorum } from '../../consensus/quorum.js'
import type { LogIndex, NodeId } from '../../consensus/types.js'

export class ReplicaGroups {
  #newest: MembershipRecord
  #before: MembershipRecord | null = null
  /** Index of the configuration that each member was last seen to go by. */
  readonly #seen = new Map<NodeId, number>()
  readonly #mayLie: (id: NodeId) => boolean
  /** Grows whenever others may have become necessary. */
  version = 0

  constructor(genesis: Membership, mayLie: (id: NodeId) => boolean) {
    this.#mayLie = mayLie
    this.#newest = { index: 0 as LogIndex, membership: genesis }
  }

  /** Everybody who belongs to the cluster, replica or not. */
  get members(): readonly NodeId[] {
    return this.#newest.membership.members.map(({ id }) => id)
  }

  /** An honest member has entered the epoch that begins with this configuration. */
  look(id: NodeId, record: MembershipRecord): void {
    if (this.#seen.get(id) === record.index) return
    this.#seen.set(id, record.index)
    if (record.index <= this.#newest.index) return
    this.#before = this.#newest
    this.#newest = record
    this.version++
  }

  /** True where these nodes are a quorum of every group that has to agree. */
  isQuorum(nodes: readonly NodeId[]): boolean {
    return this.#groups().every((group) => isQuorumOf(group, nodes))
  }

  /** As few of these nodes, in this order, as are a quorum of every group; fewer only where all of them are none. */
  least(ordered: readonly NodeId[]): NodeId[] {
    const chosen: NodeId[] = []
    const groups = this.#groups()
    for (const id of ordered)
      if (groups.some((group) => group.includes(id) && !isQuorumOf(group, chosen))) chosen.push(id)
    return chosen
  }

  #groups(): (readonly NodeId[])[] {
    const newest = replicasOf(this.#newest)
    if (this.#before === null) return [newest]
    const before = replicasOf(this.#before)
    const isOver = before.every((id) => this.#mayLie(id) || (this.#seen.get(id) ?? 0) >= this.#newest.index)
    return isOver ? [newest] : [newest, before]
  }
}

function replicasOf({ membership }: MembershipRecord): readonly NodeId[] {
  return membership.members.filter(({ role }) => role === 'voter').map(({ id }) => id)
}

function isQuorumOf(group: readonly NodeId[], nodes: readonly NodeId[]): boolean {
  return group.filter((id) => nodes.includes(id)).length >= byzantineQuorum(group.length)
}
