/** A hybrid cluster of four real processes, one of whose members can be replaced by the adversary, and what it says of itself. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { ClusterStatus } from '../../src/client/api.js'
import { runningPid } from '../../src/cluster/processes.js'
import { eventually, World } from './harness.js'

const ADVERSARY = fileURLToPath(new URL('../../dist/test/adversary/run.js', import.meta.url))

/** Of a Byzantine epoch: the tests have no half minute to wait. */
const RESIDENCY = '2s'

export interface ModeReport {
  readonly mode: string
  readonly epoch: number
  readonly residencyMs: number
  readonly leader: string | null
}

export interface Threat {
  readonly level: string
  readonly causes: readonly string[]
  readonly nodes: readonly { readonly id: string; readonly level: string; readonly by: string }[]
}

export interface Written {
  readonly index: number
  readonly mode: string
  readonly epoch: number
  readonly assurance: string
}

/** A line of a node's log. */
export interface LogLine {
  readonly event: string
  readonly ts: string
  readonly [field: string]: unknown
}

function launch(env: Record<string, string>, args: readonly string[]) {
  return execa(process.execPath, [ADVERSARY, ...args], { reject: false, env, extendEnv: false })
}

export class HybridWorld {
  readonly world: World
  #said = ''
  #adversary: ReturnType<typeof launch> | null = null

  private constructor(world: World) {
    this.world = world
  }

  /** `env`: beside what every cluster of a test gets. */
  static async make(env: Readonly<Record<string, string>> = {}): Promise<HybridWorld> {
    const world = await World.make({ quick: true })
    Object.assign(world.env, env, { KNHK_DIR: world.dir })
    const kind = ['--nodes', '4', '--protocol', 'hybrid', '--residency', RESIDENCY]
    await world.json(['cluster', 'init', ...kind, '--dir', world.dir])
    await world.up('hybrid', 4)
    return new HybridWorld(world)
  }

  async remove(): Promise<void> {
    await this.stopAdversary()
    await this.world.remove()
  }

  json<T>(...args: string[]): Promise<T> {
    return this.world.json<T>(args)
  }

  mode(): Promise<ModeReport> {
    return this.json('cluster', 'mode', 'show')
  }

  threat(): Promise<Threat> {
    return this.json('cluster', 'threat', 'show')
  }

  put(key: string): Promise<Written> {
    return this.json('kv', 'put', key, `value of ${key}`)
  }

  /** Ends a member; nothing starts it again. */
  async stop(node: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const pid = await runningPid(this.world.dir, node)
    if (pid === null) return
    process.kill(pid, signal)
    await eventually(`${node} has ended`, async () => (await runningPid(this.world.dir, node)) === null)
  }

  /** Replaces a stopped member by a process that holds its key and lies. */
  async startAdversary(node: string, ...lie: string[]): Promise<void> {
    const { dir, env } = this.world
    const liar = launch(env, ['--dir', dir, '--node', node, '--lie', ...lie])
    this.#adversary = liar
    this.#said = ''
    liar.stderr?.on('data', (chunk) => {
      this.#said += String(chunk)
    })
    await eventually(`${node} answers`, async () => {
      const { nodes } = await this.json<ClusterStatus>('status')
      return nodes.some(({ id, reachable }) => id === node && reachable)
    })
  }

  /** Waits until the adversary said it. */
  async adversarySaid(words: string): Promise<void> {
    await eventually(`the adversary says: ${words}`, async () => this.#said.includes(words))
  }

  async stopAdversary(): Promise<void> {
    const adversary = this.#adversary
    if (adversary === null) return
    this.#adversary = null
    adversary.kill('SIGKILL')
    await adversary
  }

  /** What a node has written in its log. */
  async log(node: string): Promise<LogLine[]> {
    const text = await readFile(join(this.world.dir, 'nodes', node, 'node.log'), 'utf8')
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
  }

  /** … about one thing, from all of these nodes. */
  async logged(event: string, nodes: readonly string[]): Promise<LogLine[]> {
    const lines = await Promise.all(nodes.map((node) => this.log(node)))
    return lines.flat().filter((line) => line.event === event)
  }
}
