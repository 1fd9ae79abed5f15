/** The rules of a run of plain Raft: a majority of each configuration that may be in force. */
import type { NodeId } from '../consensus/types.js'
import type { SimulatedCluster } from './cluster.js'
import { Invariants } from './invariants.js'
import { isMajority } from './member-rules.js'
import { checkMessage } from './message-rules.js'
import type { SimulatedNode } from './node.js'
import type { RunRules } from './run-rules.js'
import { InvariantViolation } from './violation.js'

export class RaftRules implements RunRules {
  readonly invariants: Invariants
  readonly limitsMs = { lead: 30_000, serve: 30_000, converge: 30_000 }
  readonly #cluster: SimulatedCluster

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    this.invariants = new Invariants(cluster.nodes)
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
    return this.invariants.members.isQuorum(nodes)
  }

  coreOf(ordered: readonly SimulatedNode[]): SimulatedNode[] {
    const core: SimulatedNode[] = []
    const groups = this.invariants.members.groups()
    for (const node of ordered) {
      // What a disk has lost no healing brings back: such a node counts among the broken ones.
      if (node.isDamaged || node.mayBeAstray || node.isRebuilding) continue
      const ids = core.map(({ id }) => id)
      if (groups.some((group) => group.includes(node.id) && !isMajority(group, ids))) core.push(node)
    }
    const ids = core.map(({ id }) => id)
    // The members have changed since a disk was damaged, and nobody decides without that node: it takes all.
    return groups.every((group) => isMajority(group, ids)) ? core : [...ordered]
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
    const status = this.#cluster.leader()?.running?.core.status()
    if (status === undefined || !status.membershipCommitted || status.membership.membership.joint) return false
    return status.membership.membership.members.every(({ id }) => isAtEnd(this.#cluster.node(id)))
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
