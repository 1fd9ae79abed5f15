/**
 * The replicas of one epoch: who they are, in which order, how many may lie, how many are a quorum.
 * Primary and leader rotation, certificates and state transfer all count from this one list.
 */
import { assert } from '../../base/assert.js'
import { ByteWriter, bytesEqual } from '../../base/bytes.js'
import type { Sha256 } from '../entry.js'
import { encodeMembership, type Membership } from '../membership.js'
import { byzantineFaults, byzantineQuorum } from '../quorum.js'
import type { NodeId } from '../types.js'

/** Fewer members cannot tolerate a liar: n ≥ 3f + 1 with f = 1. */
export const REPLICAS_MIN = 4

export class Replicas {
  /** In the order of the configuration. */
  readonly ids: readonly NodeId[]
  readonly publicKeys: readonly Uint8Array[]
  /** How many may lie. */
  readonly f: number
  /** Any two groups of this size share an honest replica. */
  readonly quorum: number
  readonly #indexes: ReadonlyMap<NodeId, number>

  constructor(membership: Membership) {
    assert(!membership.joint, 'Byzantine protocols change members by a new epoch, never jointly')
    const voters = membership.members.filter((member) => member.role === 'voter')
    this.ids = voters.map((member) => member.id)
    this.publicKeys = voters.map((member) => member.publicKey)
    this.f = byzantineFaults(voters.length)
    this.quorum = byzantineQuorum(voters.length)
    this.#indexes = new Map(this.ids.map((id, index) => [id, index]))
  }

  get count(): number {
    return this.ids.length
  }

  /** Position in the order; −1 for a stranger. */
  indexOf(id: NodeId): number {
    return this.#indexes.get(id) ?? -1
  }

  has(id: NodeId): boolean {
    return this.#indexes.has(id)
  }

  /** Whose turn it is: `members[turn mod n]`. */
  at(turn: number): NodeId {
    return this.ids[turn % this.ids.length] as NodeId
  }

  publicKeyOf(id: NodeId): Uint8Array | null {
    return this.publicKeys[this.indexOf(id)] ?? null
  }
}

/** Why the members may not become these by one change; null when they may. */
export function nextMembersProblem(current: Membership, next: Membership): string | null {
  if (next.joint) return 'Byzantine protocols change members by a new epoch, never jointly'
  const { members } = next
  const replicas = members.filter((member) => member.role === 'voter').length
  if (replicas < REPLICAS_MIN) return `${replicas} replicas tolerate no liar: at least ${REPLICAS_MIN} are needed`
  for (const [at, { id, publicKey }] of members.entries()) {
    const before = current.members.find((member) => member.id === id)
    if (before !== undefined && !bytesEqual(before.publicKey, publicKey)) return 'a member keeps its key'
    // One key in two places would be two votes.
    if (members.slice(0, at).some((other) => bytesEqual(other.publicKey, publicKey))) return 'two members have one key'
  }
  return null
}

/**
 * Hash of the configuration in force in an epoch: that of the cluster, bound to the members of this
 * epoch. A signature under one configuration says nothing under another.
 */
export function epochConfigHash(sha256: Sha256, clusterConfigHash: Uint8Array, membership: Membership): Uint8Array {
  const out = new ByteWriter(512)
  out.text('knhk/epoch-configuration/1').raw(clusterConfigHash).bytes(encodeMembership(membership))
  return sha256(out.finish())
}
