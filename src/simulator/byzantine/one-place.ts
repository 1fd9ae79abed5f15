/**
 * When the honest members have come to one index and one digest. That all rest at the last commit shows it best; but a
 * liar that has cut itself off by its lies asks for ever for what it does not know to be done, and the others order it
 * anew each time: then it has to show at an index that all have passed since.
 */

export interface Place {
  readonly isLiar: boolean
  /** Index up to which the state machine has got; null where the member does not run. */
  readonly applied: number | null
  /** Index of the newest digest that it told; equal digests are the business of the invariants. */
  readonly digest: number | null
  /** Requests that wait to be ordered. */
  readonly waiting: number
}

/** `commits`: what is committed now, `askedAt`: what was when the last client had its answers. */
export function isOnePlace(members: readonly Place[], commits: number, askedAt: number): boolean {
  const honest = members.filter((member) => !member.isLiar)
  // No client asks for anything any more: what still waits would be held against whoever leads, for ever.
  if (honest.some(({ waiting }) => waiting > 0)) return false
  if (honest.every(({ applied, digest }) => applied === commits && digest === commits)) return true
  if (!members.some((member) => member.isLiar && member.waiting > 0)) return false
  const place = honest[0]?.digest ?? null
  if (place === null || place < askedAt) return false
  return honest.every(({ applied, digest }) => digest === place && applied !== null && applied >= place)
}
