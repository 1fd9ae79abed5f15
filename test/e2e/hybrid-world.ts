/** A hybrid cluster of four real processes, one of whose members can be replaced by the adversary, and what it says of itself. */
import type { ClusterStatus } from '../../src/client/api.js'
import { Adversary } from './adversary.js'
import { eventually, type LogLine, World } from './harness.js'

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

export class HybridWorld {
  readonly world: World
  #adversary: Adversary | null = null

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

  /** Replaces a stopped member by a process that holds its key and lies. */
  async startAdversary(node: string, ...lie: string[]): Promise<void> {
    this.#adversary = new Adversary(this.world, node, ...lie)
    await eventually(`${node} answers`, async () => {
      const { nodes } = await this.json<ClusterStatus>('status')
      return nodes.some(({ id, reachable }) => id === node && reachable)
    })
  }

  /** Waits until the adversary said it. */
  async adversarySaid(words: string): Promise<void> {
    await eventually(`the adversary says: ${words}`, async () => this.#adversary?.said.includes(words))
  }

  async stopAdversary(): Promise<void> {
    await this.#adversary?.stop()
    this.#adversary = null
  }

  /** What these nodes have written in their logs about one thing. */
  async logged(event: string, nodes: readonly string[]): Promise<LogLine[]> {
    const lines = await Promise.all(nodes.map((node) => this.world.log(node)))
    return lines.flat().filter((line) => line.event === event)
  }
}
