/**
 * Who leads, where a member may lie about it: what one member says counts only when others say it too.
 * Of the leaders that enough members name, the one that they name with the highest view: the lowest view
 * among the highest that so many give, so that at least one of them is honest about it.
 */

export interface LeaderNotice {
  /** Term, view or round. */
  readonly term: number
  readonly leader: string | null
}

export class LeaderNotices {
  readonly #needed: () => number
  readonly #isMember: (id: string) => boolean
  /** The newest of each member. */
  readonly #newest = new Map<string, LeaderNotice>()

  /** `needed` says how many members have to agree. */
  constructor(needed: () => number, isMember: (id: string) => boolean) {
    this.#needed = needed
    this.#isMember = isMember
  }

  /** Takes what a member says; returns what enough of them agree on now, null for nothing. */
  note(member: string, notice: LeaderNotice): LeaderNotice | null {
    this.#newest.set(member, notice)
    return this.agreed()
  }

  agreed(): LeaderNotice | null {
    const termsOf = new Map<string | null, number[]>()
    for (const [member, { leader, term }] of this.#newest) {
      if (!this.#isMember(member)) continue
      const terms = termsOf.get(leader)
      if (terms === undefined) termsOf.set(leader, [term])
      else terms.push(term)
    }
    let best: LeaderNotice | null = null
    for (const [leader, terms] of termsOf) {
      const term = terms.sort((a, b) => b - a)[this.#needed() - 1]
      if (term !== undefined && (best === null || term > best.term)) best = { term, leader }
    }
    return best
  }
}
