/**
 * The prompt: context, leader, protocol, epoch and threat level.
 */
import type { ClusterStatus } from '../../client/api.js'
import type { Paint } from '../colours.js'

export function promptText(name: string, status: ClusterStatus | null, paint: Paint): string {
  if (status === null || !status.nodes.some((node) => node.reachable)) {
    return `${paint('bold', name)} ${paint('red', 'not connected')}> `
  }
  const leader = status.leader === null ? paint('yellow', 'no leader') : paint('green', `${status.leader}*`)
  const threat = status.threat === null ? '' : ` ${status.threat}`
  return `${paint('bold', name)} ${leader} ${status.mode} e${status.epoch}${threat}> `
}
