/** What happens when, in simulated time: a binary heap, ordered by time and then by order of scheduling. */

interface Scheduled {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class EventQueue {
  readonly #heap: Scheduled[] = []
  #order = 0

  get earliest(): Scheduled | undefined {
    return this.#heap[0]
  }

  at(atMs: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ atMs, order: this.#order++, run })
    let child = heap.length - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (this.#isBefore(parent, child)) break
      this.#swap(parent, child)
      child = parent
    }
  }

  pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    let parent = 0
    for (;;) {
      let least = parent
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && this.#isBefore(child, least)) least = child
      }
      if (least === parent) return
      this.#swap(parent, least)
      parent = least
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a] as Scheduled, this.#heap[b] as Scheduled]
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
  }

  #swap(a: number, b: number): void {
    const kept = this.#heap[a] as Scheduled
    this.#heap[a] = this.#heap[b] as Scheduled
    this.#heap[b] = kept
  }
}
