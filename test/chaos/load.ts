/** Client processes that load a cluster during a story, and what they and the final audit recorded. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ClusterClient } from '../../src/client/index.js'
import { type HistoryOperation, parseHistory } from '../../src/simulator/history.js'
import { type ClientPlan, connectAdmin } from './client-process.js'
import { readKey } from './operations.js'
import { Recorder } from './recorder.js'
import { ChaosViolation, eventually } from './verdict.js'

const RUN = fileURLToPath(new URL('./run.js', import.meta.url))
const PROCESSES = 2
const LANES = 4
const AUDIT_TIMEOUT_MS = 20_000

export class Load {
  readonly #dir: string
  readonly #histories: string
  readonly #processes: { readonly child: ChildProcess; readonly ended: Promise<number | null>; acknowledged: number }[]

  private constructor(dir: string, histories: string, seed: number) {
    this.#dir = dir
    this.#histories = histories
    this.#processes = Array.from({ length: PROCESSES }, (_, at) => {
      const name = `p${at}`
      const plan: ClientPlan = { dir, name, lanes: LANES, seed: seed * 100 + at, historyFile: join(histories, name) }
      const child = spawn(process.execPath, [RUN, 'client', JSON.stringify(plan)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
      const one = { child, ended, acknowledged: 0 }
      if (child.stdout !== null)
        createInterface(child.stdout).on('line', (line) => {
          one.acknowledged = Number(line)
        })
      return one
    })
  }

  /** Starts the clients and waits until each has written. */
  static async start(dir: string, histories: string, seed: number): Promise<Load> {
    const load = new Load(dir, histories, seed)
    await eventually('every client has written', () => load.#processes.every(({ acknowledged }) => acknowledged > 20))
    return load
  }

  /** Acknowledged writes, as last reported. */
  get acknowledged(): number {
    return this.#processes.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  }

  /** Waits until `count` more writes are acknowledged: the cluster serves. */
  async progress(count = 50, withinMs = 30_000): Promise<void> {
    const goal = this.acknowledged + count
    await eventually(`${count} more writes are acknowledged`, () => this.acknowledged >= goal, withinMs)
  }

  /** Ends the clients, reads every key that was ever used once more, and gives the whole history. */
  async finish(): Promise<HistoryOperation[]> {
    for (const { child } of this.#processes) child.stdin?.end()
    for (const { ended } of this.#processes) {
      if ((await ended) !== 0) throw new ChaosViolation('a client process failed')
    }
    const before = await this.#read()
    const client = await connectAdmin(this.#dir)
    try {
      await this.#audit(client, new Set(before.map(({ key }) => key)))
    } finally {
      await client.close()
    }
    return this.#read()
  }

  /** Ends the clients, whatever became of the story. */
  kill(): void {
    for (const { child } of this.#processes) child.kill('SIGKILL')
  }

  async #audit(client: ClusterClient, keys: ReadonlySet<string>): Promise<void> {
    const recorder = new Recorder(join(this.#histories, 'audit'))
    try {
      for (const key of keys) {
        const value = await readKey(client, recorder, { lane: 'audit', key, timeoutMs: AUDIT_TIMEOUT_MS })
        if (value === undefined) throw new ChaosViolation(`key ${key} cannot be read after all faults have ended`)
      }
    } finally {
      recorder.close()
    }
  }

  async #read(): Promise<HistoryOperation[]> {
    const texts = await Promise.all(
      (await readdir(this.#histories)).map((name) => readFile(join(this.#histories, name), 'utf8')),
    )
    return parseHistory(texts.join('\n'))
  }
}
