/**
 * Runs one node in this process: finds its files, starts it, keeps its pid file, and waits until it is
 * told to stop or has to.
 */
import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import { nodeId } from '../consensus/types.js'
import type { DiskSettings } from '../node/ports.js'
import type { Dress, StartOptions } from '../node/start.js'
import { parseAddress } from './address.js'
import { HTTP_OFF, readClusterFile } from './cluster-file.js'
import { formatMember, requireMember } from './data-directories.js'
import { fileError } from './files.js'
import { assertKeysAdmissible } from './init.js'
import { clusterPaths, type NodePaths, nodePaths } from './layout.js'
import { removePidFile, runningPid, writePidFile } from './processes.js'

export interface NodeFilesChoice {
  readonly node: string
  readonly dir?: string | undefined
  readonly cluster?: string | undefined
  /** With or without an extension. */
  readonly key?: string | undefined
  readonly dataDir?: string | undefined
}

export interface NodeFiles {
  readonly node: string
  readonly configuration: ClusterConfiguration
  /** Without extension. */
  readonly keyPath: string
  readonly dataDir: string
  /** Null for stderr. */
  readonly logFile: string | null
  /** Where a local cluster looks for the process; null elsewhere. */
  readonly local: { readonly dir: string; readonly paths: NodePaths } | null
}

/** Throws `Usage` where something is not said, `NotFound` for a node that the cluster file does not list. */
export async function nodeFiles(choice: NodeFilesChoice): Promise<NodeFiles> {
  const { node } = choice
  if (choice.dir !== undefined) {
    const dir = resolve(choice.dir)
    const configuration = await readClusterFile(clusterPaths(dir).clusterFile)
    requireMember(configuration, node)
    const paths = nodePaths(dir, node)
    return { node, configuration, keyPath: paths.key, dataDir: paths.data, logFile: paths.log, local: { dir, paths } }
  }
  if (choice.cluster === undefined || choice.key === undefined || choice.dataDir === undefined) {
    throw new KnhkError('Usage', 'where is the node?', {
      hint: 'Give --dir DIR, or --cluster FILE, --key FILE and --data-dir DIR.',
    })
  }
  const configuration = await readClusterFile(resolve(choice.cluster))
  requireMember(configuration, node)
  const keyPath = resolve(choice.key).replace(/\.(?:key|pub|crt)$/, '')
  return { node, configuration, keyPath, dataDir: resolve(choice.dataDir), logFile: null, local: null }
}

export interface RunNodeOptions extends NodeFiles {
  /** Make the data directory first. */
  readonly initialize: boolean
  readonly listen: string | null
  /** host:port or `off`, instead of what the cluster file says; null for that. */
  readonly http: string | null
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly version: string
  /** How much of the disk it may take; what is absent is the default. */
  readonly disk?: Partial<DiskSettings>
  /** Stops the node cleanly. */
  readonly signal: AbortSignal
  readonly onListening: (address: string) => void
  /** As in `StartOptions`. */
  readonly dress?: Dress
}

/** Returns after a clean stop. Throws what `startNode` documents, or the error that stopped the node. */
export async function runNode(options: RunNodeOptions): Promise<void> {
  const { configuration, node, dataDir, local, signal } = options
  await assertKeysAdmissible(configuration)
  if (local !== null) await assertNotRunning(local.dir, node)
  if (options.initialize) await formatMember(configuration, node, dataDir)
  const { loadKeyPair } = await import('../crypto/key-files.js')
  const key = await loadKeyPair(options.keyPath)
  assertOwnKey(configuration, node, key.publicKey)
  const [{ createLogger }, { startNode }] = await Promise.all([import('../node/logger.js'), import('../node/start.js')])
  const log = options.logFile === null ? null : await openLog(options.logFile)
  const logger = createLogger({ fd: log?.fd ?? 2, node, level: options.logLevel })
  try {
    const running = await startNode({
      configuration,
      nodeId: nodeId(node),
      dataDir,
      key,
      logger,
      version: options.version,
      ...(options.listen === null ? {} : { listen: options.listen }),
      ...httpOf(configuration, node, options.http),
      ...(options.disk === undefined ? {} : { disk: options.disk }),
      ...(options.dress === undefined ? {} : { dress: options.dress }),
    })
    if (local !== null) await writePidFile(local.paths, process.pid)
    options.onListening(options.listen ?? addressOf(configuration, node))
    const stop = () => void running.stop()
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    const error = await running.stopped
    if (local !== null) await removePidFile(local.paths, process.pid)
    if (error !== null) throw error
  } finally {
    logger.flush()
    await log?.close()
  }
}

async function assertNotRunning(dir: string, node: string): Promise<void> {
  const pid = await runningPid(dir, node)
  if (pid === null || pid === process.pid) return
  throw new KnhkError('DataDirectoryLocked', `node ${node} runs already (pid ${pid})`, { details: { node, pid } })
}

function assertOwnKey(configuration: ClusterConfiguration, node: string, publicKey: Uint8Array): void {
  const member = configuration.members.find((one) => one.id === node)
  if (member !== undefined && Buffer.from(member.publicKey).equals(publicKey)) return
  throw new KnhkError('InvalidKeyFile', `the key is not the one that the cluster file lists for ${node}`, {
    details: { node },
  })
}

async function openLog(path: string): ReturnType<typeof open> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    return await open(path, 'a', 0o600)
  } catch (cause) {
    throw fileError(path, 'written', cause)
  }
}

/** What was said, else what the cluster file says, else nothing: then it is a free loopback port. */
function httpOf(configuration: ClusterConfiguration, node: string, given: string | null): Pick<StartOptions, 'http'> {
  const http = given ?? configuration.members.find((member) => member.id === node)?.http
  if (http === undefined) return {}
  return { http: http === HTTP_OFF ? null : parseAddress(http) }
}

function addressOf(configuration: ClusterConfiguration, node: string): string {
  return configuration.members.find((member) => member.id === node)?.address ?? ''
}
