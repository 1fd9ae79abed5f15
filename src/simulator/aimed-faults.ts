/**
 * Faults that aim: courses of events in which a protocol that cut a corner loses something, brought
 * about step by step as the cluster moves. Blind faults hit them once in thousands of runs.
 *
 * `leaderTail`: a leader is cut off with entries that few or none of the others have, and falls; the
 * next leader falls before anybody has its first entry; then the first one may come back, and fall
 * again (Ongaro and Ousterhout, figure 8, from both ends). `deposedReads`: a leader is cut off or
 * stopped, the others elect and commit, and a client goes on reading from the old one.
 * `powerCutAtAck`: the power fails in many places at the very moment a client was told that its write is safe.
 */
import type { Millis } from '../consensus/types.js'
import { fallAtAck, type LeaseHand, restartVoter, transferLate } from './aimed-leases.js'
import type { SimulatedCluster } from './cluster.js'
import type { FaultCounts } from './fault-counts.js'
import type { SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'

interface Waiting {
  readonly until: () => boolean
  readonly untilMs: Millis
  readonly then: () => void
}

/** What the driver of faults does for an aimed one. */
export interface Hand {
  readonly isRunning: boolean
  crash(node: SimulatedNode, kind: 'power' | 'process'): void
  crashAndRestart(node: SimulatedNode, kind: 'power' | 'process'): void
  restart(node: SimulatedNode): void
  count(id: keyof FaultCounts): void
  order(leader: SimulatedNode, target: SimulatedNode): void
}

export type AimedStrike =
  | 'leaderTail'
  | 'deposedReads'
  | 'powerCutAtAck'
  | 'lateTransfer'
  | 'restartedVoter'
  | 'leaderFallsAtAck'

/** An election takes one or two of the longest timeouts. */
const ELECTION_MS = 1200

export class AimedFaults {
  /** Where a stubborn reader reads; null for anywhere. */
  readsAt: SimulatedNode | null = null
  /** Where all others go meanwhile. */
  writesAt: SimulatedNode | null = null
  /** No client begins a request, the stubborn reader apart. */
  isQuiet = false
  /** Called when `writesAt` is set: nobody waits for the old leader any longer. */
  onMoved: () => void = () => {}
  readonly #cluster: SimulatedCluster
  readonly #hand: Hand
  #waiting: Waiting | null = null
  #busy = false
  #onAck: (() => void) | null = null

  constructor(cluster: SimulatedCluster, hand: Hand) {
    this.#cluster = cluster
    this.#hand = hand
  }

  stop(): void {
    this.#waiting = null
    this.#onAck = null
    this.readsAt = null
    this.writesAt = null
    this.isQuiet = false
    this.#busy = false
  }

  /** After every event. */
  look(): void {
    const waiting = this.#waiting
    if (waiting === null) return
    if (!waiting.until() && this.#cluster.queue.nowMs < waiting.untilMs) return
    this.#waiting = null
    waiting.then()
  }

  /** A client was told that its write is done. */
  acknowledged(): void {
    const strike = this.#onAck
    this.#onAck = null
    strike?.()
  }

  /** One course at a time; a second one meanwhile does nothing. */
  strike(kind: AimedStrike, node: SimulatedNode, random: SeededRandom): void {
    if (kind === 'powerCutAtAck') {
      this.#onAck = () => this.#cutPower(random)
      return
    }
    const leader = this.#cluster.leader()
    if (this.#busy || leader === null || this.#cluster.nodes.length < 3) return
    this.#busy = true
    const cluster = this.#cluster
    switch (kind) {
      case 'deposedReads':
        return this.#deposeWhileReading(leader, random)
      case 'leaderTail':
        return this.#isolateTail(leader, node === leader ? null : node, random)
      case 'lateTransfer':
        return transferLate(cluster, this.#leaseHand(), leader, random)
      case 'restartedVoter':
        return restartVoter(cluster, this.#leaseHand(), leader, random)
      case 'leaderFallsAtAck':
        this.#onAck = () => {
          this.#hand.crashAndRestart(leader, 'process')
          fallAtAck(cluster, this.#leaseHand(), leader, random)
        }
    }
  }

  #leaseHand(): LeaseHand {
    const aimed = this
    return {
      get readsAt() {
        return aimed.readsAt
      },
      set readsAt(node) {
        aimed.readsAt = node
      },
      get writesAt() {
        return aimed.writesAt
      },
      set writesAt(node) {
        aimed.writesAt = node
      },
      get isQuiet() {
        return aimed.isQuiet
      },
      set isQuiet(isQuiet) {
        aimed.isQuiet = isQuiet
      },
      onMoved: () => aimed.onMoved(),
      when: (until, then) => aimed.#when(until, then),
      later: (delayMs, then) => aimed.#later(delayMs, then),
      leaderBut: (node) => aimed.#leaderBut(node),
      restartNow: (node) => {
        aimed.#hand.crash(node, 'process')
        if (node.isDown && !node.isWiped) aimed.#hand.restart(node)
      },
      order: (leader, target) => aimed.#hand.order(leader, target),
      over: () => aimed.#end(),
    }
  }

  #end(): void {
    this.#cluster.network.heal()
    this.readsAt = null
    this.writesAt = null
    this.isQuiet = false
    this.#busy = false
  }

  #cutPower(random: SeededRandom): void {
    const { nodes } = this.#cluster
    const isAll = random.chance(0.5)
    for (const node of nodes) if (isAll || random.chance(0.6)) this.#hand.crashAndRestart(node, 'power')
  }

  #deposeWhileReading(leader: SimulatedNode, random: SeededRandom): void {
    const { network, nodes } = this.#cluster
    this.readsAt = leader
    const others = nodes.filter((node) => node !== leader).map(({ id }) => id)
    const way = random.pick(['slow', 'slow', 'cut', 'stopped'] as const)
    if (way === 'stopped') {
      this.#hand.count('pause')
      leader.pause(random.between(100, 900))
    } else if (way === 'cut') {
      this.#hand.count('partition')
      network.partition([leader.id], others)
    } else {
      // Answers that are long on their way keep it in the belief to lead, when nobody hears it any more.
      const byMs = random.between(80, 300)
      for (const other of others) network.slow(other, leader.id, byMs)
      this.#later(byMs + random.between(20, 200), () => {
        this.#hand.count('partitionAsymmetric')
        for (const other of others) network.cut(leader.id, other)
      })
    }
    const end = random.between(50, 400)
    this.#when(
      () => this.#leaderBut(leader) !== null,
      () => {
        this.writesAt = this.#leaderBut(leader)
        this.onMoved()
        this.#later(end, () => this.#end())
      },
    )
  }

  /** Only `companion` still hears from the leader; then the leader falls, and nobody else may lead for long. */
  #isolateTail(first: SimulatedNode, companion: SimulatedNode | null, random: SeededRandom): void {
    const { network, nodes } = this.#cluster
    const cutOff = nodes.filter((node) => node !== first && node !== companion).map(({ id }) => id)
    this.#hand.count('partition')
    network.partition([first.id], cutOff)
    this.#later(random.between(5, 60), () => {
      this.#hand.crash(first, random.pick(['process', 'power'] as const))
      network.heal()
      // With three nodes the companion's vote is needed.
      const isShut = companion !== null && nodes.length >= 5
      if (isShut) network.partition([companion.id], cutOff)
      this.#when(
        () => this.#leaderBut(first) !== null,
        () => this.#fellSecond(first, companion, random),
      )
    })
  }

  #fellSecond(first: SimulatedNode, companion: SimulatedNode | null, random: SeededRandom): void {
    const second = this.#leaderBut(first)
    const { network, nodes } = this.#cluster
    if (second === null) return this.#over(first)
    const rest = nodes.filter((node) => node !== second).map(({ id }) => id)
    network.heal()
    network.partition([second.id], rest)
    // Its first entry gets to its own disk, and nowhere else.
    this.#later(random.between(1, 10), () => {
      this.#hand.crash(second, 'process')
      network.heal()
      if (first.isDown && !first.isWiped) this.#hand.restart(first)
      this.#when(
        () => this.#leaderBut(second) !== null,
        () => this.#commitBriefly(first, second, companion, random),
      )
    })
  }

  /** The returned tail spreads; as soon as something is committed, its holder falls and the second one may win. */
  #commitBriefly(
    first: SimulatedNode,
    second: SimulatedNode,
    companion: SimulatedNode | null,
    random: SeededRandom,
  ): void {
    const third = this.#leaderBut(second)
    if (third === null) return this.#over(first, second)
    const commit = third.running?.core.status().commitIndex ?? 0
    const untilMs = this.#cluster.queue.nowMs + random.between(1, 12)
    const hasCommitted = () => (third.running?.core.status().commitIndex ?? 0) > commit
    this.#when(
      () => this.#cluster.queue.nowMs >= untilMs || hasCommitted(),
      () => {
        const { network } = this.#cluster
        this.#hand.crash(third, 'process')
        if (companion !== null && companion !== third && random.chance(0.7)) this.#hand.crash(companion, 'process')
        if (second.isDown && !second.isWiped) this.#hand.restart(second)
        this.#when(
          () => this.#leaderBut(third) !== null,
          () => {
            network.heal()
            this.#over(first, second, third, companion)
          },
        )
      },
    )
  }

  #over(...nodes: readonly (SimulatedNode | null)[]): void {
    this.#cluster.network.heal()
    for (const node of nodes) if (node?.isDown === true && !node.isWiped) this.#hand.restart(node)
    this.#busy = false
  }

  /** Whoever leads in the highest term, unless it is this one. */
  #leaderBut(node: SimulatedNode): SimulatedNode | null {
    const leader = this.#cluster.leader()
    return leader === node ? null : leader
  }

  #when(until: () => boolean, then: () => void): void {
    this.#waiting = { until, then, untilMs: this.#cluster.queue.nowMs + ELECTION_MS }
  }

  #later(delayMs: Millis, then: () => void): void {
    this.#cluster.queue.after(delayMs, () => {
      if (this.#hand.isRunning) then()
    })
  }
}
