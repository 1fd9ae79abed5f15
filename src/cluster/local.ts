/**
 * The processes of a local cluster: start what is missing, wait until it is healthy, stop all.
 */
import { mkdir, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import type { Client } from '../client/api.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { ProtocolName } from '../consensus/types.js'
import { uuidFromBytes } from '../workflow/uuid.js'
import { readClusterFile } from './cluster-file.js'
import { fileError } from './files.js'
import { healthProblem } from './health.js'
import { initCluster, localMembers } from './init.js'
import { clusterPaths, nodePaths } from './layout.js'
import { withLock } from './lock.js'
import {
  isRunningNode,
  type ProcessEnd,
  removePidFile,
  runningPid,
  type StartedProcess,
  spawnNode,
} from './processes.js'

const POLL_MS = 50
/** A node syncs and seals its log on SIGTERM; one that has not ended by then is killed. */
export const STOP_GRACE_MS = 10_000
const LOG_TAIL_LINES = 3
const LOG_TAIL_BYTES = 2_000

export interface UpOptions {
  readonly dir: string
  /** For a new cluster; an existing one keeps its own. */
  readonly nodes: number
  readonly protocol: ProtocolName
  /** Command and first arguments that run knhk, normally [node, bin/run.js]. */
  readonly launcher: readonly string[]
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly onProgress?: (message: string) => void
}

export interface LocalNode {
  readonly id: string
  readonly address: string
  readonly http: string | null
  readonly pid: number
  readonly dataDir: string
}

export interface LocalCluster {
  readonly clusterId: string
  readonly dir: string
  readonly clusterFile: string
  readonly configuration: ClusterConfiguration
  /** False when it existed before. */
  readonly created: boolean
  readonly nodes: readonly LocalNode[]
  /** The processes that this call started. */
  readonly started: readonly StartedProcess[]
}

/**
 * Makes the cluster if there is none, starts the nodes that do not run and waits until all are
 * reachable, led and caught up. Throws `StartFailed` when a node ends at once, `DeadlineExceeded`
 * when the cluster is not healthy in time; nodes that were started go on in that case.
 */
export async function startLocalCluster(options: UpOptions): Promise<LocalCluster> {
  const dir = resolve(options.dir)
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((cause) => {
    throw fileError(dir, 'made', cause)
  })
  const { timeoutMs, signal } = options
  return withLock(clusterPaths(dir).lock, { timeoutMs, ...(signal === undefined ? {} : { signal }) }, async () => {
    const made = await initCluster({ dir, members: localMembers(options.nodes), protocol: options.protocol })
    const started = await startMissing(made.configuration, { ...options, dir })
    try {
      await waitUntilHealthy(made.configuration, dir, started, options)
    } catch (error) {
      if (signal?.aborted === true) await stopStarted(dir, started, { graceMs: STOP_GRACE_MS })
      throw error
    }
    return {
      clusterId: uuidFromBytes(made.configuration.clusterId),
      dir,
      clusterFile: made.clusterFile,
      configuration: made.configuration,
      created: made.created,
      nodes: await describeNodes(made.configuration, dir, started),
      started,
    }
  })
}

export interface StoppedNode {
  readonly id: string
  /** Null when it did not run. */
  readonly pid: number | null
  /** `stopped` ended by itself when asked, `killed` had to be killed, `notRunning` was not there. */
  readonly outcome: 'stopped' | 'killed' | 'notRunning'
}

export interface StopOptions {
  readonly graceMs: number
  readonly onProgress?: (message: string) => void
}

/** Stops all nodes of the cluster in `dir`. Throws `InvalidFile` when there is no cluster. */
export async function stopLocalCluster(dir: string, options: StopOptions): Promise<StoppedNode[]> {
  const root = resolve(dir)
  const paths = clusterPaths(root)
  const { members } = await readClusterFile(paths.clusterFile)
  return withLock(paths.lock, { timeoutMs: options.graceMs }, () =>
    stopProcesses(
      root,
      members.map((member) => member.id),
      options,
    ),
  )
}

/** Stops these processes; one that somebody started in their place is left alone. */
export async function stopStarted(
  dir: string,
  started: readonly StartedProcess[],
  options: StopOptions,
): Promise<StoppedNode[]> {
  const pids = new Map(started.map(({ id, pid }) => [id, pid]))
  return stopProcesses(dir, [...pids.keys()], options, pids)
}

/** Sends SIGTERM to all at once, waits, and kills what is left after the grace period. */
async function stopProcesses(
  dir: string,
  ids: readonly string[],
  options: StopOptions,
  only?: ReadonlyMap<string, number>,
): Promise<StoppedNode[]> {
  return Promise.all(
    ids.map(async (id): Promise<StoppedNode> => {
      const pid = only === undefined ? await runningPid(dir, id) : await aliveOrNull(dir, id, only.get(id))
      if (pid === null) return { id, pid: null, outcome: 'notRunning' }
      signalProcess(pid, 'SIGTERM')
      const ended = await hasEnded(dir, id, pid, options.graceMs)
      if (!ended) {
        options.onProgress?.(`${id} (pid ${pid}) did not end in time and is killed`)
        signalProcess(pid, 'SIGKILL')
        await hasEnded(dir, id, pid, options.graceMs)
      }
      await removePidFile(nodePaths(dir, id), pid)
      return { id, pid, outcome: ended ? 'stopped' : 'killed' }
    }),
  )
}

/** Calls `onEnd` once for every node of `cluster` that ends; resolves when none is left or `signal` fires. */
export async function watchNodes(
  cluster: LocalCluster,
  signal: AbortSignal,
  onEnd: (node: LocalNode, end: ProcessEnd | null) => void,
): Promise<void> {
  await Promise.all(
    cluster.nodes.map(async (node) => {
      const child = cluster.started.find((one) => one.id === node.id)
      let end: ProcessEnd | null = null
      if (child !== undefined) {
        end = await Promise.race([child.ended, aborted(signal)])
      } else {
        while (!signal.aborted && (await runningPid(cluster.dir, node.id)) === node.pid) await delay(POLL_MS * 10)
      }
      if (!signal.aborted) onEnd(node, end)
    }),
  )
}

async function startMissing(configuration: ClusterConfiguration, options: UpOptions): Promise<StartedProcess[]> {
  const started: StartedProcess[] = []
  for (const { id } of configuration.members) {
    if ((await runningPid(options.dir, id)) !== null) continue
    options.onProgress?.(`starting ${id}`)
    started.push(await spawnNode(options.launcher, options.dir, id))
  }
  return started
}

async function waitUntilHealthy(
  configuration: ClusterConfiguration,
  dir: string,
  started: readonly StartedProcess[],
  options: UpOptions,
): Promise<void> {
  const { connectClient } = await import('../client/index.js')
  const { loadKeyPair } = await import('../crypto/key-files.js')
  const key = await loadKeyPair(clusterPaths(dir).adminKey)
  const client = await connectClient({ configuration, key })
  const ends = started.map(async (child) => ({ child, end: await child.ended }))
  const stop = new AbortController()
  try {
    await Promise.race([
      pollHealth(client, { ...options, signal: options.signal ?? stop.signal }, stop.signal),
      Promise.race([...ends, never(stop.signal)]).then(async (ended) => {
        if (ended !== undefined) throw await startFailure(dir, ended.child.id, ended.end)
      }),
    ])
  } finally {
    stop.abort()
    await client.close()
  }
}

async function pollHealth(client: Client, options: UpOptions, stop: AbortSignal): Promise<void> {
  const expiresAtMs = performance.now() + options.timeoutMs
  while (!stop.aborted) {
    const problem = healthProblem(await client.clusterStatus())
    if (problem === null) return
    options.signal?.throwIfAborted()
    options.onProgress?.(`waiting: ${problem}`)
    if (performance.now() > expiresAtMs) {
      throw new KnhkError('DeadlineExceeded', `the cluster is not healthy: ${problem}`, {
        hint: 'Look at the logs, DIR/nodes/ID/node.log; the nodes go on, `knhk down` stops them.',
      })
    }
    await delay(POLL_MS)
  }
}

async function describeNodes(
  configuration: ClusterConfiguration,
  dir: string,
  started: readonly StartedProcess[],
): Promise<LocalNode[]> {
  return Promise.all(
    configuration.members.map(async ({ id, address }) => ({
      id,
      address,
      http: null,
      pid: started.find((one) => one.id === id)?.pid ?? (await runningPid(dir, id)) ?? 0,
      dataDir: nodePaths(dir, id).data,
    })),
  )
}

async function startFailure(dir: string, id: string, end: ProcessEnd): Promise<KnhkError> {
  const { log } = nodePaths(dir, id)
  const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`
  const words = await lastWords(log)
  return new KnhkError('StartFailed', `node ${id} ended at its start (${how})${words === '' ? '' : `: ${words}`}`, {
    hint: `Its log is ${log}.`,
    details: { node: id, exitCode: end.code, signal: end.signal, log },
  })
}

async function lastWords(log: string): Promise<string> {
  const file = await open(log, 'r').catch(() => null)
  if (file === null) return ''
  try {
    const { size } = await file.stat()
    const length = Math.min(size, LOG_TAIL_BYTES)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join(' | ')
  } finally {
    await file.close()
  }
}

async function hasEnded(dir: string, id: string, pid: number, timeoutMs: number): Promise<boolean> {
  const expiresAtMs = performance.now() + timeoutMs
  while (await isRunningNode(pid, dir, id)) {
    if (performance.now() > expiresAtMs) return false
    await delay(POLL_MS)
  }
  return true
}

/** A node that is still starting has no pid file yet: what counts for a child is the child itself. */
async function aliveOrNull(dir: string, id: string, pid: number | undefined): Promise<number | null> {
  return pid !== undefined && (await isRunningNode(pid, dir, id)) ? pid : null
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // It ended in between: what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolveAbort) => {
    if (signal.aborted) resolveAbort(null)
    else signal.addEventListener('abort', () => resolveAbort(null), { once: true })
  })
}

function never(signal: AbortSignal): Promise<undefined> {
  return aborted(signal).then(() => undefined)
}
