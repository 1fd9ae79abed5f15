/** What a cluster of cores in memory reads off the entries that it committed. */
import type { Entry } from '../../src/consensus/entry.js'
import { decodeMembership, type MembershipRecord } from '../../src/consensus/membership.js'

export function positionOf({ index, epoch, term, chain, timestampMs }: Entry) {
  return { index, epoch, term, chain, timestampMs }
}

/** The configuration in force at a committed index; null for that of the beginning. */
export function configurationAt(committed: readonly Entry[], index: number): MembershipRecord | null {
  const entry = committed.slice(0, index).findLast(({ kind }) => kind === 'membership')
  return entry === undefined ? null : { index: entry.index, membership: decodeMembership(entry.body) }
}
