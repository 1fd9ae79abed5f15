/**
 * Simulated time: a heap of callbacks by due time, ties in the order in which they were scheduled.
 * Between two events all promises settle, so asynchronous code runs under it unchanged and in one
 * reproducible order.
 */
import { assert } from '../base/assert.js'
import type { Millis } from '../consensus/types.js'
import { InvariantViolation } from './violation.js'

/** Events fall on a grid of 1/1024 ms, so that sums and differences of times are exact, as they are of integer clocks. */
const STEPS_PER_MS = 1024

/** How often the real event loop gets its turn. */
const EVENTS_PER_LOOP = 64

/** So many events at one moment are a loop that turns in vain: the bursts of sound runs have some hundreds. */
const EVENTS_AT_ONCE_MAX = 100_000

interface Scheduled {
  readonly atMs: Millis
  readonly order: number
  run: (() => void) | null
}

export class EventQueue {
  readonly #heap: Scheduled[] = []
  #nowMs: Millis = 0
  #order = 0
  #ran = 0
  /** Events since time moved last. */
  #atOnce = 0

  get nowMs(): Millis {
    return this.#nowMs
  }

  /** Runs `run` after `delayMs`. Returns the cancel function. */
  after(delayMs: Millis, run: () => void): () => void {
    const atMs = Math.ceil((this.#nowMs + Math.max(0, delayMs)) * STEPS_PER_MS) / STEPS_PER_MS
    const event: Scheduled = { atMs, order: this.#order++, run }
    this.#push(event)
    return () => {
      event.run = null
    }
  }

  /** Runs events until `untilMs`, or until `done` says so. True when `done` did. */
  async run(untilMs: Millis, done: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      await (++this.#ran % EVENTS_PER_LOOP === 0 ? goRoundTheLoop() : settle())
      if (done()) return true
      const event = this.#heap[0]
      if (event === undefined || event.atMs > untilMs) break
      this.#pop()
      if (event.run === null) continue
      assert(event.atMs >= this.#nowMs, 'simulated time never goes back')
      this.#atOnce = event.atMs > this.#nowMs ? 0 : this.#atOnce + 1
      if (this.#atOnce > EVENTS_AT_ONCE_MAX)
        throw new InvariantViolation('timeMoves', `time stands still at ${event.atMs} ms, and there is ever more to do`)
      this.#nowMs = event.atMs
      event.run()
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
    return false
  }

  #push(event: Scheduled): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent] as Scheduled)) break
      heap[at] = heap[parent] as Scheduled
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Scheduled
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child++
      if (!isBefore(heap[child] as Scheduled, last)) break
      heap[at] = heap[child] as Scheduled
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/**
 * Lets every promise and tick that is ready run. A tick comes when the queue of promises is empty, and
 * promises that ticks resolved follow; two rounds are what the in-memory database takes at most. The
 * order is the same every time, and no system call is made.
 */
async function settle(): Promise<void> {
  await nextTick()
  await nextTick()
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

/** Once around the real event loop, so that signals and timers of the process are served. */
function goRoundTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
