/**
 * What goes wrong in a simulation, and when: a seeded stream of faults against nodes, network and
 * disks, each of which ends by itself after a while. Every seed has a mix of its own, because a bug
 * that needs many faults of one kind drowns when all kinds come at once (Groce et al., "Swarm
 * testing", 2012). Nothing spares a majority: safety may depend on none.
 */
import { hasCode } from '../base/error.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { SimulatedCluster } from './cluster.js'
import { type FaultCounts, noFaults } from './fault-counts.js'
import { InvariantViolation } from './invariants.js'
import { CALM_NETWORK } from './network.js'
import type { SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'

const KINDS = [
  'crashProcess',
  'crashPower',
  'crashWhileSyncing',
  'powerCut',
  'pause',
  'clockJump',
  'weather',
  'clog',
  'partition',
  'partitionAsymmetric',
  'partitionPartial',
  'slowSync',
  'hungSync',
  'eio',
  'enospc',
] as const
type Kind = (typeof KINDS)[number]

const EPISODES_TO_DOUBLE_GAP = 15

export class FaultDriver {
  /** Faults that were started, as opposed to messages that each had one. */
  episodes = 0
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  readonly #counts = noFaults()
  readonly #kinds: readonly Kind[]
  readonly #gapMaxMs: Millis
  /** Disk errors of each node when it was last started. */
  readonly #errorsBefore = new Map<NodeId, number>()
  #running = false

  constructor(cluster: SimulatedCluster, random: SeededRandom) {
    this.#cluster = cluster
    this.#random = random
    const chosen = KINDS.filter(() => random.chance(0.6))
    this.#kinds = chosen.length >= 3 ? chosen : KINDS
    this.#gapMaxMs = random.between(100, 600)
  }

  start(): void {
    this.#running = true
    this.#later()
  }

  /** No more faults; the ones under way end by themselves or by `healNetwork` and `repair`. */
  stop(): void {
    this.#running = false
  }

  /** Restarts nodes that a disk error stopped. Throws `InvariantViolation` where a node stopped for no such reason. */
  look(): void {
    for (const node of this.#cluster.nodes) {
      if (node.fatal === null) continue
      const error = node.fatal
      node.fatal = null
      this.#expectDiskError(node, error, 'nodeStopped')
      this.#restartLater(node)
    }
  }

  /** Brings a node back as it was before any fault. */
  repair(node: SimulatedNode): void {
    node.disk.repair()
    node.clockOffsetMs = 0
    if (node.isDown) this.#start(node)
  }

  healNetwork(): void {
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
  }

  /** What struck so far, what the network and the disks did included. */
  counts(): FaultCounts {
    const { network, nodes } = this.#cluster
    const counts = { ...this.#counts }
    counts.drop += network.lost
    counts.delay += network.delayed
    counts.duplicate += network.duplicated
    counts.reorder += network.reordered
    for (const { disk } of nodes) {
      counts.eio += disk.counts.EIO
      counts.enospc += disk.counts.ENOSPC
      counts.slowSync += disk.counts.slow
      counts.hungSync += disk.counts.hung
    }
    return counts
  }

  #later(): void {
    // A mix under which hardly anything commits gets rarer by and by, so that every run comes to something.
    const gapMaxMs = this.#gapMaxMs * (1 + (this.episodes / EPISODES_TO_DOUBLE_GAP) ** 2)
    this.#cluster.queue.after(20 + this.#random.next() * gapMaxMs, () => {
      if (!this.#running) return
      this.episodes++
      this.#strike(this.#random.pick(this.#kinds))
      this.#later()
    })
  }

  #strike(kind: Kind): void {
    const node = this.#victim()
    switch (kind) {
      case 'crashProcess':
        return this.#crashAndRestart(node, 'process')
      case 'crashPower':
        return this.#crashAndRestart(node, 'power')
      case 'crashWhileSyncing':
        return node.disk.atNextSync(() => this.#crashAndRestart(node, 'power'))
      case 'powerCut':
        if (this.#random.chance(0.5)) for (const each of this.#cluster.nodes) this.#crashAndRestart(each, 'power')
        return
      case 'pause':
        this.#counts.pause++
        return node.pause(this.#random.between(100, 1500))
      case 'clockJump':
        this.#counts.clockJump++
        node.clockOffsetMs = this.#random.between(-5000, 5000)
        return
      case 'slowSync':
        node.disk.sync = { minMs: 2, maxMs: this.#random.between(5, 60) }
        return this.#after(500, 2000, () => node.disk.repair())
      case 'hungSync':
        return node.disk.hang(this.#random.between(200, 2000))
      case 'eio':
        return node.disk.failNext('EIO')
      case 'enospc':
        return node.disk.failNext('ENOSPC')
      default:
        this.#strikeNetwork(kind)
    }
  }

  #strikeNetwork(kind: Extract<Kind, 'weather' | 'clog' | `partition${string}`>): void {
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

  #crashAndRestart(node: SimulatedNode, kind: 'power' | 'process'): void {
    if (node.isDown) return
    this.crash(node, kind)
    this.#restartLater(node)
  }

  #restartLater(node: SimulatedNode): void {
    this.#after(20, 1000, () => {
      if (node.isDown && this.#running) this.#start(node)
    })
  }

  #start(node: SimulatedNode): void {
    this.#counts.restart++
    this.#errorsBefore.set(node.id, diskErrors(node))
    // A node that cannot start says so where `look` finds it.
    node.start().catch((error: unknown) => {
      node.crash('process')
      node.fatal = error
    })
  }

  #expectDiskError(node: SimulatedNode, error: unknown, invariant: string): void {
    const happened = diskErrors(node) > (this.#errorsBefore.get(node.id) ?? 0)
    if (happened && (hasCode(error, 'StorageFailed') || hasCode(error, 'DiskFull'))) return
    const detail =
      error instanceof Error
        ? `${error.message}${error.cause === undefined ? '' : `: ${String(error.cause)}`}`
        : String(error)
    throw new InvariantViolation(invariant, `${node.id} stopped: ${detail}`)
  }

  /** Leaders have more to lose. */
  #victim(): SimulatedNode {
    const leader = this.#random.chance(0.4) ? this.#cluster.leader() : null
    return leader ?? this.#random.pick(this.#cluster.nodes)
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
