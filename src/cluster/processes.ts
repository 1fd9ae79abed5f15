/**
 * Node processes of this machine: started detached, found again by their pid file, and signalled only
 * after checking that the process is really the node it is taken for (ids are reused).
 */
import { execFile, spawn } from 'node:child_process'
import { open, readFile, readlink, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { readTextIfThere, writeFileAtomically } from './files.js'
import { type NodePaths, nodePaths } from './layout.js'

/** How a started process ended. */
export interface ProcessEnd {
  readonly code: number | null
  readonly signal: string | null
}

export interface StartedProcess {
  readonly id: string
  readonly pid: number
  /** Resolves when it ends. */
  readonly ended: Promise<ProcessEnd>
  /** Lets this process end while the node goes on. */
  release(): void
}

/** True when a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * How V8 sizes the heap of a node. With its defaults a node collects its small heap several times a
 * second under load; room from the start is worth about 9 % of the throughput (docs/performance.md).
 */
const NODE_HEAP_FLAGS: readonly string[] = [
  '--initial-old-space-size=256',
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
]

/**
 * Starts `node start` for one node. `launcher` is node and the script that runs knhk, normally
 * [node, bin/run.js]. The node inherits no stream; its last words go to its log.
 */
export async function spawnNode(
  launcher: readonly string[],
  dir: string,
  id: string,
  more: readonly string[] = [],
): Promise<StartedProcess> {
  const [command, ...first] = launcher as [string, ...string[]]
  const log = await open(nodePaths(dir, id).log, 'a', 0o600)
  try {
    const start = [...NODE_HEAP_FLAGS, ...first, 'node', 'start', '--dir', dir, '--node', id, ...more]
    const child = spawn(command, start, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      cwd: dir,
    })
    const ended = new Promise<ProcessEnd>((resolveEnd) => {
      child.once('error', () => resolveEnd({ code: null, signal: null }))
      child.once('exit', (code, signal) => resolveEnd({ code, signal }))
    })
    // Before the node does it itself: who looks meanwhile, after this process was killed too, starts no second one.
    if (child.pid !== undefined && (await runningPid(dir, id)) === null)
      await writePidFile(nodePaths(dir, id), child.pid)
    return { id, pid: child.pid ?? 0, ended, release: () => child.unref() }
  } finally {
    await log.close()
  }
}

/** The process id of a running node, null when it does not run. A stale pid file counts as not running. */
export async function runningPid(dir: string, id: string): Promise<number | null> {
  const text = await readTextIfThere(nodePaths(dir, id).pid)
  const pid = Number(text ?? '')
  return Number.isSafeInteger(pid) && pid > 1 && (await isRunningNode(pid, dir, id)) ? pid : null
}

/** True when `pid` is alive and really this node: process ids are reused. */
export async function isRunningNode(pid: number, dir: string, id: string): Promise<boolean> {
  return isAlive(pid) && (await isNodeProcess(pid, dir, id))
}

export async function writePidFile(paths: NodePaths, pid: number): Promise<void> {
  await writeFileAtomically(paths.pid, `${pid}\n`)
}

/** Removes the pid file unless another process has written its own by now. */
export async function removePidFile(paths: NodePaths, pid: number): Promise<void> {
  if (Number(await readTextIfThere(paths.pid)) === pid) await rm(paths.pid, { force: true })
}

async function isNodeProcess(pid: number, dir: string, id: string): Promise<boolean> {
  const args = await argumentsOf(pid)
  if (args === null) return false
  const start = args.indexOf('start')
  if (start < 1 || args[start - 1] !== 'node') return false
  if (flagValue(args, '--node') !== id) return false
  const stated = flagValue(args, '--dir')
  if (stated === null) return false
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '/')
  return resolve(cwd, stated) === dir
}

function flagValue(args: readonly string[], flag: string): string | null {
  for (const [i, arg] of args.entries()) {
    if (arg === flag) return args[i + 1] ?? null
    if (arg.startsWith(`${flag}=`)) return arg.slice(flag.length + 1)
  }
  return null
}

/** The command line of a process: exact on Linux, split at spaces by `ps` elsewhere. */
async function argumentsOf(pid: number): Promise<string[] | null> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null)
    // A process that ended and is not yet collected by its parent has an empty command line.
    return text === null || text === '' ? null : text.split('\0')
  }
  const listed = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => null)
  return listed === null ? null : listed.stdout.trim().split(' ')
}
