/**
 * The rules of a run of plain Raft: a majority of each configuration that may be in force, in two zones where
 * the cluster asks for it; and in the end a leader in the preferred zone.
 */
import { fromHex } from '../base/bytes.js'
import { quorumOf } from '../consensus/membership.js'
import type { NodeId } from '../consensus/types.js'
import type { SimulatedCluster } from './cluster.js'
import { Invariants } from './invariants.js'
import { isMajority } from './member-rules.js'
import { checkMessage } from './message-rules.js'
import type { SimulatedNode } from './node.js'
import type { RunRules } from './run-rules.js'
import { InvariantViolation } from './violation.js'

const CONVERGE_MS = 30_000

export class RaftRules implements RunRules {
  readonly invariants: Invariants
  readonly limitsMs: RunRules['limitsMs']
  readonly #cluster: SimulatedCluster
  /** Two zones have to hold what is committed. */
  readonly #commitsApart: boolean
  readonly #preferred: readonly string[]
  readonly #zones: ReadonlyMap<NodeId, string>

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    const { settings, members } = cluster.configuration
    this.#commitsApart = settings.commitZones !== null
    this.#preferred = settings.preferredZones ?? []
    this.#zones = new Map(members.map(({ id, zone }) => [id, zone]))
    this.invariants = new Invariants(cluster.nodes, { commitsApart: this.#commitsApart })
    // A preferred node that failed is handed leadership ever more slowly.
    const converge = this.#preferred.length === 0 ? CONVERGE_MS : 2 * CONVERGE_MS
    this.limitsMs = { lead: 30_000, serve: 30_000, converge }
    cluster.network.onSend = (from, to, message) => {
      const sender = cluster.node(from)
      try {
        checkMessage(sender, to, message)
      } catch (error) {
        // Thrown inside the node it would be the node's own failure.
        if (!(error instanceof InvariantViolation)) throw error
        sender.broken ??= error
      }
    }
  }

  get version(): number {
    return this.invariants.members.version
  }

  isQuorum(nodes: readonly NodeId[]): boolean {
    return this.invariants.members.groups().every((group) => this.#decides(group, nodes))
  }

  zoneGoes(inside: readonly SimulatedNode[]): void {
    const { acknowledgedMax } = this.invariants
    const chain = this.invariants.committedChain(acknowledgedMax)
    if (!this.#commitsApart || chain === undefined) return
    const outside = this.#cluster.nodes.filter((node) => !inside.includes(node))
    if (outside.some(({ durable }) => durable.hasHeld(acknowledgedMax, fromHex(chain)))) return
    throw new InvariantViolation(
      'zoneLossLosesNothing',
      `entry ${acknowledgedMax} was acknowledged and is only on disks of ${inside.map(({ id }) => id).join(', ')}`,
    )
  }

  /** Of a group, a majority is among these nodes, in two zones where that is asked for and the group has them. */
  #decides(group: readonly NodeId[], nodes: readonly NodeId[]): boolean {
    return isMajority(group, nodes) && this.#isApart(group, nodes)
  }

  #isApart(group: readonly NodeId[], nodes: readonly NodeId[]): boolean {
    if (!this.#commitsApart) return true
    const zonesOf = (ids: readonly NodeId[]) => new Set(ids.map((id) => this.#zones.get(id))).size
    return zonesOf(group.filter((id) => nodes.includes(id))) >= Math.min(2, zonesOf(group))
  }

  /** What this group lacks to decide comes with that node. */
  #helps(group: readonly NodeId[], nodes: readonly NodeId[], id: NodeId): boolean {
    if (!group.includes(id)) return false
    if (!isMajority(group, nodes)) return true
    return !this.#isApart(group, nodes) && this.#isApart(group, [...nodes, id])
  }

  /** The leader stands in a preferred zone, or no voter that has a disk does. */
  #isPreferred(leader: NodeId, voters: readonly NodeId[]): boolean {
    const stands = (id: NodeId) => this.#preferred.includes(this.#zones.get(id) ?? '')
    return stands(leader) || !voters.some((id) => stands(id) && !this.#cluster.node(id).isWiped)
  }

  coreOf(ordered: readonly SimulatedNode[]): SimulatedNode[] {
    const core: SimulatedNode[] = []
    const groups = this.invariants.members.groups()
    for (const node of ordered) {
      // What a disk has lost no healing brings back: such a node counts among the broken ones.
      if (node.isDamaged || node.mayBeAstray || node.isRebuilding) continue
      const ids = core.map(({ id }) => id)
      if (groups.some((group) => this.#helps(group, ids, node.id))) core.push(node)
    }
    const ids = core.map(({ id }) => id)
    // The members have changed since a disk was damaged, and nobody decides without that node: it takes all.
    return groups.every((group) => this.#decides(group, ids)) ? core : [...ordered]
  }

  settle(): void {}

  isConverged(digestIndexes: ReadonlyMap<SimulatedNode, number>): boolean {
    const { commits } = this.invariants
    const isAtEnd = (node: SimulatedNode) =>
      node.isWiped ||
      (node.running?.loop.machine.appliedIndex === commits &&
        !node.isDamaged &&
        node.astraySince === null &&
        digestIndexes.get(node) === commits)
    const leader = this.#cluster.leader()
    const status = leader?.running?.core.status()
    if (leader === null || status === undefined || !status.membershipCommitted || status.membership.membership.joint)
      return false
    const { membership } = status.membership
    if (!this.#isPreferred(leader.id, quorumOf(membership).voters)) return false
    return membership.members.every(({ id }) => isAtEnd(this.#cluster.node(id)))
  }

  issued(): void {}

  answered(): void {}

  describe(): string {
    const nodes = this.#cluster.nodes.map((node) => {
      const status = node.running?.core.status()
      return status === undefined
        ? `${node.id} is down`
        : `${node.id} ${status.role} of term ${status.term}, log ${status.firstIndex} … ${status.lastIndex}, commit ${status.commitIndex}, members of ${status.membership.index}${status.mayVote ? '' : ', may not vote'}`
    })
    const groups = this.invariants.members.groups().map((group) => group.join(' '))
    return [...nodes, `a majority of each of: ${groups.join(' | ')}`].join('; ')
  }
}
