/**
 * Evidence that this node knows of: what waits to be ordered, and the ids of what was, so that nothing
 * is ordered twice. Both are bounded; the oldest goes first.
 */
import { toHex } from '../../../base/bytes.js'

export class EvidencePool {
  readonly #max: number
  readonly #waiting = new Map<string, Uint8Array>()
  readonly #ordered = new Set<string>()

  constructor(max: number) {
    this.#max = max
  }

  /** True when it is new. */
  add(id: Uint8Array, evidence: Uint8Array): boolean {
    const key = toHex(id)
    if (this.#waiting.has(key) || this.#ordered.has(key) || this.#waiting.size >= this.#max) return false
    this.#waiting.set(key, evidence)
    return true
  }

  isKnown(id: Uint8Array): boolean {
    return this.#waiting.has(toHex(id)) || this.isOrdered(id)
  }

  isOrdered(id: Uint8Array): boolean {
    return this.#ordered.has(toHex(id))
  }

  ordered(id: Uint8Array): void {
    const key = toHex(id)
    this.#waiting.delete(key)
    this.#ordered.add(key)
    if (this.#ordered.size > this.#max) this.#ordered.delete(this.#ordered.values().next().value as string)
  }

  /** What waits to be ordered, oldest first. */
  waiting(): readonly Uint8Array[] {
    return [...this.#waiting.values()]
  }
}
