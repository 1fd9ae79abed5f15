/**
 * Shows, with real processes, the way out of a lost quorum: of three members that were killed one data
 * directory is left; a plan says what it holds and what may be lost, and the cluster that is made of it
 * has every write that the survivor had. And what is refused: a quorum that is not lost, a plan that was
 * changed, a directory that changed since.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readClusterFile } from '../../src/cluster/cluster-file.js'
import { printOf } from '../../src/cluster/recovery/data-copy.js'
import { PLAN_SCHEMA } from '../../src/terminal/recovery/schemas.js'
import { NEW_CLUSTER_SCHEMA } from '../../src/terminal/snapshots/schemas.js'
import { uuidFromBytes } from '../../src/workflow/uuid.js'
import { violations } from '../commands/json-schema.js'
import { eventually, type UpNode, type UpReport, World } from './harness.js'
import { get, write } from './kv.js'

const WRITES = 200

interface Plan {
  readonly digest: string
  readonly chosen: string
  readonly lastIndex: number
  readonly missing: readonly string[]
  readonly quorumSurvives: boolean
  readonly committedMayBeLost: boolean
}

let world: World
let up: UpReport
let recovered: string

beforeEach(async () => {
  world = await World.make({ quick: true })
  recovered = join(world.base, 'recovered')
  up = await world.up()
})
afterEach(async () => {
  await world.kill(recovered)
  await world.remove()
})

it('makes a new cluster of the one data directory that is left', async () => {
  const client = await world.client()
  await write(await client.openSession({ timeoutMs: 20_000 }), 0, WRITES)
  await eventually('all have everything', async () => {
    const { nodes } = await client.clusterStatus()
    return nodes.every(({ lagEntries }) => lagEntries === 0)
  })
  await client.close()
  const [survivor, ...lost] = up.nodes as [UpNode, ...UpNode[]]
  const file = join(world.base, 'plan.json')
  const planning = ['recover', 'plan', '--data-dir', survivor.dataDir, '--out', file]
  // A running node is not recovered from.
  expect((await world.run(planning)).exitCode).toBe(8)

  await world.kill()
  for (const { dataDir } of lost) await rm(dataDir, { recursive: true })
  const before = await printOf(survivor.dataDir)
  const plan = await world.json<Plan>(planning)
  expect(violations(PLAN_SCHEMA, plan)).toEqual([])
  expect(plan).toMatchObject({
    chosen: survivor.dataDir,
    missing: lost.map(({ id }) => id),
    quorumSurvives: false,
    committedMayBeLost: true,
  })

  const applying = ['recover', 'apply', file, '--dir', recovered, '--nodes', '3']
  expect((await world.run(applying)).exitCode).toBe(2)
  // A plan that somebody touched, and a directory in which something happened since.
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(`"lastIndex": ${plan.lastIndex}`, `"lastIndex": ${plan.lastIndex - 1}`))
  expect((await world.run([...applying, '--yes'])).exitCode).toBe(10)
  await writeFile(file, text)
  const strange = join(survivor.dataDir, 'log', 'strange')
  await writeFile(strange, 'x')
  expect((await world.run([...applying, '--yes'])).exitCode).toBe(9)
  await rm(strange)
  expect((await world.run([...applying, '--yes', '--digest', '00'])).exitCode).toBe(9)

  const made = await world.json<{ clusterId: string; index: number; dataDigest: string }>([...applying, '--yes'])
  expect(violations(NEW_CLUSTER_SCHEMA, made)).toEqual([])
  expect(made.index).toBe(plan.lastIndex)
  // The source is what it was, to the byte.
  expect(await printOf(survivor.dataDir)).toBe(before)
  const configuration = await readClusterFile(join(recovered, 'cluster.yaml'))
  expect(configuration.lineage?.index).toBe(plan.lastIndex)
  expect(uuidFromBytes(configuration.lineage?.clusterId as Uint8Array)).toBe(up.clusterId)
  expect(Buffer.from(configuration.lineage?.plan as Uint8Array).toString('hex')).toBe(plan.digest)

  await world.json(['up', '--dir', recovered, '--detach'])
  const admin = await world.client(recovered)
  try {
    for (let i = 0; i < WRITES; i++) expect(await get(admin, `k${i}`)).toBe(`v${i}`)
    await eventually('all have the data of the survivor', async () => {
      const { nodes } = await admin.clusterStatus()
      return nodes.every(({ dataDigest }) => dataDigest === made.dataDigest)
    })
    await write(await admin.openSession(), 0, WRITES)
  } finally {
    await admin.close()
  }
}, 60_000)

it('refuses where a quorum is left, and chooses the log that an election would', async () => {
  const client = await world.client()
  await write(await client.openSession({ timeoutMs: 20_000 }), 0, WRITES)
  const [first] = up.nodes as [UpNode]
  await world.endNode(first.id, 'SIGKILL')
  await eventually('the others decide without it', async () => {
    await write(await client.openSession({ timeoutMs: 20_000 }), 0, WRITES)
    return true
  })
  await client.close()
  await world.kill()
  const file = join(world.base, 'plan.json')
  const plan = await world.json<Plan>(['recover', 'plan', '--dir', world.dir, '--out', file])
  expect(plan.quorumSurvives).toBe(true)
  expect(plan.chosen).not.toBe(first.dataDir)
  expect((await world.run(['recover', 'apply', file, '--dir', recovered, '--yes'])).exitCode).toBe(8)
}, 60_000)
