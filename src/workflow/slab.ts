/**
 * Memory for the many small values of apply: pieces of one larger buffer cost the garbage collector a
 * fraction of as many buffers of their own. A piece keeps its whole slab alive, which is why the state
 * store counts every byte put into it until that is written behind, overwritten or not.
 */
const SLAB_BYTES = 64 * 1024
/** Larger pieces get memory of their own. */
const PIECE_BYTES_MAX = 4 * 1024

export class Slab {
  #memory = new Uint8Array(0)
  #used = 0

  /** Zeroed memory that nobody else holds. */
  take(bytes: number): Uint8Array {
    if (bytes > PIECE_BYTES_MAX) return new Uint8Array(bytes)
    if (this.#used + bytes > this.#memory.length) {
      this.#memory = new Uint8Array(SLAB_BYTES)
      this.#used = 0
    }
    const start = this.#used
    this.#used = start + bytes
    return this.#memory.subarray(start, this.#used)
  }
}
