/** What the clusters of cores in memory have in common, whatever the protocol. */
import type { Core } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import { decodeMembership, type MembershipRecord } from '../../src/consensus/membership.js'
import type { NodeId } from '../../src/consensus/types.js'

export function positionOf({ index, epoch, term, chain, timestampMs }: Entry) {
  return { index, epoch, term, chain, timestampMs }
}

/** The configuration in force at a committed index; null for that of the beginning. */
export function configurationAt(committed: readonly Entry[], index: number): MembershipRecord | null {
  const entry = committed.slice(0, index).findLast(({ kind }) => kind === 'membership')
  return entry === undefined ? null : { index: entry.index, membership: decodeMembership(entry.body) }
}

/** Cuts both directions between the two sides; `cut` holds links as "from>to". */
export function cutBetween(cut: Set<string>, left: readonly NodeId[], right: readonly NodeId[]): void {
  for (const a of left) {
    for (const b of right) {
      cut.add(`${a}>${b}`)
      cut.add(`${b}>${a}`)
    }
  }
}

/** Whose core wants to act next, and when; undefined when none does. */
export function nextTick<N extends { readonly up: boolean; readonly core: Core }>(
  nodes: Iterable<N>,
): { readonly atMs: number; readonly node: N } | undefined {
  let found: { readonly atMs: number; readonly node: N } | undefined
  for (const node of nodes) {
    if (!node.up) continue
    const atMs = node.core.deadline()
    if (atMs !== undefined && (found === undefined || atMs < found.atMs)) found = { atMs, node }
  }
  return found
}
