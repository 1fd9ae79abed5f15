/**
 * What happened between two looks at a cluster, in words for people: for the notices of the REPL and the
 * events of `watch`.
 */
import type { ClusterStatus } from '../client/api.js'
import { turnText } from './turn.js'

/** Another protocol or epoch, another threat level, another leader; nothing where too few members tell. */
export function changeNotices(before: ClusterStatus | null, after: ClusterStatus): string[] {
  if (before === null || before.commitIndex === null || after.commitIndex === null) return []
  const isNew = before.mode !== after.mode || before.epoch !== after.epoch
  const notices = isNew ? [epochNotice(before, after)] : []
  if (before.threat !== after.threat) notices.push(threatNotice(before, after))
  // An epoch begins with a leader of its own: that is no news by itself.
  if (!isNew && before.leader !== after.leader) notices.push(leaderNotice(before, after))
  return notices
}

function epochNotice(before: ClusterStatus, { mode, epoch, leader }: ClusterStatus): string {
  const what = before.mode === mode ? `epoch ${epoch} began` : `the cluster now decides by ${mode} (epoch ${epoch})`
  return leader === null ? what : `${what}, ${leader} leads`
}

function threatNotice(before: ClusterStatus, { threat, nodes }: ClusterStatus): string {
  const reports = nodes.flatMap((node) => node.threat?.nodes ?? [])
  const against = [...new Set(reports.filter(({ level }) => level === threat).map(({ id }) => id))]
  const whom = threat === null || threat === 'none' || against.length === 0 ? '' : ` because of ${against.join(', ')}`
  return `the threat level is ${threat ?? 'not known'}${whom}, was ${before.threat ?? 'not known'}`
}

function leaderNotice(before: ClusterStatus, after: ClusterStatus): string {
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
  const known = new Map(before.nodes.map((node) => [node.id, node]))
  const events = changeNotices(before, after)
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
