/**
 * `up`: a local cluster from nothing to healthy, then the REPL or a wait in the foreground, then down
 * again with what was started here.
 */
import { basename } from 'node:path'
import type { Config } from '@oclif/core/config'
import { addContext, type Context, readContexts } from '../cluster/contexts.js'
import { nodesMin } from '../cluster/init.js'
import { clusterPaths } from '../cluster/layout.js'
import { type LocalCluster, startLocalCluster } from '../cluster/local.js'
import type { ProcessEnd } from '../cluster/processes.js'
import { STOP_GRACE_MS, stopStarted } from '../cluster/stop-local.js'
import { defaultClusterDirectory } from '../cluster/user-directories.js'
import { watchNodes } from '../cluster/watch-local.js'
import type { ProtocolName } from '../consensus/types.js'
import type { Output } from './printer.js'

const KEEP_ALIVE_MS = 60_000

export interface BringUpOptions {
  /** Null for the default directory. */
  readonly dir: string | null
  /** Null for as many as the protocol needs. */
  readonly nodes: number | null
  /** Null for the hybrid, or plain Raft where there are too few nodes for it. */
  readonly protocol: ProtocolName | null
  /** Flags that were really given: an existing cluster may differ from them. */
  readonly given: ReadonlySet<string>
  readonly launcher: readonly string[]
  /** For the nodes that are started. */
  readonly nodeArguments: readonly string[]
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
  readonly note: (text: string) => void
}

export interface UpResult {
  readonly cluster: LocalCluster
  /** The context that names it; null when another cluster has the name. */
  readonly context: string | null
}

export async function bringUp(options: BringUpOptions): Promise<UpResult> {
  const { note, nodes } = options
  const isSmall = nodes !== null && nodes < nodesMin('hybrid')
  const chosen = options.protocol ?? (isSmall ? 'raft' : 'hybrid')
  const dir = options.dir ?? defaultClusterDirectory(process.env)
  const cluster = await startLocalCluster({ ...options, protocol: chosen, dir })
  const { members, protocol } = cluster.configuration
  if (cluster.created && options.protocol === null && isSmall) {
    note(
      `plain Raft: it bears nodes that fail, none that lies; from ${nodesMin('hybrid')} nodes on the default is the hybrid`,
    )
  }
  if (!cluster.created && options.given.has('nodes') && members.length !== options.nodes) {
    note(`the cluster in ${cluster.dir} keeps its ${members.length} nodes`)
  }
  if (!cluster.created && options.given.has('protocol') && protocol !== options.protocol) {
    note(`the cluster in ${cluster.dir} keeps its protocol, ${protocol}`)
  }
  return { cluster, context: await registerContext(cluster, note) }
}

/** `detached`: the shell comes back, and may be told what to do in it. */
export function upOutput({ cluster, context }: UpResult, detached: boolean): Output {
  const { clusterId, dir, clusterFile, configuration, nodes } = cluster
  const { protocol } = configuration
  return {
    value: { clusterId, dir, clusterFile, context, protocol, nodes },
    items: nodes,
    ids: [clusterId],
    text: async ({ fields, table, paint }) => {
      const head = fields([
        ['cluster', clusterId],
        ['directory', dir],
        ['context', context],
        ['protocol', protocol],
      ])
      const rows = nodes.map(({ id, address, http, pid, dataDir }) => [id, address, http, pid, dataDir])
      const listed = await table(['node', 'address', 'http', 'pid', 'data'], rows)
      if (!detached) return `${head}\n${listed}`
      const where = context === null ? ` --dir ${dir}` : ''
      const next = `Next: knhk status${where}, knhk repl${where}, knhk watch${where}; knhk down --dir ${dir} stops it.`
      return `${head}\n${listed}\n${paint('dim', next)}`
    },
  }
}

export interface KeepUpOptions {
  readonly signal: AbortSignal
  readonly note: (text: string) => void
  /** Opens the REPL; null to wait in the foreground. */
  readonly repl: Config | null
}

/** Returns when it is over: signal, end of the REPL, or all nodes stopped by somebody else. */
export async function keepUp({ cluster }: UpResult, options: KeepUpOptions): Promise<void> {
  const { note } = options
  const over = new AbortController()
  const stop = () => over.abort()
  if (options.signal.aborted) stop()
  options.signal.addEventListener('abort', stop, { once: true })
  const watching = watchNodes(cluster, over.signal, (node, end) => {
    note(`node ${node.id} (pid ${node.pid}) ended: ${endText(end)}; \`knhk up --dir ${cluster.dir}\` starts it again`)
  })
  // Listening for signals does not keep a process alive once its last child is gone.
  const alive = setInterval(() => undefined, KEEP_ALIVE_MS)
  try {
    if (options.repl === null) {
      note('the cluster runs until SIGINT or SIGTERM')
      await watching
    } else {
      const { runReplOn } = await import('./repl/run-repl.js')
      await runReplOn(options.repl, { dir: cluster.dir, signal: over.signal })
    }
  } finally {
    clearInterval(alive)
    over.abort()
    await watching
    await stopOwn(cluster, note)
  }
}

async function stopOwn({ dir, started }: LocalCluster, note: (text: string) => void): Promise<void> {
  if (started.length === 0) return
  note(`stopping ${started.map((child) => child.id).join(', ')}`)
  const stopped = await stopStarted(dir, started, { graceMs: STOP_GRACE_MS, onProgress: note })
  const killed = stopped.filter((node) => node.outcome === 'killed')
  note(killed.length === 0 ? 'stopped' : `stopped; killed: ${killed.map((node) => node.id).join(', ')}`)
}

/** Names the cluster after its directory unless another cluster has that name; never fails `up`. */
async function registerContext(cluster: LocalCluster, note: (text: string) => void): Promise<string | null> {
  const name = basename(cluster.dir)
  const context: Context = {
    clusterFile: cluster.clusterFile,
    keyPath: clusterPaths(cluster.dir).adminKey,
    endpoints: null,
  }
  try {
    const known = (await readContexts(process.env)).contexts.get(name)
    if (known !== undefined) return known.clusterFile === context.clusterFile ? name : null
    await addContext(process.env, name, context)
    return name
  } catch (error) {
    note(`no context was made: ${error instanceof Error ? error.message : 'unknown reason'}`)
    return null
  }
}

function endText({ code, signal }: ProcessEnd): string {
  if (signal !== null) return `signal ${signal}`
  return code === null ? 'it no longer runs' : `exit code ${code}`
}
