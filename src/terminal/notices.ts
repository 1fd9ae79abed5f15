/**
 * What happened between two looks at a cluster, in words for people: for the notices of the REPL and the
 * events of `watch`.
 */
import type { ClusterStatus } from '../client/api.js'
import { turnText } from './turn.js'

/** Another leader, another protocol, another threat level; null when there is nothing. */
export function changeNotice(before: ClusterStatus | null, after: ClusterStatus): string | null {
  if (before === null) return null
  if (before.mode !== after.mode) return `the cluster now decides by ${after.mode} (epoch ${after.epoch})`
  if (before.threat !== after.threat)
    return `the threat level is ${after.threat ?? 'not known'}, was ${before.threat ?? 'not known'}`
  if (before.leader === after.leader) return null
  if (after.leader === null) return `${before.leader} no longer leads; there is no leader`
  return before.leader === null
    ? `${after.leader} leads now (${turnText(after)})`
    : `${after.leader} leads now, was ${before.leader} (${turnText(after)})`
}

/** The connection as a whole: lost, or back. */
export function connectionNotice(before: ClusterStatus | null, after: ClusterStatus | null): string | null {
  const [was, is] = [isConnected(before), isConnected(after)]
  if (was === is) return null
  return is ? 'connected again' : 'no member answers; trying again'
}

function isConnected(status: ClusterStatus | null): boolean {
  return status?.nodes.some((node) => node.reachable) === true
}

/** All of it: also members that come, go, appear and disappear. */
export function eventsBetween(before: ClusterStatus | null, after: ClusterStatus): string[] {
  if (before === null) return []
  const notice = changeNotice(before, after)
  const known = new Map(before.nodes.map((node) => [node.id, node]))
  const events = notice === null ? [] : [notice]
  for (const node of after.nodes) {
    const old = known.get(node.id)
    known.delete(node.id)
    if (old === undefined) events.push(`${node.id} is a member now`)
    else if (old.reachable && !node.reachable)
      events.push(`${node.id} does not answer: ${node.error?.code ?? 'unknown'}`)
    else if (!old.reachable && node.reachable) events.push(`${node.id} answers again`)
  }
  for (const id of known.keys()) events.push(`${id} is no member any more`)
  return events
}
