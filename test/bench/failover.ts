/**
 * `npm run bench:failover`: how long nobody gets a write acknowledged when the leader is killed with
 * -9. A client writes one operation after the other; the gap is the time between its last answer
 * before the kill and its first one after.
 *
 *   npm run bench:failover -- --kills 20
 */
import type { ClusterStatus } from '../../src/client/api.js'
import { type ClusterClient, connectClient } from '../../src/client/index.js'
import { readClusterFile } from '../../src/cluster/cluster-file.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { optionsOf } from '../options.js'
import { startLocal } from './contenders.js'

const KEY = Buffer.from('failover')
const SETTLE_MS = 500

/** Writes without pause; remembers when the newest answer came. */
class Writer {
  readonly #client: ClusterClient
  #running = true
  answered = 0
  answeredAtMs = performance.now()
  longestGapMs = 0
  failures = 0

  constructor(client: ClusterClient) {
    this.#client = client
  }

  async run(): Promise<void> {
    const session = await this.#client.openSession()
    while (this.#running) {
      const value = Buffer.from(String(this.answered))
      try {
        await session.submit([kvOperation({ operation: 'kv.put', key: KEY, value })], { timeoutMs: 30_000 })
        const now = performance.now()
        this.longestGapMs = Math.max(this.longestGapMs, now - this.answeredAtMs)
        this.answeredAtMs = now
        this.answered++
      } catch {
        this.failures++
      }
    }
  }

  stop(): void {
    this.#running = false
  }
}

async function until<T>(probe: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const value = await probe()
    if (value !== null) return value
    await sleep(20)
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}

function isWhole(status: ClusterStatus): boolean {
  return status.leader !== null && status.nodes.every((node) => node.reachable && node.lagEntries === 0)
}

const values = optionsOf('npm run bench:failover -- [--kills N]', { kills: { type: 'string', default: '20' } })
const local = await startLocal()
const configuration = await readClusterFile(`${local.directory}/cluster.yaml`)
const client = await connectClient({ configuration, key: await loadKeyPair(`${local.directory}/clients/admin`) })
const writer = new Writer(client)
const writing = writer.run()
const gapsMs: number[] = []
try {
  for (let kill = 0; kill < Number(values.kills); kill++) {
    const status = await until(async () => {
      const found = await client.clusterStatus()
      return isWhole(found) ? found : null
    })
    await sleep(SETTLE_MS)
    const nodes = await local.nodes()
    const leader = nodes.find((node) => node.id === status.leader)
    if (leader === undefined) throw new Error(`no process of ${status.leader}`)
    writer.longestGapMs = 0
    const before = writer.answered
    process.kill(leader.pid, 'SIGKILL')
    // The first answers may still be those of the killed leader; a gap shows soon after.
    await until(async () => (writer.answered > before + 20 ? true : null))
    gapsMs.push(writer.longestGapMs)
    process.stderr.write(`kill ${kill + 1}: ${leader.id}, ${Math.round(writer.longestGapMs)} ms without a write\n`)
    await local.restart()
  }
} finally {
  writer.stop()
  await writing
  await client.close()
  await local.stop()
}
gapsMs.sort((a, b) => a - b)
const at = (share: number) => Math.round(gapsMs[Math.min(gapsMs.length - 1, Math.floor(share * gapsMs.length))] ?? 0)
process.stdout.write(
  `${JSON.stringify({ kills: gapsMs.length, gapMs: { p50: at(0.5), p90: at(0.9), max: at(1) }, writes: writer.answered, failures: writer.failures })}\n`,
)
