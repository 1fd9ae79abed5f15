/**
 * One definition of "healthy" and its neighbours, used by `up`, `wait` and the REPL: each function says
 * what is missing, in words for people, or null when the condition holds.
 */
import type { ClusterStatus, NodeStatus } from '../client/api.js'

/** All members reachable, under one leader, and caught up with it. */
export function healthProblem(status: ClusterStatus): string | null {
  const unreachable = status.nodes.filter((node) => !node.reachable)
  if (unreachable.length > 0) return `${unreachable.map((node) => node.id).join(', ')} not reachable`
  return leaderProblem(status) ?? followProblem(status) ?? caughtUpProblem(status)
}

export function leaderProblem(status: ClusterStatus): string | null {
  return status.leader === null ? 'no leader' : null
}

/** Every live member has applied what is committed. */
export function caughtUpProblem(status: ClusterStatus): string | null {
  const { commitIndex } = status
  if (commitIndex === null) return 'the commit index is not known'
  const behind = live(status).filter((node) => (node.appliedIndex ?? -1) < commitIndex)
  return behind.length === 0 ? null : `${describe(behind)} behind commit index ${commitIndex}`
}

/** Every live member has applied `index`. */
export function appliedProblem(status: ClusterStatus, index: number): string | null {
  const behind = live(status).filter((node) => (node.appliedIndex ?? -1) < index)
  if (live(status).length === 0) return 'no member is reachable'
  return behind.length === 0 ? null : `${describe(behind)} behind index ${index}`
}

/** All live members show one state digest at one digest index, at entry `least` or later. */
export function convergedProblem(status: ClusterStatus, least = 0): string | null {
  const nodes = live(status)
  const first = nodes[0]
  if (first === undefined) return 'no member is reachable'
  if (nodes.some((node) => node.digestIndex === null || node.stateDigest === null)) return 'a digest is not known yet'
  if (nodes.some((node) => node.digestIndex !== first.digestIndex)) {
    return `digest indexes differ: ${nodes.map((node) => `${node.id} ${node.digestIndex}`).join(', ')}`
  }
  if (first.digestIndex !== null && first.digestIndex < least) {
    return `the digests are those at index ${first.digestIndex}, before entry ${least}`
  }
  if (nodes.some((node) => node.stateDigest !== first.stateDigest)) {
    return `state digests differ at index ${first.digestIndex}: ${nodes.map((node) => `${node.id} ${node.stateDigest?.slice(0, 12)}`).join(', ')}`
  }
  return null
}

function followProblem(status: ClusterStatus): string | null {
  // Every round has a leader of its own, and members are asked one after the other.
  if (status.mode === 'hotstuff') return null
  const astray = status.nodes.filter((node) => node.leader !== null && node.leader !== status.leader)
  return astray.length === 0 ? null : `${astray.map((node) => node.id).join(', ')} follow another leader`
}

function live(status: ClusterStatus): readonly NodeStatus[] {
  return status.nodes.filter((node) => node.reachable)
}

function describe(nodes: readonly NodeStatus[]): string {
  return nodes.map((node) => `${node.id} (${node.appliedIndex ?? '?'})`).join(', ')
}
