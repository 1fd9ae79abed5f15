/**
 * Who leads a round: round-robin over the replicas that are not passed over. A block notes the leaders
 * whose rounds failed between it and its parent, everybody who votes for it has recomputed that note
 * from the chain alone, and it counts once the block is committed by the very chain that the next one
 * extends. So leaders follow from committed history, never from what one node saw (Aptos' leader
 * reputation; SmartBFT has its voters recompute a blacklist in the same way).
 */
import type { NodeId } from '../../types.js'
import type { Replicas } from '../replicas.js'
import type { BlockHeader, Exclusion, HashedHeader } from './block.js'
import type { CommitRule, ParentOf } from './commit-rule.js'

export class Leaders {
  readonly #replicas: Replicas
  readonly #rule: CommitRule
  readonly #parentOf: ParentOf
  readonly #exclusionRounds: number

  constructor(replicas: Replicas, rule: CommitRule, parentOf: ParentOf, exclusionRounds: number) {
    this.#replicas = replicas
    this.#rule = rule
    this.#parentOf = parentOf
    this.#exclusionRounds = exclusionRounds
  }

  /** The leader of a round whose block extends `parent`. */
  leader(round: number, parent: HashedHeader): NodeId {
    const excluded = new Set(this.#committedBy(parent).excluded.map((exclusion) => exclusion.replica))
    const eligible = this.#replicas.ids.filter((_, replica) => !excluded.has(replica))
    return eligible[(parent.header.epoch + round) % eligible.length] as NodeId
  }

  /** What the block of this round on top of `parent` has to note: at most f, the newest failures count. */
  exclusions(round: number, parent: HashedHeader): readonly Exclusion[] {
    const { f, count } = this.#replicas
    const noted = parent.header.excluded.filter(({ sinceRound }) => sinceRound + this.#exclusionRounds > round)
    const firstFailed = Math.max(parent.header.round + 1, round - count)
    for (let failed = firstFailed; failed < round; failed++) {
      const replica = this.#replicas.indexOf(this.leader(failed, parent))
      if (!noted.some((exclusion) => exclusion.replica === replica)) noted.push({ replica, sinceRound: round })
    }
    return noted.slice(-f)
  }

  /** The newest block that the chain up to `tip`, which counts as certified, commits by itself. */
  #committedBy(tip: HashedHeader): BlockHeader {
    let at = tip
    for (;;) {
      const committed = this.#rule.committed(at, this.#parentOf)
      if (committed !== null) return committed.header
      const parent = this.#parentOf(at)
      if (parent === undefined) return at.header
      at = parent
    }
  }
}
