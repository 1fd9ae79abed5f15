/**
 * Writes what one process did as a history, one NDJSON line per operation, in the format that the
 * checker of the simulator reads. The clock is the machine's monotonic one, so the files of several
 * processes of one machine make one history.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { formatOperation, type HistoryOperation } from '../../src/simulator/history.js'

type Call = Pick<HistoryOperation, 'op' | 'key' | 'value' | 'expected'>
export type OpenCall = Call & { readonly client: string; readonly lane: string; readonly call: bigint }

export class Recorder {
  readonly #file: number
  readonly #generations = new Map<string, number>()
  /** Writes that were acknowledged. */
  acknowledged = 0

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600)
  }

  /** A lane has one operation open at a time. */
  call(lane: string, call: Call): OpenCall {
    const client = `${lane}.${this.#generations.get(lane) ?? 0}`
    return { ...call, client, lane, call: process.hrtime.bigint() }
  }

  return(open: OpenCall, outcome: HistoryOperation['outcome'], result: string | boolean | null): void {
    const end = outcome === 'unknown' ? null : process.hrtime.bigint()
    // What has no known end stays open for ever: its client id is not used again.
    if (outcome === 'unknown') this.#generations.set(open.lane, (this.#generations.get(open.lane) ?? 0) + 1)
    if (outcome === 'ok' && open.op !== 'get') this.acknowledged++
    const { client, op, key, value, expected, call } = open
    writeSync(
      this.#file,
      `${formatOperation({ client, op, key, value, expected, call, return: end, outcome, result })}\n`,
    )
  }

  close(): void {
    closeSync(this.#file)
  }
}
