/**
 * Real clusters for end-to-end tests: the built command line, real processes, real disks, real TLS, in
 * a temporary directory of their own.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { type ClusterClient, connectClient } from '../../src/client/index.js'
import { parseClusterFile } from '../../src/cluster/cluster-file.js'
import { clusterPaths, nodePaths } from '../../src/cluster/layout.js'
import { isRunningNode, runningPid } from '../../src/cluster/processes.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { runHere } from './in-process.js'

export const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

export interface Ran {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface UpNode {
  readonly id: string
  readonly address: string
  readonly pid: number
  readonly dataDir: string
}

export interface UpReport {
  readonly clusterId: string
  readonly dir: string
  readonly clusterFile: string
  readonly protocol: string
  readonly nodes: readonly UpNode[]
}

/** A line of a node's log; the fields are those of the event. */
export interface LogLine {
  readonly event: string
  readonly [field: string]: unknown
}

/** One test's own world: directories, environment, and a cluster when it wants one. */
export class World {
  readonly base: string
  readonly dir: string
  readonly env: Record<string, string>

  /** Commands run in the process of the test where they can: see `in-process.ts`. */
  readonly #quick: boolean

  private constructor(base: string, quick: boolean) {
    this.base = base
    this.#quick = quick
    this.dir = join(base, 'cluster')
    this.env = {
      PATH: process.env.PATH ?? '',
      HOME: base,
      NO_COLOR: '1',
      KNHK_CONFIG_HOME: join(base, 'config'),
      XDG_CONFIG_HOME: join(base, 'config'),
      XDG_STATE_HOME: join(base, 'state'),
      XDG_DATA_HOME: join(base, 'data'),
      XDG_CACHE_HOME: join(base, 'cache'),
    }
  }

  /** `quick`: for tests that say nothing of the processes of commands. */
  static async make({ quick = false } = {}): Promise<World> {
    return new World(await mkdtemp(join(tmpdir(), 'knhk-e2e-')), quick)
  }

  /** Starts a command; the caller awaits or signals it. */
  start(args: readonly string[], options: { readonly input?: string } = {}) {
    return execa(process.execPath, [BIN, ...args], {
      reject: false,
      env: this.env,
      extendEnv: false,
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    })
  }

  async run(args: readonly string[], options: { readonly input?: string } = {}): Promise<Ran> {
    const ran = this.#quick && options.input === undefined ? await runHere(args, this.env) : null
    return ran ?? this.runApart(args, options)
  }

  /** In a process of its own, as a shell does. */
  async runApart(args: readonly string[], options: { readonly input?: string } = {}): Promise<Ran> {
    const { exitCode, stdout, stderr } = await this.start(args, options)
    return { exitCode, stdout, stderr }
  }

  /** The words of a command, said to the cluster of this world. */
  at(...words: readonly string[]): string[] {
    return [...words, '--dir', this.dir]
  }

  /** Runs a command that has to end with 0. */
  async ok(args: readonly string[], options: { readonly input?: string } = {}): Promise<Ran> {
    const ran = await this.run(args, options)
    const { exitCode, stdout, stderr } = ran
    if (exitCode !== 0) throw new Error(`knhk ${args.join(' ')} ended with ${exitCode}\n${stdout}\n${stderr}`)
    return ran
  }

  /** Runs with --json and parses the one document on standard output. */
  async json<T>(args: readonly string[], options: { readonly input?: string } = {}): Promise<T> {
    const { stdout } = await this.ok([...args, '--json'], options)
    return JSON.parse(stdout) as T
  }

  /** Starts what is missing of the cluster; on the first call it is made: three nodes of plain Raft, or what is said. */
  up(protocol = 'raft', nodes = 3): Promise<UpReport> {
    return this.json(['up', '--nodes', String(nodes), '--protocol', protocol, '--dir', this.dir, '--detach'])
  }

  /** As the administrator of the cluster in `dir`, or with the key of another one's. */
  async client(dir = this.dir, keyOf = dir): Promise<ClusterClient> {
    const configuration = parseClusterFile(await readFile(clusterPaths(dir).clusterFile, 'utf8'))
    return connectClient({ configuration, key: await loadKeyPair(clusterPaths(keyOf).adminKey) })
  }

  /** Ends a node that runs, or is about to, and waits until its process is gone. Nothing starts it again. */
  async endNode(id: string, signal: 'SIGTERM' | 'SIGKILL', dir = this.dir): Promise<void> {
    const pid = await eventually(`${id} runs`, () => runningPid(dir, id))
    process.kill(pid, signal)
    await eventually(`${id} has ended`, async () => !(await isRunningNode(pid, dir, id)))
  }

  /** What a node has written in its log. */
  async log(id: string, dir = this.dir): Promise<LogLine[]> {
    const text = await readFile(nodePaths(dir, id).log, 'utf8')
    // What is said before there is a logger is no JSON, and of the last line a part may be missing.
    const whole = text.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))
    return whole.map((line) => JSON.parse(line) as LogLine)
  }

  /** … without the fields: what happened, in its order. */
  async events(id: string, dir = this.dir): Promise<string[]> {
    return (await this.log(id, dir)).map(({ event }) => event)
  }

  /** Ends whatever still runs of the cluster in `dir`, at once: nobody looks at it any more. */
  async kill(dir = this.dir): Promise<void> {
    const ids = await readdir(clusterPaths(dir).nodes).catch(() => [])
    const pids = await Promise.all(ids.map((id) => runningPid(dir, id)))
    await Promise.all(ids.filter((_, i) => pids[i] !== null).map((id) => this.endNode(id, 'SIGKILL', dir)))
  }

  async remove(): Promise<void> {
    await this.kill()
    await rm(this.base, { recursive: true, force: true })
  }
}

/** Polls until `probe` gives a value; fails with its last error, or the description, after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  while (performance.now() < deadline) {
    try {
      const value = await probe()
      if (value !== null && value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`did not happen: ${what}`, { cause: last })
}
