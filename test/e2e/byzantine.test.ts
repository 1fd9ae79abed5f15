/**
 * Shows a cluster of four real processes with one liar among them, which holds a member's key: whatever
 * way it lies in, clients are served, the honest replicas agree, and who signed two things for one slot is
 * convicted by evidence on disk. The primary killed with -9 costs nothing that was acknowledged.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ClusterClient } from '../../src/client/index.js'
import { nodePaths } from '../../src/cluster/layout.js'
import { runningPid } from '../../src/cluster/processes.js'
import { decodeEvidence } from '../../src/consensus/bft/evidence.js'
import { openEvidenceStore } from '../../src/storage/evidence-store.js'
import { realFiles } from '../../src/storage/real-files.js'
import { Adversary } from './adversary.js'
import { eventually, World } from './harness.js'
import { get, put } from './kv.js'

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
let liar: Adversary | null = null

beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  await liar?.stop()
  await client.close()
  await world.remove()
})

/** Resident bytes of a node's process (Linux); null where the system does not tell. */
async function memoryOf(node: string): Promise<number | null> {
  const pid = await runningPid(world.dir, node)
  expect(pid, `${node} runs`).not.toBeNull()
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null)
  const kib = status?.match(/VmRSS:\s+(\d+) kB/)?.[1]
  return kib === undefined ? null : Number(kib) * 1024
}

async function culprits(node: string): Promise<string[]> {
  const kept = await openEvidenceStore(realFiles(), join(nodePaths(world.dir, node).data, 'evidence'))
  const pieces = await Promise.all(kept.list().map((id) => kept.read(id)))
  return pieces.flatMap((piece) => (piece === null ? [] : [decodeEvidence(piece).culprit as string]))
}

it.each(PROTOCOLS)(
  '%s: a liar in place of the primary, lying in each way in turn',
  async (protocol) => {
    await world.up(protocol, 4)
    client = await world.client()
    await put(client, 'before', '0')
    await world.endNode('n1', 'SIGTERM')
    for (const lie of LIES) {
      liar = new Adversary(world, 'n1', lie)
      for (let i = 0; i < WRITES; i++) await put(client, `${lie}-${i}`, `${i}`)
      expect(await get(client, `${lie}-${WRITES - 1}`)).toBe(`${WRITES - 1}`)
      if (lie === 'flood') {
        for (const node of ['n2', 'n3', 'n4']) {
          const bytes = await memoryOf(node)
          if (bytes !== null) expect(bytes).toBeLessThan(MEMORY_MAX_BYTES)
        }
      }
      await liar.stop()
      // Who no longer proposes has nothing to withhold.
      if (lie !== 'withhold') expect(liar.said).toContain(`the first lie: ${lie}`)
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
      const verified = await world.json<{ ok: boolean; certificates: number; entries: number }>(
        world.at('log', 'verify', '--node', node),
      )
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
    for (let i = 0; i < WRITES; i++) await put(client, `a${i}`, `${i}`)
    const { leader } = await client.clusterStatus()
    await world.endNode(leader as string, 'SIGKILL')
    for (let i = 0; i < WRITES; i++) await put(client, `b${i}`, `${i}`)
    await world.up(protocol, 4)
    await put(client, 'after', '1')
    await world.ok(world.at('wait', '--for', 'converged', '--timeout', '60'))
    for (let i = 0; i < WRITES; i++) {
      expect(await get(client, `a${i}`)).toBe(`${i}`)
      expect(await get(client, `b${i}`)).toBe(`${i}`)
    }
  },
  TIMEOUT_MS,
)
