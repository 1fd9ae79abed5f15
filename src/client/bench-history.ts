/**
 * Records every operation of a run as one NDJSON line, for a linearizability checker: call and return
 * in nanoseconds of the machine's monotonic clock, return null when the outcome is unknown.
 */
import { createWriteStream, type WriteStream } from 'node:fs'

export interface OpenOperation {
  readonly client: string
  readonly op: 'put' | 'get' | 'delete' | 'cas'
  readonly key: string
  readonly value: string | null
  readonly call: bigint
}

export class BenchHistory {
  readonly #stream: WriteStream
  readonly #busy = new Set<number>()
  readonly #generation = new Map<number, number>()

  constructor(file: string) {
    this.#stream = createWriteStream(file, { flags: 'w' })
  }

  call(slot: number, op: OpenOperation['op'], key: string, value: string | null): OpenOperation & { slot: number } {
    if (this.#busy.has(slot)) throw new Error(`slot ${slot} has an operation open`)
    this.#busy.add(slot)
    const client = `c${slot}.${this.#generation.get(slot) ?? 0}`
    return { client, op, key, value, call: process.hrtime.bigint(), slot }
  }

  return(
    open: OpenOperation & { slot: number },
    outcome: 'ok' | 'failed' | 'unknown',
    result: string | boolean | null,
  ): void {
    this.#busy.delete(open.slot)
    // An operation whose outcome is unknown stays open for ever: its client id is not used again.
    if (outcome === 'unknown') this.#generation.set(open.slot, (this.#generation.get(open.slot) ?? 0) + 1)
    const { client, op, key, value, call } = open
    const end = outcome === 'unknown' ? null : String(process.hrtime.bigint())
    // BigInt has no JSON form: the integers are written as they are.
    const fields = JSON.stringify({ client, op, key, value, expected: null, outcome, result })
    this.#stream.write(`${fields.slice(0, -1)},"call":${call},"return":${end}}\n`)
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.once('error', reject)
      this.#stream.end(resolve)
    })
  }
}
