/**
 * Stopping the processes of a local cluster: asked first, killed only after a grace period, and never
 * a process that is not the node it is taken for.
 */
import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readClusterFile } from './cluster-file.js'
import { errnoOf, fileError } from './files.js'
import { clusterPaths, nodePaths } from './layout.js'
import { withLock } from './lock.js'
import { isRunningNode, removePidFile, runningPid, type StartedProcess } from './processes.js'

const POLL_MS = 50
/** A node syncs and seals its log on SIGTERM; one that has not ended by then is killed. */
export const STOP_GRACE_MS = 10_000

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
  const ids = members.map((member): string => member.id)
  return withLock(paths.lock, { timeoutMs: options.graceMs }, async () =>
    stopProcesses(root, [...ids, ...(await runningStrangers(root, paths.nodes, ids))], options),
  )
}

/** Stops one node of this machine, a member or not. */
export async function stopLocalNode(dir: string, id: string, options: StopOptions): Promise<StoppedNode> {
  return (await stopProcesses(dir, [id], options))[0] as StoppedNode
}

/** Nodes that run here although they are members no more. */
async function runningStrangers(dir: string, nodes: string, members: readonly string[]): Promise<string[]> {
  const names = await readdir(nodes).catch((error) => {
    if (errnoOf(error) === 'ENOENT') return []
    throw fileError(nodes, 'read', error)
  })
  const strangers = names.filter((id) => !members.includes(id))
  const pids = await Promise.all(strangers.map((id) => runningPid(dir, id)))
  return strangers.filter((_, i) => pids[i] !== null)
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
