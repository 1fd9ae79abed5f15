/**
 * Values read from or written to the database lately, within a bound of bytes. Two generations stand
 * in for a list of recent use: what is read moves to the young one; when that fills half of the bound
 * the old one is dropped.
 */
/** What one pair costs besides its bytes. */
const PAIR_OVERHEAD_BYTES = 96

export class StateCache {
  readonly #halfBytes: number
  #young = new Map<string, Uint8Array>()
  #old = new Map<string, Uint8Array>()
  #youngBytes = 0

  constructor(bytesMax: number) {
    this.#halfBytes = Math.floor(bytesMax / 2)
  }

  get(key: string): Uint8Array | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, value: Uint8Array): void {
    const bytes = key.length + value.length + PAIR_OVERHEAD_BYTES
    if (bytes > this.#halfBytes) return this.delete(key)
    if (this.#youngBytes + bytes > this.#halfBytes) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = 0
    }
    // A value that is set again is counted again: the bound errs on the side of less memory.
    this.#young.set(key, value)
    this.#youngBytes += bytes
  }

  delete(key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#youngBytes = 0
  }
}
