/**
 * What a leader whose state went astray offers reaches nobody (see damage.ts): those behind it would wait
 * for its snapshot for ever, and without them there may be no majority left to tell it. Once all faults
 * have ended leadership is taken from it, again and again until somebody sound leads.
 */
import type { SimulatedCluster } from './cluster.js'
import type { SimulatedNode } from './node.js'
import { giveOrder } from './operator.js'

const INTERVAL_MS = 500

export function deposeAstrayLeaders(cluster: SimulatedCluster): void {
  const leader = cluster.leader()
  if (leader?.mayBeAstray === true) {
    const target = successorOf(cluster, leader)
    if (target !== null) giveOrder(cluster, leader, { kind: 'transferLeadership', target: target.id })
  }
  cluster.queue.after(INTERVAL_MS, () => deposeAstrayLeaders(cluster))
}

/** The sound voter that is the furthest, where somebody else waits for a snapshot; else null. */
function successorOf(cluster: SimulatedCluster, leader: SimulatedNode): SimulatedNode | null {
  const status = leader.running?.core.status()
  if (status === undefined || status.peers.every(({ offered }) => offered === null)) return null
  const { members } = status.membership.membership
  const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id)
  const [furthest] = status.peers
    .filter(({ id, offered }) => offered === null && voters.includes(id) && isSound(cluster.node(id)))
    .sort((a, b) => b.matchIndex - a.matchIndex)
  return furthest === undefined ? null : cluster.node(furthest.id)
}

function isSound(node: SimulatedNode): boolean {
  return node.running !== null && !node.mayBeAstray && !node.isDamaged && !node.isRebuilding
}
