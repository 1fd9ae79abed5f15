/**
 * The rules of a run of a Byzantine protocol: some members lie, and never more than the protocol bears are
 * liars or damaged. Everybody else is held to every promise, and the healed ones must serve while the
 * liars go on.
 */
import type { Core, Effect } from '../../consensus/core.js'
import { genesisMembership } from '../../consensus/membership.js'
import type { Epoch, NodeId } from '../../consensus/types.js'
import type { SimulatedCluster } from '../cluster.js'
import { isForgetful } from '../damage.js'
import { HybridInvariants } from '../hybrid/invariants.js'
import type { SwitchStep } from '../hybrid/strikes.js'
import { switchStepsIn } from '../hybrid/switch-steps.js'
import type { SimulatedNode } from '../node.js'
import type { RunPlan } from '../plan.js'
import type { RunRules } from '../run-rules.js'
import { InvariantViolation } from '../violation.js'
import { ByzantineInvariants } from './invariants.js'
import { Liars } from './liars.js'
import { isOnePlace } from './one-place.js'
import { ReplicaGroups } from './replica-groups.js'

export class ByzantineRules implements RunRules {
  readonly invariants: ByzantineInvariants
  readonly liars: Liars
  /** Time-outs double up to ten seconds, and as many primaries in a row may lie as there are liars. */
  readonly limitsMs = { lead: 30_000, serve: 120_000, converge: 120_000 }
  /** A node of a hybrid has come to these steps on its way out of an epoch. */
  onSwitchSteps: (node: SimulatedNode, steps: ReadonlySet<SwitchStep>) => void = () => {}
  readonly #cluster: SimulatedCluster
  readonly #plan: RunPlan
  readonly #groups: ReplicaGroups
  /** What was committed when the last client had its answers; null before that. */
  #askedAt: number | null = null

  constructor(cluster: SimulatedCluster, plan: RunPlan) {
    this.#cluster = cluster
    this.#plan = plan
    this.liars = new Liars(cluster, plan.seed, plan.liars, plan.requestTimeoutMs)
    const mayLie = (id: NodeId) => this.liars.has(id)
    const isHybrid = plan.protocol === 'hybrid'
    const membership = genesisMembership(cluster.configuration)
    const mode = plan.protocol === 'hybrid' ? 'raft' : plan.protocol
    this.#groups = new ReplicaGroups({ epoch: 0 as Epoch, mode, membership }, mayLie)
    this.invariants = isHybrid ? new HybridInvariants(cluster, mayLie) : new ByzantineInvariants(cluster, mayLie)
    cluster.watch = {
      signed: (node, bytes, signature) => this.invariants.signed(node, bytes, signature),
      stepped: (node, core, input, effects) => {
        if (input.type === 'message') this.liars.hear(node.id, input.from, input.message)
        if (isHybrid) this.#switching(node, switchStepsIn(node.id, effects))
        this.invariants.stepped(node, core, input, effects)
        if (!mayLie(node.id)) this.#noteMembers(node, core, effects)
      },
    }
    cluster.network.onSend = (from, _to, message) => {
      try {
        this.invariants.released(from, message)
      } catch (error) {
        // Thrown inside the node it would be the node's own failure.
        if (!(error instanceof InvariantViolation)) throw error
        cluster.node(from).broken ??= error
      }
    }
  }

  #switching(node: SimulatedNode, steps: ReadonlySet<SwitchStep>): void {
    for (const step of steps) this.#cluster.trace?.emit('switch', node.id, { step })
    this.onSwitchSteps(node, steps)
  }

  get version(): number {
    return this.#groups.version
  }

  isQuorum(nodes: readonly NodeId[]): boolean {
    return this.#groups.isQuorum(nodes.filter((id) => !this.liars.has(id)))
  }

  /** Who may contradict itself counts as one that lies. */
  coreOf(ordered: readonly SimulatedNode[]): SimulatedNode[] {
    const speaks = (node: SimulatedNode) => !node.isDamaged && !node.mayContradictItself && !isForgetful(node)
    const able = ordered.filter((node) => speaks(node) && !this.liars.has(node.id))
    const core = this.#groups.least(able.map(({ id }) => id))
    return able.filter(({ id }) => core.includes(id))
  }

  settle(): void {
    this.liars.all.forEach((liar, at) => {
      liar.take(this.#plan.lastLies[at] ?? null)
    })
  }

  isConverged(digestIndexes: ReadonlyMap<SimulatedNode, number>): boolean {
    const { commits } = this.invariants
    this.#askedAt ??= commits
    const places = this.#cluster.nodes.flatMap((node) => {
      if (node.isWiped || !this.#groups.members.includes(node.id)) return []
      const waiting = node.running?.loop.facts().queues.requests ?? 0
      const applied = node.running?.loop.machine.appliedIndex ?? null
      return [{ isLiar: this.liars.has(node.id), applied, digest: digestIndexes.get(node) ?? null, waiting }]
    })
    return isOnePlace(places, commits, this.#askedAt)
  }

  /** A member has entered an epoch, perhaps one with other members, or another protocol. */
  #noteMembers(node: SimulatedNode, core: Core, effects: readonly Effect[]): void {
    if (!effects.some(({ type }) => type === 'roleChanged' || type === 'epochChanged')) return
    // It is on its way: a crash may take it back.
    if (effects.some((effect) => effect.type === 'epochChanged' && effect.isUnderWay)) return
    const { epoch, mode, membership, membershipCommitted } = core.status()
    if (membershipCommitted) this.#groups.look(node.id, { epoch, mode, membership: membership.membership })
  }

  issued(request: Uint8Array): void {
    this.invariants.issued(request)
  }

  answered(by: NodeId, request: string, payload: Uint8Array): void {
    this.invariants.answered(by, request, payload)
  }

  describe(): string {
    const nodes = this.#cluster.nodes.map((node) => {
      const status = node.running?.core.status()
      if (status === undefined) return `${node.id} is down`
      const { view, round, term, role, leader, epoch, firstIndex, lastIndex, commitIndex, mayVote } = status
      const place = `${role} of ${leader} in epoch ${epoch} ${view === null ? (round === null ? `term ${term}` : `round ${round}`) : `view ${view}`}`
      const lie = this.liars.has(node.id) ? `, liar (${this.liars.get(node.id)?.lie ?? 'quiet'})` : ''
      const applied = node.running?.loop.machine.appliedIndex
      const waiting = node.running?.loop.facts().queues.requests
      return `${node.id} ${place}, log ${firstIndex} … ${lastIndex}, commit ${commitIndex}, applied ${applied}${waiting === 0 ? '' : `, ${waiting} requests wait`}${mayVote ? '' : ', may not vote'}${lie}`
    })
    return nodes.join('; ')
  }
}
