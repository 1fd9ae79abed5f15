/**
 * Records every operation of a run as one NDJSON line, for a linearizability checker: call and return
 * in nanoseconds of the machine's monotonic clock, return null when the outcome is unknown.
 */
import type { WriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { KnhkError } from '../base/error.js'

export interface OpenOperation {
  readonly slot: number
  readonly client: string
  readonly op: 'put' | 'get' | 'delete' | 'cas'
  readonly key: string
  readonly value: string | null
  readonly call: bigint
}

export class BenchHistory {
  readonly #file: string
  readonly #stream: WriteStream
  readonly #busy = new Set<number>()
  readonly #generation = new Map<number, number>()
  #failure: Error | null = null

  private constructor(file: string, stream: WriteStream) {
    this.#file = file
    this.#stream = stream
    // The first failure is reported by `close`; without a listener it would end the process.
    stream.on('error', (cause) => {
      this.#failure ??= cause
    })
  }

  /** Throws `InvalidFile` where the file cannot be written. */
  static async create(file: string): Promise<BenchHistory> {
    try {
      return new BenchHistory(file, (await open(file, 'w')).createWriteStream())
    } catch (cause) {
      throw unwritable(file, cause)
    }
  }

  call({ slot, op, key, value }: Omit<OpenOperation, 'client' | 'call'>): OpenOperation {
    if (this.#busy.has(slot)) throw new Error(`slot ${slot} has an operation open`)
    this.#busy.add(slot)
    const client = `c${slot}.${this.#generation.get(slot) ?? 0}`
    return { client, op, key, value, call: process.hrtime.bigint(), slot }
  }

  return(open: OpenOperation, outcome: 'ok' | 'failed' | 'unknown', result: string | boolean | null): void {
    this.#busy.delete(open.slot)
    // An operation whose outcome is unknown stays open for ever: its client id is not used again.
    if (outcome === 'unknown') this.#generation.set(open.slot, (this.#generation.get(open.slot) ?? 0) + 1)
    const { client, op, key, value, call } = open
    const end = outcome === 'unknown' ? null : String(process.hrtime.bigint())
    // BigInt has no JSON form: the integers are written as they are.
    const fields = JSON.stringify({ client, op, key, value, expected: null, outcome, result })
    this.#stream.write(`${fields.slice(0, -1)},"call":${call},"return":${end}}\n`)
  }

  /** Throws `InvalidFile` where a line could not be written. */
  async close(): Promise<void> {
    if (this.#failure === null) await new Promise<void>((resolve) => this.#stream.end(() => resolve()))
    if (this.#failure !== null) throw unwritable(this.#file, this.#failure)
  }
}

function unwritable(file: string, cause: unknown): KnhkError {
  const code = (cause as NodeJS.ErrnoException | null)?.code ?? 'unknown reason'
  return new KnhkError('InvalidFile', `${file} cannot be written: ${code}`, { cause, details: { path: file } })
}
