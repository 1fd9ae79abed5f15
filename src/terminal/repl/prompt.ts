/**
 * The prompt: context, leader, protocol and epoch; and the notice when one of them changed.
 */
import type { ClusterStatus } from '../../client/api.js'
import type { Paint } from '../colours.js'

export function promptText(name: string, status: ClusterStatus | null, paint: Paint): string {
  if (status === null || !status.nodes.some((node) => node.reachable)) {
    return `${paint('bold', name)} ${paint('red', 'not connected')}> `
  }
  const leader = status.leader === null ? paint('yellow', 'no leader') : paint('green', `${status.leader}*`)
  return `${paint('bold', name)} ${leader} ${status.mode} e${status.epoch}> `
}

/** What a person should know of the change; null when there is nothing. */
export function changeNotice(before: ClusterStatus | null, after: ClusterStatus): string | null {
  if (before === null) return null
  if (before.mode !== after.mode) return `the cluster now decides by ${after.mode} (epoch ${after.epoch})`
  if (before.leader === after.leader) return null
  if (after.leader === null) return `${before.leader} no longer leads; there is no leader`
  return before.leader === null
    ? `${after.leader} leads now (term ${after.term})`
    : `${after.leader} leads now, was ${before.leader} (term ${after.term})`
}
