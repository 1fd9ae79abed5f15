/**
 * Faults that aim at leases: the few courses of events in which a lease that lasts too long, or begins
 * too soon, lets a leader answer with what is no longer true. Clients keep quiet first, so that any node can
 * win; then another is elected while the old leader still counts on what it heard.
 *
 * `lateTransfer`: the word to campaign arrives after the leader has given the transfer up and believes in
 * its lease again. `restartedVoter`: a voter that has just confirmed the lease restarts, forgets whom it
 * heard, and is asked for its vote. `leaderFallsAtAck`: a leader falls when a client was told of a write;
 * the next one holds it and does not know yet that it is committed.
 */
import type { Millis } from '../consensus/types.js'
import type { SimulatedCluster } from './cluster.js'
import type { SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'

export interface LeaseHand {
  readsAt: SimulatedNode | null
  writesAt: SimulatedNode | null
  /** No client begins anything but the stubborn reads. */
  isQuiet: boolean
  onMoved: () => void
  when(until: () => boolean, then: () => void): void
  later(delayMs: Millis, then: () => void): void
  leaderBut(node: SimulatedNode): SimulatedNode | null
  restartNow(node: SimulatedNode): void
  order(leader: SimulatedNode, target: SimulatedNode): void
  /** Everything back to normal. */
  over(): void
}

/** Everybody holds all that was written after so long without a new write. */
const QUIET_MS = 60
/** How long before a candidate's deadline the voter restarts. */
const BEFORE_DEADLINE_MS = 4

export function transferLate(
  cluster: SimulatedCluster,
  hand: LeaseHand,
  leader: SimulatedNode,
  random: SeededRandom,
): void {
  const { network, nodes, configuration } = cluster
  const others = nodes.filter((node) => node !== leader)
  const heir = random.pick(others)
  // Longer than the leader waits for the transfer, on any clock.
  const lateMs = configuration.settings.electionTimeoutMaxMs * 1.1 + random.between(10, 60)
  hand.isQuiet = true
  hand.later(QUIET_MS, () => {
    network.slow(leader.id, heir.id, lateMs)
    hand.later(random.between(5, 30), () => {
      hand.order(leader, heir)
      hand.later(lateMs - random.between(0, 4), () => {
        hand.readsAt = leader
        for (const other of others) network.cut(other.id, leader.id)
        succeed(cluster, hand, leader, random)
      })
    })
  })
}

export function restartVoter(
  cluster: SimulatedCluster,
  hand: LeaseHand,
  leader: SimulatedNode,
  random: SeededRandom,
): void {
  const { network, nodes, queue } = cluster
  const others = nodes.filter((node) => node !== leader)
  const candidate = random.pick(others)
  const voters = others.filter((node) => node !== candidate)
  hand.isQuiet = true
  hand.later(QUIET_MS, () => {
    network.partition([leader.id], [candidate.id])
    // It has asked in vain at least once, so all it needs is somebody who forgot.
    const isAboutToAsk = () => {
      const dueMs = candidate.deadlineMs
      const isAsking = candidate.running?.core.status().leader === null
      return isAsking && dueMs !== null && dueMs - queue.nowMs < BEFORE_DEADLINE_MS
    }
    hand.when(isAboutToAsk, () => {
      hand.readsAt = leader
      for (const voter of voters) {
        network.partition([leader.id], [voter.id])
        hand.restartNow(voter)
      }
      succeed(cluster, hand, leader, random)
    })
  })
}

export function fallAtAck(
  cluster: SimulatedCluster,
  hand: LeaseHand,
  leader: SimulatedNode,
  random: SeededRandom,
): void {
  hand.when(
    () => hand.leaderBut(leader) !== null,
    () => {
      const next = hand.leaderBut(leader)
      // Its first entry takes long to commit, its heartbeats are answered at once.
      for (const node of cluster.nodes) if (node !== next) node.disk.hang(random.between(100, 400))
      hand.readsAt = next
      hand.later(random.between(200, 500), () => hand.over())
    },
  )
}

/** Whoever wins now gets all writes, while the old leader goes on answering reads. */
function succeed(cluster: SimulatedCluster, hand: LeaseHand, leader: SimulatedNode, random: SeededRandom): void {
  hand.when(
    () => hand.leaderBut(leader) !== null,
    () => {
      const next = hand.leaderBut(leader)
      if (next !== null) cluster.network.partition([leader.id], [next.id])
      hand.writesAt = next
      hand.isQuiet = false
      hand.onMoved()
      hand.later(random.between(100, 400), () => hand.over())
    },
  )
}
