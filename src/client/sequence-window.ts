/**
 * The sequence numbers of a session that are under way, in the order in which they were given out.
 * Knows the lowest one without searching: answered numbers at the front are passed by once.
 */
export class SequenceWindow {
  /** First numbers in the order given; those before `#head` are passed by. */
  #given: number[] = []
  #head = 0
  readonly #open = new Set<number>()
  #next = 1

  /** The number that the next request starts with. */
  get next(): number {
    return this.#next
  }

  /** Every number below is answered. */
  get ackedBelow(): number {
    while (this.#head < this.#given.length) {
      const first = this.#given[this.#head] as number
      if (this.#open.has(first)) return first
      this.#head++
    }
    return this.#next
  }

  /** Gives out `count` numbers, from `next` on. */
  open(count: number): number {
    if (this.#head > 1024) {
      this.#given = this.#given.slice(this.#head)
      this.#head = 0
    }
    const first = this.#next
    this.#given.push(first)
    this.#open.add(first)
    this.#next = first + count
    return first
  }

  /** The request that starts with `first` is answered. */
  close(first: number): void {
    this.#open.delete(first)
  }
}
