/**
 * The bound on leader timestamps: max(previous timestamp, min(own clock, median of the voters' clocks
 * + 500 ms)), so one node with a wrong clock cannot carry the whole log into the future
 * (docs/architecture.md, time). Clocks are learned from the `wallMs` of replies and kept as offsets to
 * the own clock at receipt; the way back makes them look slightly old, which is the safe side.
 */
import type { Now } from '../core.js'
import type { Millis, NodeId } from '../types.js'
import { CLOCK_BOUND_MS } from './config.js'

export class ClockBound {
  readonly #self: NodeId
  readonly #voters: () => readonly NodeId[]
  readonly #offsetsMs = new Map<NodeId, Millis>()

  /** `voters`: those of the configuration in force. */
  constructor(self: NodeId, voters: () => readonly NodeId[]) {
    this.#self = self
    this.#voters = voters
  }

  learn(member: NodeId, wallMs: Millis, now: Now): void {
    this.#offsetsMs.set(member, wallMs - now.wallMs)
  }

  /** The timestamp of a new entry, an integer that never decreases along the log. */
  stamp(previousMs: Millis, now: Now): Millis {
    const bounded = now.wallMs + Math.min(0, this.#medianOffsetMs() + CLOCK_BOUND_MS)
    return Math.max(previousMs, Math.floor(bounded), 0)
  }

  /** Lower median over the voters whose clock is known; the own one always is. */
  #medianOffsetMs(): Millis {
    const offsets: Millis[] = []
    for (const voter of this.#voters()) {
      const offset = voter === this.#self ? 0 : this.#offsetsMs.get(voter)
      if (offset !== undefined) offsets.push(offset)
    }
    offsets.sort((a, b) => a - b)
    return offsets[(offsets.length - 1) >> 1] ?? 0
  }
}
