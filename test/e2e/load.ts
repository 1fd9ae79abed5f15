/** Clients that write and read without rest, in one process; what they did is a history. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClusterClient } from '../../src/client/index.js'
import { type HistoryOperation, parseHistory } from '../../src/simulator/history.js'
import { readKey, write } from '../chaos/operations.js'
import { Recorder } from '../chaos/recorder.js'
import type { World } from './harness.js'

const KEYS = 6
const LANES = 4
/** Longer than a hand-over by far: a write that does not get through by then was lost on the way. */
const TIMEOUT_MS = 10_000

export class Load {
  readonly #client: ClusterClient
  readonly #recorder: Recorder
  readonly #file: string
  readonly #lanes: Promise<void>[]
  #isOver = false
  #phase = 0

  private constructor(client: ClusterClient, file: string) {
    this.#client = client
    this.#file = file
    this.#recorder = new Recorder(file)
    this.#lanes = Array.from({ length: LANES }, (_, lane) => this.#run(`lane${lane}`))
  }

  static async start(world: World): Promise<Load> {
    return new Load(await world.client(), join(world.base, 'history.ndjson'))
  }

  get acknowledged(): number {
    return this.#recorder.acknowledged
  }

  /** Goes on with new keys, so that the history of each stays short enough to be judged. */
  nextPhase(): void {
    this.#phase++
  }

  async stop(): Promise<HistoryOperation[]> {
    this.#isOver = true
    await Promise.all(this.#lanes)
    this.#recorder.close()
    await this.#client.close()
    return parseHistory(await readFile(this.#file, 'utf8'))
  }

  async #run(lane: string): Promise<void> {
    const session = await this.#client.openRawSession({ timeoutMs: TIMEOUT_MS })
    for (let serial = 0; !this.#isOver; serial++) {
      const key = `phase${this.#phase}-${serial % KEYS}`
      const put = { op: 'put', key, value: `${lane}-${serial}`, expected: null } as const
      // A write that did not get through ends its lane; the history says so.
      if (!(await write(session, this.#recorder, this.#recorder.call(lane, put), TIMEOUT_MS))) return
      await readKey(this.#client, this.#recorder, { lane, key, timeoutMs: TIMEOUT_MS })
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
  }
}
