/**
 * A real cluster under torture: the built command line, real processes, real disks, real TLS. The nodes
 * are children of the test itself, so their ends are seen, and nothing restarts them but the story.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClusterStatus } from '../../src/client/api.js'
import type { ClusterClient } from '../../src/client/index.js'
import { clusterPaths, type NodePaths, nodePaths } from '../../src/cluster/layout.js'
import { connectAdmin } from './client-process.js'
import { ChaosViolation, eventually } from './verdict.js'

const BIN = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))
const CONVERGE_SECONDS = 90

export interface ClusterPlan {
  readonly nodes: number
  /** host:port of every node; free loopback ports where it is absent. */
  readonly addresses?: readonly string[]
  /** What goes before the command of a node: the way into its network. */
  readonly prefix?: (id: string) => readonly string[]
}

interface RunningNode {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
}

export class RealCluster {
  readonly dir: string
  readonly ids: readonly string[]
  readonly #base: string
  readonly #plan: ClusterPlan
  readonly #running = new Map<string, RunningNode>()
  readonly #background: ChildProcess[] = []
  #client: ClusterClient | null = null
  kills = 0

  private constructor(base: string, plan: ClusterPlan) {
    this.#base = base
    this.#plan = plan
    this.dir = join(base, 'cluster')
    this.ids = Array.from({ length: plan.nodes }, (_, at) => `n${at + 1}`)
  }

  /** Makes keys, data directories and the cluster file; starts nothing. */
  static async make(plan: ClusterPlan): Promise<RealCluster> {
    const cluster = new RealCluster(await mkdtemp(join(tmpdir(), 'knhk-chaos-')), plan)
    const members =
      plan.addresses === undefined
        ? ['--nodes', String(plan.nodes)]
        : cluster.ids.flatMap((id, at) => ['--member', `${id}=${plan.addresses?.[at]}`])
    await cluster.knhk(['cluster', 'init', '--dir', cluster.dir, ...members])
    return cluster
  }

  get histories(): string {
    return this.#base
  }

  paths(id: string): NodePaths {
    return nodePaths(this.dir, id)
  }

  /** Runs a command to its end; throws where it does not end with 0. */
  async knhk(args: readonly string[]): Promise<string> {
    const { code, output } = await this.tryKnhk(args)
    if (code !== 0) throw new ChaosViolation(`knhk ${args.join(' ')} ended with ${code}: ${output}`)
    return output
  }

  /** A command that runs until it is stopped, or the story ends. */
  background(args: readonly string[]): { readonly stop: () => Promise<void> } {
    const child = spawn(process.execPath, [BIN, ...args], { stdio: 'ignore', env: this.#env })
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    this.#background.push(child)
    return {
      stop: () => {
        child.kill('SIGINT')
        return ended
      },
    }
  }

  async tryKnhk(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: this.#env })
    let output = ''
    const take = (chunk: Buffer): void => {
      output += chunk.toString()
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    return { code, output }
  }

  /** Starts every node and waits for a leader that all know. */
  async start(): Promise<void> {
    for (const id of this.ids) await this.startNode(id)
    await this.healthy()
  }

  /** Starts one node. `blockedOutput`: a descriptor that takes nothing, in place of its streams and its log file. */
  async startNode(id: string, blockedOutput?: number): Promise<void> {
    const paths = this.paths(id)
    const where =
      blockedOutput === undefined
        ? ['--dir', this.dir]
        : ['--cluster', clusterPaths(this.dir).clusterFile, '--key', paths.key, '--data-dir', paths.data]
    const log = await open(paths.log, 'a', 0o600)
    const [command = '', ...args] = [...(this.#plan.prefix?.(id) ?? []), process.execPath, BIN]
    const level = blockedOutput === undefined ? [] : ['--log-level', 'debug']
    const child = spawn(command, [...args, 'node', 'start', '--node', id, ...where, ...level], {
      stdio: ['ignore', blockedOutput ?? log.fd, blockedOutput ?? log.fd],
      env: this.#env,
    })
    await log.close()
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const node: RunningNode = { child, ended }
    this.#running.set(id, node)
    void ended.then(() => {
      if (this.#running.get(id) === node) this.#running.delete(id)
    })
  }

  isRunning(id: string): boolean {
    return this.#running.has(id)
  }

  signal(id: string, signal: NodeJS.Signals): void {
    this.#running.get(id)?.child.kill(signal)
  }

  /** Kills at once, without a chance to say goodbye. */
  async kill(ids: readonly string[]): Promise<void> {
    const nodes = ids.map((id) => this.#running.get(id)).filter((node) => node !== undefined)
    for (const { child } of nodes) child.kill('SIGKILL')
    await Promise.all(nodes.map(({ ended }) => ended))
    this.kills += nodes.length
  }

  /** A clean stop. Gives the exit code. */
  async stop(id: string): Promise<number | null> {
    const node = this.#running.get(id)
    node?.child.kill('SIGTERM')
    return node === undefined ? null : node.ended
  }

  /** The exit code of a node that is about to end by itself. */
  ended(id: string): Promise<number | null> {
    return this.#running.get(id)?.ended ?? Promise.resolve(null)
  }

  async client(): Promise<ClusterClient> {
    this.#client ??= await connectAdmin(this.dir)
    return this.#client
  }

  async status(): Promise<ClusterStatus> {
    return (await this.client()).clusterStatus()
  }

  async leader(): Promise<string> {
    let leader: string | null = null
    await eventually('there is a leader', async () => {
      leader = (await this.status()).leader
      return leader !== null
    })
    return leader as unknown as string
  }

  /** All nodes are reachable and one leads. */
  async healthy(): Promise<void> {
    await eventually('all nodes are reachable and one leads', async () => {
      const { leader, nodes } = await this.status()
      return leader !== null && nodes.every(({ reachable }) => reachable)
    })
  }

  /** All nodes reach one index and one state; nobody may be writing. */
  async converged(): Promise<void> {
    await this.knhk(['wait', '--for', 'converged', '--dir', this.dir, '--timeout', String(CONVERGE_SECONDS)])
  }

  log(id: string): Promise<string> {
    return readFile(this.paths(id).log, 'utf8')
  }

  async remove(): Promise<void> {
    await this.#client?.close()
    for (const child of this.#background) child.kill('SIGKILL')
    for (const { child } of this.#running.values()) child.kill('SIGKILL')
    await Promise.all([...this.#running.values()].map(({ ended }) => ended))
    await rm(this.#base, { recursive: true, force: true })
  }

  get #env(): Record<string, string> {
    const home = this.#base
    return { PATH: process.env.PATH ?? '', HOME: home, NO_COLOR: '1', KNHK_CONFIG_HOME: join(home, 'config') }
  }
}
