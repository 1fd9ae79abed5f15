/**
 * `npm run bench:state`: what a large state costs. One node of plain Raft, a process of its own with its log synced, gets
 * so many distinct cases of 300 B from one client in batches; then it takes a snapshot, starts again, and a new
 * cluster is made of the snapshot. Prints the rate, the memory, and how long the loop stood still, garbage collection
 * apart. Bounded: the client keeps so many batches under way and makes the cases as it goes.
 *
 *   npm run bench:state -- --cases 1000000
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ClusterClient, connectClient } from '../../src/client/index.js'
import { readClusterFile } from '../../src/cluster/cluster-file.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { openConnection } from '../../src/terminal/connection.js'
import { applyRestore, planRestore } from '../../src/terminal/snapshots/restore.js'
import { saveSnapshot } from '../../src/terminal/snapshots/save.js'
import type { Operation } from '../../src/workflow/operations.js'
import { optionsOf } from '../options.js'
import { type LocalCluster, ROOT, startLocal } from './contenders.js'
import { type ProcessWatch, WATCH_VARIABLE, watchFile } from './process-watch.js'

const BATCH = 128
/** Batches under way: keeps the node busy, and bounds what waits. */
const UNDER_WAY = 16
const DATA_BYTES = 300
const CALL_MS = 600_000
const LOOK_MS = 20
const SAMPLE_MS = 500
const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'

const caseId = (number: number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

function createCase(number: number): Operation {
  const start = `{"customer":"c-${number}","amount":${number % 1000},"note":"`
  const data = Buffer.from(`${start}${'x'.repeat(DATA_BYTES - start.length - 2)}"}`)
  return { type: 'CreateCase', caseId: caseId(number), specId: SPEC, data }
}

async function connected(directory: string): Promise<ClusterClient> {
  const configuration = await readClusterFile(join(directory, 'cluster.yaml'))
  return connectClient({ configuration, key: await loadKeyPair(join(directory, 'clients', 'admin')) })
}

/** Creates the cases, `UNDER_WAY` batches at a time; returns the seconds that it took. */
async function createCases(client: ClusterClient, count: number): Promise<number> {
  const session = await client.openSession({ timeoutMs: CALL_MS })
  let next = 0
  const begunMs = performance.now()
  const work = async () => {
    while (next < count) {
      const from = next
      next = Math.min(count, from + BATCH)
      const operations = Array.from({ length: next - from }, (_, i) => createCase(from + i))
      const settled = await session.submit(operations, { timeoutMs: CALL_MS })
      const failed = settled.find(({ outcome }) => !outcome.ok)
      if (failed !== undefined) throw new Error(`a case was refused: ${JSON.stringify(failed.outcome)}`)
    }
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, work))
  return (performance.now() - begunMs) / 1000
}

async function until<T>(probe: () => T | null): Promise<T> {
  for (;;) {
    const value = probe()
    if (value !== null) return value
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** What the node noted since the last call. */
class Watcher {
  readonly #directory: string
  readonly #cluster: LocalCluster

  constructor(directory: string, cluster: LocalCluster) {
    this.#directory = directory
    this.#cluster = cluster
  }

  async take(): Promise<ProcessWatch> {
    const pid = await this.pid()
    const file = watchFile(this.#directory, pid)
    rmSync(file, { force: true })
    process.kill(pid, 'SIGUSR2')
    return until(() => (existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ProcessWatch) : null))
  }

  async pid(): Promise<number> {
    return ((await this.#cluster.nodes())[0] as { pid: number }).pid
  }

  /**
   * Memory of the process in MiB: its own, and pages of files that it has mapped (LevelDB maps its tables), which the
   * kernel takes back when it needs them.
   */
  async memoryMiB(): Promise<{ readonly own: number; readonly mapped: number }> {
    const status = readFileSync(`/proc/${await this.pid()}/status`, 'utf8')
    const [own = 0, mapped = 0] = ['RssAnon', 'RssFile'].map((name) => {
      const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
      return Math.round(Number(kib) / 1024)
    })
    return { own, mapped }
  }

  /** The most memory of its own that it has while `work` runs, looked at twice a second. */
  async peakDuring<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly peakOwnMiB: number }> {
    let peakOwnMiB = 0
    const timer = setInterval(() => {
      void this.memoryMiB().then(({ own }) => {
        peakOwnMiB = Math.max(peakOwnMiB, own)
      })
    }, SAMPLE_MS)
    try {
      return { value: await work(), peakOwnMiB }
    } finally {
      clearInterval(timer)
    }
  }
}

const round = (value: number) => Math.round(value * 10) / 10

function stallsOf(watch: ProcessWatch) {
  return {
    loopMs: round(watch.loopActiveMs),
    cpuMs: round(watch.cpuMs),
    longestStallMs: round(watch.longestStallMs),
    longestStallWithoutGcMs: round(watch.longestStallWithoutGcMs),
    stallsOver10Ms: watch.stallsOver10Ms,
    gcMs: round(watch.gcMs),
    longestGcMs: round(watch.longestGcMs),
    majorGcs: watch.majorGcs,
    heapMiB: Math.round(watch.heapBytes / 2 ** 20),
    buffersMiB: Math.round(watch.bufferBytes / 2 ** 20),
  }
}

/** Takes a snapshot on the node; with `out` it is brought here as well. Returns the milliseconds. */
async function takeSnapshot(directory: string, out: string | null): Promise<number> {
  const connection = await openConnection({ dir: directory }, process.env)
  const begunMs = performance.now()
  try {
    const { signal } = new AbortController()
    await saveSnapshot(connection, { node: null, out, timeoutMs: CALL_MS, signal, onProgress: () => {} })
    return Math.round(performance.now() - begunMs)
  } finally {
    await connection.close()
  }
}

async function main(): Promise<void> {
  const values = optionsOf('npm run bench:state -- [--cases N]', { cases: { type: 'string', default: '1000000' } })
  const count = Number(values.cases)
  const watchModule = pathToFileURL(join(ROOT, 'dist', 'test', 'bench', 'process-watch.js')).href
  const notes = join(process.env.TMPDIR ?? '/tmp', `knhk-bench-watch-${process.pid}`)
  mkdirSync(notes)
  const env = { NODE_OPTIONS: `--import ${watchModule}`, [WATCH_VARIABLE]: notes }
  const cluster = await startLocal({ root: ROOT, env }, { protocol: 'raft', nodes: 1 })
  const watcher = new Watcher(notes, cluster)
  const tell = (what: string, figures: object) => process.stdout.write(`${JSON.stringify({ what, ...figures })}\n`)
  try {
    const [processor] = cpus()
    tell('machine', { cpu: processor?.model, cores: cpus().length, node: process.version, load: loadavg().map(round) })
    await watcher.take()
    const client = await connected(cluster.directory)
    const { value: seconds, peakOwnMiB } = await watcher.peakDuring(() => createCases(client, count))
    const loading = await watcher.take()
    tell('create', {
      cases: count,
      seconds: round(seconds),
      casesPerSecond: Math.round(count / seconds),
      loopMsPerCase: Math.round((loading.loopActiveMs / count) * 1e5) / 1e5,
      peakOwnMiB,
      ...stallsOf(loading),
      memoryMiB: await watcher.memoryMiB(),
    })
    await settle(client)
    await watcher.take()
    const file = join(notes, 'state.snap')
    const taking = () => takeSnapshot(cluster.directory, null)
    const { value: elapsedMs, peakOwnMiB: peakTakingMiB } = await watcher.peakDuring(taking)
    tell('snapshot', { elapsedMs, peakOwnMiB: peakTakingMiB, ...stallsOf(await watcher.take()) })
    await client.close()
    await restartAndRestore(cluster, watcher, file, tell)
  } finally {
    await cluster.stop()
    rmSync(notes, { recursive: true, force: true })
  }
}

/** What is written behind is on the disk, and the digests are done. */
async function settle(client: ClusterClient): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    const { nodes } = await client.clusterStatus()
    quiet = nodes.every((node) => node.digestIndex === node.appliedIndex) ? quiet + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
}

async function restartAndRestore(
  cluster: LocalCluster,
  watcher: Watcher,
  file: string,
  tell: (what: string, figures: object) => void,
): Promise<void> {
  const pid = await watcher.pid()
  process.kill(pid, 'SIGTERM')
  await until(() => (existsSync(`/proc/${pid}`) ? null : true))
  const begunMs = performance.now()
  await cluster.restart()
  tell('restart', { elapsedMs: Math.round(performance.now() - begunMs), memoryMiB: await watcher.memoryMiB() })
  await takeSnapshot(cluster.directory, file)
  const target = join(file, '..', 'restored')
  const restoringMs = performance.now()
  await applyRestore(await planRestore(file, { dir: target, nodes: 1, protocol: 'raft' }), () => {})
  tell('restore', {
    elapsedMs: Math.round(performance.now() - restoringMs),
    snapshotMiB: round(statSync(file).size / 2 ** 20),
  })
}

await main()
