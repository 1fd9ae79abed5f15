/**
 * The program of one client process: a few lanes that read and write shared keys without rest, until
 * its standard input ends. It prints how many writes were acknowledged so far, several times a second.
 *
 * The keys change every few seconds, so the history of each stays short enough to be judged.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ClientSession, type ClusterClient, connectClient } from '../../src/client/index.js'
import { parseClusterFile } from '../../src/cluster/cluster-file.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { readKey, write } from './operations.js'
import { Recorder } from './recorder.js'

export interface ClientPlan {
  readonly dir: string
  readonly name: string
  readonly lanes: number
  readonly seed: number
  readonly historyFile: string
}

const KEYS = 6
const KEYS_CHANGE_MS = 2000
const TIMEOUT_MS = 4000
const THINK_MAX_MS = 12
const PAUSE_AFTER_FAILURE_MS = 50
const REPORT_MS = 100

export async function connectAdmin(dir: string): Promise<ClusterClient> {
  const configuration = parseClusterFile(await readFile(join(dir, 'cluster.yaml'), 'utf8'))
  return connectClient({ configuration, key: await loadKeyPair(join(dir, 'clients', 'admin')) })
}

export async function runClientProcess(plan: ClientPlan): Promise<void> {
  const client = await connectAdmin(plan.dir)
  const recorder = new Recorder(plan.historyFile)
  const state = { isOver: false }
  process.stdin.resume()
  process.stdin.once('end', () => {
    state.isOver = true
  })
  const report = setInterval(() => process.stdout.write(`${recorder.acknowledged}\n`), REPORT_MS)
  const lanes = Array.from({ length: plan.lanes }, (_, at) =>
    new Lane(client, recorder, `${plan.name}.${at}`, new SeededRandom(plan.seed, at)).run(state),
  )
  await Promise.all(lanes)
  clearInterval(report)
  recorder.close()
  await client.close()
}

class Lane {
  readonly #client: ClusterClient
  readonly #recorder: Recorder
  readonly #name: string
  readonly #random: SeededRandom
  #session: ClientSession | null = null
  #serial = 0
  /** What this lane last knew of each key; a guess for compare-and-set. */
  readonly #known = new Map<string, string | null>()

  constructor(client: ClusterClient, recorder: Recorder, name: string, random: SeededRandom) {
    this.#client = client
    this.#recorder = recorder
    this.#name = name
    this.#random = random
  }

  async run(state: { readonly isOver: boolean }): Promise<void> {
    while (!state.isOver) {
      const went = await this.#step()
      await sleep(went ? this.#random.next() * THINK_MAX_MS : PAUSE_AFTER_FAILURE_MS)
    }
  }

  async #step(): Promise<boolean> {
    const epoch = Math.floor(performance.timeOrigin + performance.now()) / KEYS_CHANGE_MS
    const key = `k${Math.floor(epoch)}-${this.#random.between(1, KEYS)}`
    if (this.#random.chance(0.4)) {
      const found = await readKey(this.#client, this.#recorder, { lane: this.#name, key, timeoutMs: TIMEOUT_MS })
      if (found !== undefined) this.#known.set(key, found)
      return found !== undefined
    }
    this.#session ??= await this.#client.openRawSession({ timeoutMs: TIMEOUT_MS }).catch(() => null)
    if (this.#session === null) return false
    const value = `${this.#name}-${++this.#serial}`
    const choice = this.#random.next()
    const open =
      choice < 0.1
        ? this.#recorder.call(this.#name, { op: 'delete', key, value: null, expected: null })
        : choice < 0.3
          ? this.#recorder.call(this.#name, { op: 'cas', key, value, expected: this.#known.get(key) ?? null })
          : this.#recorder.call(this.#name, { op: 'put', key, value, expected: null })
    const isUsable = await write(this.#session, this.#recorder, open, TIMEOUT_MS)
    this.#known.set(key, open.value)
    if (!isUsable) this.#session = null
    return isUsable
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
