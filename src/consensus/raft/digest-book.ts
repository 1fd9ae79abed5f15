/**
 * The newest digests of one node's state, by index: what divergence is found by (see divergence.ts).
 */
import type { LogIndex } from '../types.js'

/** Digests kept of the own state, and of each peer's. */
const DIGESTS_KEPT = 16

interface StateDigestAt {
  readonly index: LogIndex
  readonly digest: Uint8Array
}

/** The newest digests of one node, oldest first. */
export class DigestBook {
  readonly #kept: StateDigestAt[] = []

  get newest(): StateDigestAt | null {
    return this.#kept.at(-1) ?? null
  }

  at(index: LogIndex): Uint8Array | null {
    return this.#kept.find((kept) => kept.index === index)?.digest ?? null
  }

  note(index: LogIndex, digest: Uint8Array): void {
    const newest = this.#kept.at(-1)
    if (newest !== undefined && newest.index >= index) return
    this.#kept.push({ index, digest })
    if (this.#kept.length > DIGESTS_KEPT) this.#kept.shift()
  }
}
