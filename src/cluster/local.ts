/**
 * The processes of a local cluster: start what is missing, wait until it is healthy.
 */
import { mkdir, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import type { Client, ClusterStatus } from '../client/api.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import type { ProtocolName } from '../consensus/types.js'
import { uuidFromBytes } from '../workflow/uuid.js'
import { fileError } from './files.js'
import { healthProblem } from './health.js'
import { defaultNodes, initCluster, localMembers } from './init.js'
import { clusterPaths, nodePaths } from './layout.js'
import { withLock } from './lock.js'
import { type ProcessEnd, runningPid, type StartedProcess, spawnNode } from './processes.js'
import { STOP_GRACE_MS, stopStarted } from './stop-local.js'

const POLL_MS = 50
const LOG_TAIL_LINES = 3
const LOG_TAIL_BYTES = 2_000

export interface UpOptions {
  readonly dir: string
  /** For a new cluster; an existing one keeps its own. Null for as many as its protocol needs. */
  readonly nodes: number | null
  readonly protocol: ProtocolName
  /** Command and first arguments that run knhk, normally [node, bin/run.js]. */
  readonly launcher: readonly string[]
  /** More arguments for `node start` of the nodes that are started. */
  readonly nodeArguments?: readonly string[]
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
    const members = localMembers(options.nodes ?? defaultNodes(options.protocol))
    const made = await initCluster({ dir, members, protocol: options.protocol })
    const started = await startMissing(made.configuration, { ...options, dir })
    let status: ClusterStatus
    try {
      status = await waitUntilHealthy(made.configuration, dir, started, options)
    } catch (error) {
      if (signal?.aborted === true) await stopStarted(dir, started, { graceMs: STOP_GRACE_MS })
      // They go on without us: a child that is not released would keep this process waiting for its end.
      for (const child of started) child.release()
      throw error
    }
    return {
      clusterId: uuidFromBytes(made.configuration.clusterId),
      dir,
      clusterFile: made.clusterFile,
      configuration: made.configuration,
      created: made.created,
      nodes: await describeNodes(made.configuration, dir, started, status),
      started,
    }
  })
}

async function startMissing(configuration: ClusterConfiguration, options: UpOptions): Promise<StartedProcess[]> {
  const started: StartedProcess[] = []
  for (const { id } of configuration.members) {
    if ((await runningPid(options.dir, id)) !== null) continue
    options.onProgress?.(`starting ${id}`)
    started.push(await spawnNode(options.launcher, options.dir, id, options.nodeArguments))
  }
  return started
}

async function waitUntilHealthy(
  configuration: ClusterConfiguration,
  dir: string,
  started: readonly StartedProcess[],
  options: UpOptions,
): Promise<ClusterStatus> {
  const { connectClient } = await import('../client/index.js')
  const { loadKeyPair } = await import('../crypto/key-files.js')
  const key = await loadKeyPair(clusterPaths(dir).adminKey)
  const client = await connectClient({ configuration, key })
  const ends = started.map(async (child) => ({ child, end: await child.ended }))
  const stop = new AbortController()
  try {
    return await Promise.race([
      pollHealth(client, { ...options, signal: options.signal ?? stop.signal }, stop.signal),
      Promise.race([...ends, aborted(stop.signal)]).then(async (ended) => {
        if (ended !== undefined) throw await startFailure(dir, ended.child.id, ended.end)
        throw notWaitedFor()
      }),
    ])
  } finally {
    stop.abort()
    await client.close()
  }
}

async function pollHealth(client: Client, options: UpOptions, stop: AbortSignal): Promise<ClusterStatus> {
  const expiresAtMs = performance.now() + options.timeoutMs
  while (!stop.aborted) {
    const status = await client.clusterStatus()
    const problem = healthProblem(status)
    if (problem === null) return status
    options.signal?.throwIfAborted()
    options.onProgress?.(`waiting: ${problem}`)
    if (performance.now() > expiresAtMs) {
      throw new KnhkError('DeadlineExceeded', `the cluster is not healthy: ${problem}`, {
        hint: 'Look at the logs, DIR/nodes/ID/node.log; the nodes go on, `knhk down` stops them.',
      })
    }
    await delay(POLL_MS)
  }
  throw notWaitedFor()
}

/** Ends what lost a race; nobody hears it. */
function notWaitedFor(): KnhkError {
  return new KnhkError('Aborted', 'nobody waits any more')
}

async function describeNodes(
  configuration: ClusterConfiguration,
  dir: string,
  started: readonly StartedProcess[],
  { nodes }: ClusterStatus,
): Promise<LocalNode[]> {
  return Promise.all(
    configuration.members.map(async ({ id, address }) => ({
      id,
      address,
      http: nodes.find((node) => node.id === id)?.http ?? null,
      pid: started.find((one) => one.id === id)?.pid ?? (await runningPid(dir, id)) ?? 0,
      dataDir: nodePaths(dir, id).data,
    })),
  )
}

/** Why a node that was started is gone, with its last words. */
export async function startFailure(dir: string, id: string, end: ProcessEnd): Promise<KnhkError> {
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

/** Resolves when `signal` fires, so that a race can be left. */
function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolveAbort) => {
    if (signal.aborted) resolveAbort(undefined)
    else signal.addEventListener('abort', () => resolveAbort(undefined), { once: true })
  })
}
