/**
 * Records what simulated clients see. The times are simulated nanoseconds made strictly increasing:
 * in a simulation all events have an order, and the checker may use all of it.
 */
import { assert } from '../base/assert.js'
import type { EventQueue } from './event-queue.js'
import type { HistoryOperation } from './history.js'

/** What an operation is called with. */
export type Call = Pick<HistoryOperation, 'op' | 'key' | 'value' | 'expected'>

/** An operation that has not returned; `client` is the id it stands under. */
export interface OpenCall extends Call {
  readonly slot: string
  readonly client: string
  readonly call: bigint
}

export class HistoryRecorder {
  readonly #queue: EventQueue
  readonly #finished: HistoryOperation[] = []
  readonly #open = new Map<string, OpenCall>()
  readonly #generations = new Map<string, number>()
  #lastTime = 0n

  constructor(queue: EventQueue) {
    this.#queue = queue
  }

  /** A client begins an operation; it has no other open. */
  call(slot: string, call: Call): OpenCall {
    assert(!this.#open.has(slot), 'a client does one thing at a time')
    const client = `${slot}.${this.#generations.get(slot) ?? 0}`
    const open = { ...call, slot, client, call: this.#time() }
    this.#open.set(slot, open)
    return open
  }

  return(open: OpenCall, outcome: HistoryOperation['outcome'], result: HistoryOperation['result']): void {
    this.#open.delete(open.slot)
    this.#finished.push(this.#operation(open, outcome, result))
  }

  /** Everything so far; what is still open has an unknown outcome. */
  history(): HistoryOperation[] {
    const open = [...this.#open.values()].map((call) => this.#operation(call, 'unknown', null))
    return [...this.#finished, ...open].sort((a, b) => (a.call < b.call ? -1 : 1))
  }

  #operation(
    { slot, ...call }: OpenCall,
    outcome: HistoryOperation['outcome'],
    result: HistoryOperation['result'],
  ): HistoryOperation {
    // An operation of unknown outcome stays open for ever: its client id is not used again.
    if (outcome === 'unknown') this.#generations.set(slot, (this.#generations.get(slot) ?? 0) + 1)
    return { ...call, return: outcome === 'unknown' ? null : this.#time(), outcome, result }
  }

  #time(): bigint {
    const now = BigInt(Math.round(this.#queue.nowMs * 1e6))
    this.#lastTime = now > this.#lastTime ? now : this.#lastTime + 1n
    return this.#lastTime
  }
}
