/**
 * Who shall lead: members of a preferred zone before others, and among those the one with the higher
 * priority. Nobody is kept from leading: elections go as ever, and hand-back.ts moves leadership later.
 */
import { PRIORITY_MAX } from '../configuration.js'
import type { NodeId } from '../types.js'
import type { Progress } from './progress.js'
import type { RaftState } from './state.js'

/** How well a member suits as leader, 0 for the least; null where the cluster prefers nobody. */
export function rankOf({ options, memberships }: RaftState, id: NodeId): number | null {
  const { priorities, settings } = options
  if (priorities === undefined && settings.preferredZones === null) return null
  const zones = settings.preferredZones ?? []
  const zone = memberships.zoneOf(id)
  const at = zone === null ? -1 : zones.indexOf(zone)
  return (at === -1 ? 0 : zones.length - at) * (PRIORITY_MAX + 1) + (priorities?.get(id) ?? 0)
}

/** Near enough that what is missing arrives within a transfer. */
export function hasCaughtUp({ log, options }: RaftState, { flow, matchIndex }: Progress): boolean {
  return flow === 'replicate' && log.lastIndex - matchIndex <= options.limits.promoteLagEntriesMax
}
