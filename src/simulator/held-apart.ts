/**
 * What a cluster with `commitZones` promises besides: what is committed is held in two zones, in each half of
 * a joint configuration by itself. Counted from what the members hold, not by the arithmetic that decides.
 */
import { type Member, type Membership, zoneOf } from '../consensus/membership.js'
import type { NodeId } from '../consensus/types.js'

/** False where the loss of one zone could lose what the members for which `holds` is true hold. */
export function isHeldApart({ members }: Membership, holds: (id: NodeId) => boolean): boolean {
  const incoming = members.filter(({ role }) => role === 'voter')
  const outgoing = members.filter(({ wasVoter }) => wasVoter)
  return [incoming, outgoing].every((half) => {
    const holders = half.filter(({ id }) => holds(id))
    // All in one place: nothing could be promised. Nobody knows where: all of them hold it.
    if (zonesOf(half).size < 2) return half.every((member) => zoneOf(member) !== null || holders.length === half.length)
    return zonesOf(holders).size >= 2
  })
}

function zonesOf(members: readonly Member[]): Set<string> {
  return new Set(members.map(zoneOf).filter((zone) => zone !== null))
}
