/**
 * Who leads a round: round-robin over the replicas that are not passed over. A block notes the leaders
 * whose rounds failed between it and its parent; everybody who votes for it has recomputed that note
 * from the chain alone, and it counts once the block is committed by the very chain that the next one
 * extends. So leaders follow from committed history, never from what one node saw (Aptos' leader
 * reputation; SmartBFT has its voters recompute a blacklist in the same way).
 *
 * At most f are passed over at a time, longer with every failure. And where a round failed since the
 * last commit it is the turn of all replicas again: among 3f + 1 in a ring, f of them dead, there are
 * always three in a row that live, which is what a commit needs; among fewer there may not be.
 */
import type { NodeId } from '../../types.js'
import type { Replicas } from '../replicas.js'
import type { BlockHeader, Failure, HashedHeader } from './block.js'
import type { CommitRule, ParentOf } from './commit-rule.js'

const GROWTH = 4
/** More failures than this make the time out no longer. */
const STRIKES_MAX = 4

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
    const { ids } = this.#replicas
    const committed = this.#committedBy(parent)
    const hasFailed = round - committed.round > parent.header.height - committed.height + 1
    const out = hasFailed ? new Set<number>() : this.#passedOver(round, committed.failures)
    const eligible = ids.filter((_, replica) => !out.has(replica))
    return eligible[(parent.header.epoch + round) % eligible.length] as NodeId
  }

  /** What the block of this round on top of `parent` has to note, in the order of the configuration. */
  failures(round: number, parent: HashedHeader): readonly Failure[] {
    const { count } = this.#replicas
    const memory = this.#exclusionRounds * GROWTH ** (STRIKES_MAX + 1)
    const noted = new Map(
      parent.header.failures
        .filter(({ round: failed }) => failed + memory > round)
        .map((failure) => [failure.replica, failure]),
    )
    for (let failed = Math.max(parent.header.round + 1, round - count); failed < round; failed++) {
      const replica = this.#replicas.indexOf(this.leader(failed, parent))
      const strikes = Math.min(STRIKES_MAX, (noted.get(replica)?.strikes ?? -1) + 1)
      noted.set(replica, { replica, round, strikes })
    }
    return [...noted.values()].sort((a, b) => a.replica - b.replica)
  }

  /** The f that failed last, of those whose time is not over. */
  #passedOver(round: number, failures: readonly Failure[]): Set<number> {
    const out = failures
      .filter((failure) => round < failure.round + this.#exclusionRounds * GROWTH ** failure.strikes)
      .sort((a, b) => b.round - a.round || a.replica - b.replica)
    return new Set(out.slice(0, this.#replicas.f).map((failure) => failure.replica))
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
