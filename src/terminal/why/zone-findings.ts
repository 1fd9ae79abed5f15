/**
 * Where entries have to be held in two zones (`commitZones`), a quorum in one of them commits nothing. Told
 * before anything waits for it too: each half of a joint configuration needs a second zone that answers.
 */
import type { SelfReport } from '../../cluster/self-reports.js'
import { quorumOf, zoneOf } from '../../consensus/membership.js'
import type { NodeId } from '../../consensus/types.js'
import type { Evidence } from './evidence.js'
import type { Finding } from './finding.js'

export function zoneFindings({ leader, view }: Evidence): Finding[] {
  if (leader === null || leader.commitZones === null || view === null) return []
  const { voters, outgoing } = quorumOf(view)
  const places = new Map(view.members.map((member) => [member.id, zoneOf(member)]))
  const zonesOf = (ids: readonly NodeId[]) => [...new Set(ids.map((id) => places.get(id) ?? null))].filter(isKnown)
  return [voters, outgoing].flatMap((half): Finding[] => {
    const zones = zonesOf(half)
    const there = zonesOf(half.filter((id) => id === leader.id || isHeard(leader, id)))
    if (half.length === 0 || there.length >= 2) return []
    const away = zones.filter((zone) => !there.includes(zone))
    if (away.length === 0) return [oneZone(half, zones)]
    const missing = half.filter((id) => away.includes(places.get(id) ?? '')).join(', ')
    return [
      {
        code: 'ZoneMissing',
        node: null,
        message: `nothing can be committed: entries have to be held in two zones, and of ${zones.join(', ')} only ${there.join(', ') || 'none'} is there; missing: ${missing}`,
        hint: `Bring one of ${missing} back. Where the zone is lost for good, knhk recover plan makes a new cluster of the rest.`,
        numbers: { zones: zones.length, zonesThere: there.length, commitIndex: leader.commitIndex },
      },
    ]
  })
}

const isKnown = (zone: string | null): zone is string => zone !== null

function isHeard(leader: SelfReport, id: string): boolean {
  return leader.peers.some((peer) => peer.id === id && peer.active)
}

function oneZone(half: readonly NodeId[], zones: readonly string[]): Finding {
  return {
    code: 'ZoneMissing',
    node: null,
    message: `entries have to be held in two zones, but ${half.join(', ')} stand in ${zones[0] ?? 'none that is named'}: the loss of one may lose what was acknowledged`,
    hint: 'Add a voter in another zone: knhk cluster members add ID --zone ZONE.',
    numbers: { zones: zones.length, zonesThere: zones.length },
  }
}
