/**
 * Who has to agree while the epochs of a Byzantine cluster follow each other: a quorum of the newest replicas, and
 * one of those before as long as an honest one of them has not heard that their epoch is over.
 */
import type { Membership } from '../../consensus/membership.js'
import { byzantineFaults, byzantineQuorum } from '../../consensus/quorum.js'
import type { Epoch, Mode, NodeId } from '../../consensus/types.js'

/** An epoch, as far as it matters who has to be there. */
export interface GroupEpoch {
  readonly epoch: Epoch
  readonly mode: Mode
  readonly membership: Membership
}

export class ReplicaGroups {
  #newest: GroupEpoch
  #before: GroupEpoch | null = null
  /** The epoch that each member was last seen in. */
  readonly #seen = new Map<NodeId, number>()
  readonly #mayLie: (id: NodeId) => boolean
  /** Grows whenever others may have become necessary. */
  version = 0

  constructor(genesis: GroupEpoch, mayLie: (id: NodeId) => boolean) {
    this.#mayLie = mayLie
    this.#newest = genesis
  }

  /** Everybody who belongs to the cluster, replica or not. */
  get members(): readonly NodeId[] {
    return this.#newest.membership.members.map(({ id }) => id)
  }

  /** The protocol of the newest epoch. */
  get mode(): Mode {
    return this.#newest.mode
  }

  /** An honest member is in this epoch. */
  look(id: NodeId, epoch: GroupEpoch): void {
    if (this.#seen.get(id) === epoch.epoch) return
    this.#seen.set(id, epoch.epoch)
    if (epoch.epoch <= this.#newest.epoch) return
    this.#before = this.#newest
    this.#newest = epoch
    this.version++
  }

  /** True where these nodes are enough of every group that has to agree. */
  isQuorum(nodes: readonly NodeId[]): boolean {
    return this.#groups().every((group) => isEnough(group, nodes))
  }

  /** As few of these nodes, in this order, as are enough of every group; fewer only where all of them are not. */
  least(ordered: readonly NodeId[]): NodeId[] {
    const chosen: NodeId[] = []
    const groups = this.#groups()
    for (const id of ordered)
      if (groups.some((group) => group.ids.includes(id) && !isEnough(group, chosen))) chosen.push(id)
    return chosen
  }

  #groups(): Group[] {
    const newest = groupOf(this.#newest)
    if (this.#before === null) return [newest]
    const before = groupOf(this.#before)
    const isOver = before.ids.every((id) => this.#mayLie(id) || (this.#seen.get(id) ?? 0) >= this.#newest.epoch)
    return isOver ? [newest] : [newest, before]
  }
}

interface Group {
  readonly ids: readonly NodeId[]
  /** How many of them have to be sound, so that the others are served. */
  readonly needed: number
}

/**
 * A quorum, of which one leads: PBFT, and Raft with Byzantine quorums. In HotStuff all but f, which of 6 or 9 are more
 * than a quorum: a commit needs three leaders in a row that are sound, and with more than f others in the ring
 * there may be no such three.
 */
function groupOf({ mode, membership }: GroupEpoch): Group {
  const ids = membership.members.filter(({ role }) => role === 'voter').map(({ id }) => id)
  const { length } = ids
  return { ids, needed: mode === 'hotstuff' ? length - byzantineFaults(length) : byzantineQuorum(length) }
}

function isEnough({ ids, needed }: Group, nodes: readonly NodeId[]): boolean {
  return ids.filter((id) => nodes.includes(id)).length >= needed
}
