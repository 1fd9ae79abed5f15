/**
 * Evidence that this node knows of: what waits to be ordered, and what was ordered, so that it orders
 * nothing twice, over restarts too. A few pieces per culprit convict as well as a thousand: a liar that
 * makes new ones for ever fills neither memory nor log.
 */
import { toHex } from '../../../base/bytes.js'
import type { NodeId } from '../../types.js'

export interface OrderedEvidence {
  readonly culprit: NodeId
  /** `evidenceId`, 32 bytes. */
  readonly id: Uint8Array
}

interface Waiting {
  readonly culprit: NodeId
  readonly evidence: Uint8Array
}

export class EvidencePool {
  readonly #perCulpritMax: number
  readonly #waiting = new Map<string, Waiting>()
  readonly #ordered = new Map<string, OrderedEvidence>()

  constructor(perCulpritMax: number, ordered: readonly OrderedEvidence[]) {
    this.#perCulpritMax = perCulpritMax
    for (const known of ordered) this.#ordered.set(toHex(known.id), known)
  }

  /** True when it is new, and of its culprit there is not enough already. */
  add({ culprit, id }: OrderedEvidence, evidence: Uint8Array): boolean {
    const key = toHex(id)
    if (this.#waiting.has(key) || this.#ordered.has(key)) return false
    if (this.#countOf(this.#waiting, culprit) + this.#countOf(this.#ordered, culprit) >= this.#perCulpritMax)
      return false
    this.#waiting.set(key, { culprit, evidence })
    return true
  }

  /** It stands in the log; what waits against a culprit that is convicted often enough is let go. */
  noteOrdered(ordered: OrderedEvidence): void {
    const { culprit, id } = ordered
    this.#waiting.delete(toHex(id))
    if (this.#countOf(this.#ordered, culprit) < this.#perCulpritMax) this.#ordered.set(toHex(id), ordered)
    if (this.#countOf(this.#ordered, culprit) < this.#perCulpritMax) return
    for (const [key, waiting] of this.#waiting) if (waiting.culprit === culprit) this.#waiting.delete(key)
  }

  /** What waits to be ordered, oldest first. */
  waiting(): readonly Uint8Array[] {
    return [...this.#waiting.values()].map(({ evidence }) => evidence)
  }

  ordered(): readonly OrderedEvidence[] {
    return [...this.#ordered.values()]
  }

  #countOf(pieces: ReadonlyMap<string, { readonly culprit: NodeId }>, culprit: NodeId): number {
    let count = 0
    for (const piece of pieces.values()) if (piece.culprit === culprit) count++
    return count
  }
}
