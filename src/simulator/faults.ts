/**
 * Carries out the faults of a plan against nodes, network and disks. Each ends by itself after a while.
 * Nothing spares a majority, damage apart: safety may depend on none.
 */
import { hasCode } from '../base/error.js'
import type { Millis, NodeId } from '../consensus/types.js'
import { AimedFaults } from './aimed-faults.js'
import { deposeAstrayLeaders } from './astray-leader.js'
import type { Liars } from './byzantine/liars.js'
import { isLie, type Lie } from './byzantine/lies.js'
import type { SimulatedCluster } from './cluster.js'
import { Damage } from './damage.js'
import { FAILPOINTS } from './failpoints.js'
import { addFaults, type FaultCounts, noFaults } from './fault-counts.js'
import { isSwitchStrike } from './hybrid/strikes.js'
import { SwitchFaults } from './hybrid/switch-faults.js'
import { CALM_NETWORK } from './network.js'
import type { SimulatedNode } from './node.js'
import { giveOrder } from './operator.js'
import type { PlannedFault, Strike } from './plan.js'
import { SeededRandom } from './random.js'
import type { RunRules } from './run-rules.js'
import { InvariantViolation } from './violation.js'

type NetworkStrike = Extract<Strike, 'weather' | 'clog' | `partition${string}`>

const LIE_MIN_MS = 300
const LIE_MAX_MS = 6000
/** Passes of a failpoint before it strikes, at most. */
const PASSES_MAX = 30

export class FaultDriver {
  /** Faults that were started, as opposed to messages that each had one. */
  episodes = 0
  readonly aimed: AimedFaults
  /** Those of a hybrid that changes its protocol. */
  readonly switching: SwitchFaults
  readonly #cluster: SimulatedCluster
  readonly #rules: RunRules
  readonly #liars: Liars | null
  readonly #planned: readonly PlannedFault[]
  readonly #counts = noFaults()
  readonly #damage: Damage
  /** Disk errors of each node when it was last started. */
  readonly #errorsBefore = new Map<NodeId, number>()
  #random: SeededRandom
  #running = false
  #isHealed = false
  readonly #keptUp = new Set<SimulatedNode>()

  constructor(cluster: SimulatedCluster, planned: readonly PlannedFault[], rules: RunRules, liars: Liars | null) {
    this.#cluster = cluster
    this.#rules = rules
    this.#liars = liars
    this.#planned = planned
    this.#random = new SeededRandom(0)
    this.#damage = new Damage(cluster)
    this.#damage.isQuorum = (nodes) => rules.isQuorum(nodes)
    cluster.network.holdsSnapshot = (from, id) => !cluster.node(from).mayGive(id)
    this.aimed = new AimedFaults(cluster, this)
    this.switching = new SwitchFaults(cluster, this)
    for (const node of cluster.nodes) node.disk.onSynced = () => this.#synced(node)
  }

  get isRunning(): boolean {
    return this.#running
  }

  start(): void {
    this.#running = true
    this.#next(0, this.#cluster.queue.nowMs)
  }

  /** No more faults; the ones under way end by themselves or by `healNetwork` and `repair`. */
  stop(): void {
    this.#running = false
    this.aimed.stop()
    for (const node of this.#cluster.nodes) {
      node.failpoints.disarm()
      node.rotsPut = null
    }
  }

  /** After every event: restarts nodes that a disk error stopped. Throws `InvariantViolation` where one stopped for no such reason. */
  look(): void {
    this.#damage.expectWipedAreOut()
    this.aimed.look()
    for (const node of this.#cluster.nodes) {
      if (node.broken !== null) throw node.broken
      this.#damage.noteRepair(node, (index) => this.#rules.invariants.committedChain(index))
      if (node.fatal === null) continue
      const error = node.fatal
      node.fatal = null
      this.#expectExcuse(node, error, 'nodeStopped')
      // Its damage could pass for a torn tail.
      if (this.#damage.isUncovered(node)) this.#wipe(node)
      else if (!node.isWiped) this.restartLater(node)
    }
  }

  /** Whoever stops of these is started again: without them nobody decides. */
  keepUp(nodes: readonly SimulatedNode[]): void {
    for (const node of nodes) {
      this.#keptUp.add(node)
      this.repair(node)
    }
  }

  /** From now on whoever stops, for what it has still to find out, is started again. */
  allHealed(): void {
    this.#isHealed = true
    this.healNetwork()
    for (const node of this.#cluster.nodes) this.repair(node)
    if (this.#liars === null) deposeAstrayLeaders(this.#cluster)
  }

  /** Brings a node back as it was before any fault; one that lost its disk stays away. */
  repair(node: SimulatedNode): void {
    node.disk.repair()
    node.clockOffsetMs = 0
    if (node.isDown && !node.isWiped) this.restart(node)
  }

  healNetwork(): void {
    this.#cluster.trace?.emit('heal', null)
    this.#cluster.network.heal()
    this.#cluster.network.options = CALM_NETWORK
  }

  crash(node: SimulatedNode, kind: 'power' | 'process'): void {
    if (node.isDown) return
    this.#counts.crash++
    const { lostWrites, tornWrites, lostEntries } = node.crash(kind)
    this.#counts.lostWrite += lostWrites
    this.#counts.tornWrite += tornWrites
    this.#counts.lostDirectoryEntry += lostEntries
    // Its damage could pass for a torn tail, which no node could tell: the operator throws the disk away.
    if (this.#damage.isUncovered(node)) this.#wipe(node)
  }

  crashAndRestart(node: SimulatedNode, kind: 'power' | 'process'): void {
    if (node.isDown) return
    this.crash(node, kind)
    this.restartLater(node)
  }

  restartLater(node: SimulatedNode): void {
    this.#after(20, 1000, () => {
      if (node.isDown && (this.#running || this.#isHealed || this.#keptUp.has(node))) this.restart(node)
    })
  }

  restart(node: SimulatedNode): void {
    this.#counts.restart++
    this.#errorsBefore.set(node.id, diskErrors(node))
    // A node that cannot start says so where `look` finds it.
    node.start().catch((error: unknown) => {
      node.crash('process')
      node.fatal = error
    })
  }

  order(leader: SimulatedNode, target: SimulatedNode): void {
    giveOrder(this.#cluster, leader, { kind: 'transferLeadership', target: target.id })
  }

  /** Two groups cannot talk for a while. */
  partition(): void {
    this.#strikeNetwork('partition')
  }

  /** One of the fault ids struck outside this driver. */
  count(id: keyof FaultCounts): void {
    this.#counts[id]++
  }

  /** What struck so far, what the network and the disks did included. */
  counts(): FaultCounts {
    const { network, nodes } = this.#cluster
    const counts = { ...this.#counts }
    counts.drop += network.lost
    counts.delay += network.delayed
    counts.duplicate += network.duplicated
    counts.reorder += network.reordered
    addFaults(counts, { ...noFaults(), ...this.#damage.counts, ...this.#liars?.counts })
    for (const { disk } of nodes) {
      counts.eio += disk.counts.EIO
      counts.enospc += disk.counts.ENOSPC
      counts.slowSync += disk.counts.slow
      counts.hungSync += disk.counts.hung
    }
    return counts
  }

  #next(at: number, startedMs: Millis): void {
    const fault = this.#planned[at]
    if (fault === undefined) return
    const { queue, nodes, trace } = this.#cluster
    queue.after(startedMs + fault.atMs - queue.nowMs, () => {
      if (!this.#running) return
      this.episodes++
      this.#random = new SeededRandom(fault.detail)
      const named = fault.target === 'leader' ? this.#cluster.leader() : nodes[fault.target]
      const node = named ?? (nodes[0] as SimulatedNode)
      trace?.emit('fault', node.id, { strike: fault.strike })
      this.#strike(fault.strike, node)
      this.#next(at + 1, startedMs)
    })
  }

  /** A liar lies so until it lies otherwise, or for a while. */
  #lie(lie: Lie, node: SimulatedNode): void {
    const liar = this.#liars?.get(node.id)
    if (liar === undefined) return
    liar.take(lie)
    this.#after(LIE_MIN_MS, LIE_MAX_MS, () => {
      if (this.#running && liar.lie === lie) liar.take(null)
    })
  }

  #strike(strike: Strike, node: SimulatedNode): void {
    if (isLie(strike)) return this.#lie(strike, node)
    if (isSwitchStrike(strike)) return this.switching.strike(strike, node, this.#random)
    switch (strike) {
      case 'crashProcess':
        return this.crashAndRestart(node, 'process')
      case 'crashPower':
        return this.crashAndRestart(node, 'power')
      case 'crashWhileSyncing':
        return node.disk.atNextSync(() => this.crashAndRestart(node, 'power'))
      case 'crashAtStep':
        return this.#crashAtStep(node)
      case 'crashAtStart':
        this.crash(node, 'power')
        if (node.isDown && !node.isWiped) this.restart(node)
        return this.#crashAtStep(node)
      case 'powerCut':
        if (this.#random.chance(0.5)) for (const each of this.#cluster.nodes) this.crashAndRestart(each, 'power')
        return
      case 'powerCutAtAck':
      case 'leaderTail':
      case 'deposedReads':
      case 'lateTransfer':
      case 'restartedVoter':
      case 'leaderFallsAtAck':
        return this.aimed.strike(strike, node, this.#random)
      case 'zoneDown':
        return this.#zoneDown(node)
      case 'pause':
        this.#counts.pause++
        return node.pause(this.#random.between(100, 1500))
      case 'clockJump':
        this.#counts.clockJump++
        node.clockOffsetMs = this.#random.between(-5000, 5000)
        return
      case 'stateRot':
        return this.#damage.rotState(node)
      case 'lostTail':
        return this.#loseTail(node)
      case 'bitRot':
      case 'misdirectedWrite':
      case 'wipe':
        return this.#damageDisk(strike, node)
      case 'slowSync':
      case 'hungSync':
      case 'eio':
      case 'enospc':
        return this.#strikeDisk(strike, node)
      default:
        this.#strikeNetwork(strike)
    }
  }

  /** Power goes in the whole data centre of a node; its nodes come back one by one. */
  #zoneDown({ id }: SimulatedNode): void {
    const { members } = this.#cluster.configuration
    const zone = members.find((member) => member.id === id)?.zone
    const inside = members.filter((member) => member.zone === zone).map((member) => this.#cluster.node(member.id))
    this.#rules.zoneGoes?.(inside)
    for (const node of inside) this.crashAndRestart(node, 'power')
  }

  /** The process, or the power, goes at a step of the node's own work. */
  #crashAtStep(node: SimulatedNode): void {
    // New files come seldom, and only between their creation and its sync can they get lost.
    const point = this.#random.chance(0.3) ? 'beforeDirectorySync' : this.#random.pick(FAILPOINTS)
    const kind = this.#random.pick(['power', 'process'] as const)
    node.failpoints.arm(point, this.#random.between(1, point === 'beforeDirectorySync' ? 2 : PASSES_MAX), () => {
      this.#cluster.trace?.emit('fault', node.id, { strike: 'crashAtStep', point })
      this.crashAndRestart(node, kind)
    })
  }

  #strikeDisk(strike: 'slowSync' | 'hungSync' | 'eio' | 'enospc', node: SimulatedNode): void {
    switch (strike) {
      case 'slowSync':
        node.disk.sync = { minMs: 2, maxMs: this.#random.between(5, 60) }
        return this.#after(500, 2000, () => node.disk.calm())
      case 'hungSync':
        return node.disk.hang(this.#random.between(200, 2000))
      case 'eio':
        return node.disk.failNext('EIO')
      case 'enospc':
        return node.disk.failNext('ENOSPC')
    }
  }

  #damageDisk(strike: 'bitRot' | 'misdirectedWrite' | 'wipe', node: SimulatedNode): void {
    if (node.isDamaged || !this.#damage.isBearable(node)) return
    if (strike === 'misdirectedWrite') {
      if (node.running !== null) this.#damage.misdirect(node, this.#random)
      return
    }
    this.crash(node, this.#random.pick(['power', 'process'] as const))
    // One that was just being started, or is being rotted, has to be down for good.
    if (!node.isDown || node.isWiped) return
    if (strike === 'wipe') return this.#wipe(node)
    const random = this.#random
    void this.#damage.rot(node, random)
    this.restartLater(node)
  }

  #loseTail(node: SimulatedNode): void {
    if (node.running === null || node.isDamaged || !this.#damage.isBearable(node)) return
    const random = this.#random
    if (!this.#damage.loseTail(node, random)) return
    this.#counts.crash++
    // Soon, so that the same leader may still be there and know better.
    this.#cluster.queue.after(random.between(1, 60), () => {
      if (node.isDown && this.#running) this.restart(node)
    })
  }

  #wipe(node: SimulatedNode): void {
    void this.#damage.wipe(node).then(() => {
      // It must be refused: `look` sees what it says.
      this.restartLater(node)
    })
  }

  /** Damage that is certain to show: the node is started again, so that it does. */
  #synced(node: SimulatedNode): void {
    if (!this.#damage.synced(node)) return
    this.#cluster.queue.after(1, () => this.crashAndRestart(node, 'process'))
  }

  #strikeNetwork(kind: NetworkStrike): void {
    const { network } = this.#cluster
    const [left, right] = this.#split()
    switch (kind) {
      case 'weather': {
        const often = () => (this.#random.chance(0.5) ? 0 : this.#random.next() * 0.25)
        const latencyMaxMs = this.#random.pick([1, 5, 40])
        const delay = often()
        network.options = { latencyMinMs: 0.1, latencyMaxMs, loss: often(), duplication: often(), delay }
        this.#after(200, 2000, () => {
          network.options = CALM_NETWORK
        })
        return
      }
      case 'clog':
        this.#counts.clog++
        for (const from of left) for (const to of right) network.clog(from, to, this.#random.between(50, 800))
        return
      case 'partition':
        this.#counts.partition++
        network.partition(left, right)
        break
      case 'partitionAsymmetric':
        this.#counts.partitionAsymmetric++
        for (const from of left) for (const to of right) network.cut(from, to)
        break
      case 'partitionPartial': {
        this.#counts.partitionPartial++
        // Some pairs cannot talk; somebody between them can talk to both.
        for (const a of left) for (const b of right) if (this.#random.chance(0.5)) network.partition([a], [b])
        break
      }
    }
    this.#after(100, 1500, () => network.heal())
  }

  #expectExcuse(node: SimulatedNode, error: unknown, invariant: string): void {
    if (this.#damage.excuses(node, error)) return
    const happened = diskErrors(node) > (this.#errorsBefore.get(node.id) ?? 0)
    if (!node.isWiped && happened && (hasCode(error, 'StorageFailed') || hasCode(error, 'DiskFull'))) return
    const detail =
      error instanceof Error
        ? `${error.message}${error.cause === undefined ? '' : `: ${String(error.cause)}`}`
        : String(error)
    throw new InvariantViolation(invariant, `${node.id} stopped: ${detail}`)
  }

  /** Two groups; often one is the leader alone, which then does not know that another is elected. */
  #split(): [NodeId[], NodeId[]] {
    const left: NodeId[] = []
    const right: NodeId[] = []
    const leader = this.#random.chance(0.5) ? this.#cluster.leader() : null
    for (const node of this.#cluster.nodes) {
      const isLeft = leader === null ? this.#random.chance(0.5) : node === leader
      ;(isLeft ? left : right).push(node.id)
    }
    if (left.length === 0) left.push(right.pop() as NodeId)
    if (right.length === 0) right.push(left.pop() as NodeId)
    return [left, right]
  }

  #after(minMs: Millis, maxMs: Millis, run: () => void): void {
    this.#cluster.queue.after(this.#random.between(minMs, maxMs), run)
  }
}

function diskErrors({ disk }: SimulatedNode): number {
  return disk.counts.EIO + disk.counts.ENOSPC
}
