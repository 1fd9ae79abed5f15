/**
 * Shows a cluster of four real processes with one liar among them, which holds a member's key: whatever
 * way it lies in, clients are served, the honest replicas agree, and who signed two things for one slot is
 * convicted by evidence on disk. The primary killed with -9 costs nothing that was acknowledged.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ClusterClient } from '../../src/client/index.js'
import { decodeEvidence } from '../../src/consensus/bft/evidence.js'
import { openEvidenceStore } from '../../src/storage/evidence-store.js'
import { realFiles } from '../../src/storage/real-files.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { eventually, World } from './harness.js'

const ADVERSARY = fileURLToPath(new URL('../../dist/test/adversary/run.js', import.meta.url))
/** First, while the liar still is the primary: the others see both of its proposals. */
const LIES = ['equivocate', 'bad-signatures', 'tamper', 'withhold', 'flood'] as const
/** Both by `npm run test:long`. */
const PROTOCOLS = process.env.KNHK_TEST_LONG === '1' ? (['pbft', 'hotstuff'] as const) : (['pbft'] as const)
const WRITES = 15
/** Of a replica that a peer floods. */
const MEMORY_MAX_BYTES = 500 * 1024 * 1024
const TIMEOUT_MS = 240_000

let world: World
let client: ClusterClient

beforeEach(async () => {
  world = await World.make()
})
afterEach(async () => {
  await client.close()
  await world.remove()
})

async function put(key: string, value: string): Promise<void> {
  const operation = kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from(value) })
  const { outcome } = await client.submitOnce(operation, { timeoutMs: 40_000 })
  expect(outcome.ok).toBe(true)
}

async function value(key: string): Promise<string> {
  const { value: found } = await client.query('kv.get', { key: Buffer.from(key) }, { timeoutMs: 40_000 })
  return Buffer.from((found as { value: Uint8Array }).value).toString()
}

const paths = (node: string) => join(world.dir, 'nodes', node)

async function pidOf(node: string): Promise<number> {
  return Number(await readFile(join(paths(node), 'node.pid'), 'utf8'))
}

async function stopped(node: string, signal: NodeJS.Signals): Promise<void> {
  const pid = await pidOf(node)
  process.kill(pid, signal)
  await eventually(`${node} has ended`, async () => {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  })
}

/** Resident bytes of a process (Linux); null where the system does not tell. */
async function memoryOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null)
  const kib = status?.match(/VmRSS:\s+(\d+) kB/)?.[1]
  return kib === undefined ? null : Number(kib) * 1024
}

async function culprits(node: string): Promise<string[]> {
  const kept = await openEvidenceStore(realFiles(), join(paths(node), 'data', 'evidence'))
  const pieces = await Promise.all(kept.list().map((id) => kept.read(id)))
  return pieces.flatMap((piece) => (piece === null ? [] : [decodeEvidence(piece).culprit as string]))
}

it.each(PROTOCOLS)(
  '%s: a liar in place of the primary, lying in each way in turn',
  async (protocol) => {
    await world.up(protocol, 4)
    client = await world.client()
    await put('before', '0')
    await stopped('n1', 'SIGTERM')
    for (const lie of LIES) {
      const adversary = execa(process.execPath, [ADVERSARY, '--dir', world.dir, '--node', 'n1', '--lie', lie], {
        reject: false,
        env: world.env,
        extendEnv: false,
      })
      for (let i = 0; i < WRITES; i++) await put(`${lie}-${i}`, `${i}`)
      expect(await value(`${lie}-${WRITES - 1}`)).toBe(`${WRITES - 1}`)
      if (lie === 'flood') {
        for (const node of ['n2', 'n3', 'n4']) {
          const bytes = await memoryOf(await pidOf(node))
          if (bytes !== null) expect(bytes).toBeLessThan(MEMORY_MAX_BYTES)
        }
      }
      adversary.kill('SIGKILL')
      const { stderr } = await adversary
      // Who no longer proposes has nothing to withhold.
      if (lie !== 'withhold') expect(stderr).toContain(`the first lie: ${lie}`)
    }
    // Whoever is accused is the liar, and some honest replica holds the proof.
    const accused = (await Promise.all(['n2', 'n3', 'n4'].map(culprits))).flat()
    expect(new Set(accused)).toEqual(new Set(['n1']))
    const digests = await eventually('the honest replicas agree', async () => {
      const { nodes } = await client.clusterStatus()
      const honest = nodes.filter(({ id, stateDigest }) => id !== 'n1' && stateDigest !== null)
      const equal = new Set(honest.map(({ digestIndex, stateDigest }) => `${digestIndex} ${stateDigest}`))
      return honest.length === 3 && equal.size === 1 && honest
    })
    expect(digests).toHaveLength(3)
    for (const node of ['n2', 'n3', 'n4']) {
      const verified = await world.json<{ ok: boolean; certificates: number; entries: number }>([
        'log',
        'verify',
        '--dir',
        world.dir,
        '--node',
        node,
      ])
      expect(verified.ok).toBe(true)
      expect(verified.certificates).toBe(verified.entries)
    }
  },
  TIMEOUT_MS,
)

it.each(PROTOCOLS)(
  '%s: kill -9 of the primary between writes loses nothing, and it catches up',
  async (protocol) => {
    await world.up(protocol, 4)
    client = await world.client()
    for (let i = 0; i < WRITES; i++) await put(`a${i}`, `${i}`)
    const { leader } = await client.clusterStatus()
    await stopped(leader as string, 'SIGKILL')
    for (let i = 0; i < WRITES; i++) await put(`b${i}`, `${i}`)
    await world.up(protocol, 4)
    await put('after', '1')
    const ran = await world.run(['wait', '--for', 'converged', '--timeout', '60', '--dir', world.dir])
    expect(ran).toMatchObject({ exitCode: 0 })
    for (let i = 0; i < WRITES; i++) {
      expect(await value(`a${i}`)).toBe(`${i}`)
      expect(await value(`b${i}`)).toBe(`${i}`)
    }
  },
  TIMEOUT_MS,
)
