/**
 * Who has to agree while the members of a Byzantine cluster change: a quorum of the newest replicas, and one of
 * those before as long as an honest one of them has not heard that their epoch is over.
 */
import type { Membership, MembershipRecord } from '../../consensus/membership.js'
import { byzantineFaults, byzantineQuorum } from '../../consensus/quorum.js'
import type { LogIndex, NodeId } from '../../consensus/types.js'

/** How many of `count` replicas have to be sound, so that the others are served. */
export type Needed = (count: number) => number

/** A quorum of them, of which one leads: PBFT, and Raft with Byzantine quorums. */
export const NEEDS_QUORUM: Needed = byzantineQuorum

/**
 * All but f, which of 6 or 9 are more than a quorum: a commit of HotStuff needs three leaders in a row that are
 * sound, and with more than f others in the ring there may be no such three.
 */
export const NEEDS_ALL_BUT_F: Needed = (count) => count - byzantineFaults(count)

export class ReplicaGroups {
  #newest: MembershipRecord
  #before: MembershipRecord | null = null
  /** Index of the configuration that each member was last seen to go by. */
  readonly #seen = new Map<NodeId, number>()
  readonly #mayLie: (id: NodeId) => boolean
  readonly #needed: Needed
  /** Grows whenever others may have become necessary. */
  version = 0

  constructor(genesis: Membership, mayLie: (id: NodeId) => boolean, needed: Needed) {
    this.#mayLie = mayLie
    this.#needed = needed
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

  /** True where these nodes are enough of every group that has to agree. */
  isQuorum(nodes: readonly NodeId[]): boolean {
    return this.#groups().every((group) => this.#isEnough(group, nodes))
  }

  /** As few of these nodes, in this order, as are enough of every group; fewer only where all of them are not. */
  least(ordered: readonly NodeId[]): NodeId[] {
    const chosen: NodeId[] = []
    const groups = this.#groups()
    for (const id of ordered)
      if (groups.some((group) => group.includes(id) && !this.#isEnough(group, chosen))) chosen.push(id)
    return chosen
  }

  #isEnough(group: readonly NodeId[], nodes: readonly NodeId[]): boolean {
    return group.filter((id) => nodes.includes(id)).length >= this.#needed(group.length)
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
