/**
 * A cluster of real processes as `knhk up` makes it: HTTP is on and shown, its port is kept over restarts,
 * a slow disk and a stopped node show in readiness and in `doctor`, and `node check` speaks before a start.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { eventually, World } from '../e2e/harness.js'

interface Up {
  readonly nodes: readonly { readonly id: string; readonly http: string; readonly pid: number }[]
}

interface Checks {
  readonly healthy: boolean
  readonly checks: readonly {
    readonly check: string
    readonly node: string | null
    readonly ok: boolean
    readonly message: string
  }[]
}

let world: World
let up: Up

beforeAll(async () => {
  world = await World.make({ quick: true })
  up = (await world.up()) as unknown as Up
})
afterAll(() => world.remove())

it('serves HTTP at the address that up and status show, and that the cluster file keeps', async () => {
  const status = await world.json<{ nodes: { id: string; http: string }[] }>(['status', '--dir', world.dir])
  expect(status.nodes.map(({ http }) => http)).toEqual(up.nodes.map(({ http }) => http))
  const file = parse(await readFile(join(world.dir, 'cluster.yaml'), 'utf8')) as { members: { http: string }[] }
  expect(file.members.map(({ http }) => `http://${http}`)).toEqual(up.nodes.map(({ http }) => http))
  await world.run(['kv', 'put', 'a', 'b', '--dir', world.dir])
  for (const { id, http } of up.nodes) {
    await eventually(`${id} is ready`, async () => (await fetch(`${http}/readyz`)).status === 200)
    expect(await (await fetch(`${http}/status`)).json()).toMatchObject({ id })
  }
  const texts = await Promise.all(up.nodes.map(async ({ http }) => (await fetch(`${http}/metrics`)).text()))
  expect(texts.join('\n')).toMatch(/^consensus_proposals_total\{.*consensus_outcome="committed"\} [1-9]/m)
})

it('finds a healthy cluster healthy, and a stopped node missing', async () => {
  const healthy = await eventually('doctor finds nothing', async () => {
    const found = await world.json<Checks>(['doctor', '--dir', world.dir])
    return found.healthy ? found : null
  })
  expect(new Set(healthy.checks.map(({ check }) => check))).toEqual(
    new Set(['context', 'consensus', 'ready', 'version', 'clock', 'disk']),
  )
  const [victim] = up.nodes.slice(-1)
  if (victim === undefined) throw new Error('no node')
  await world.endNode(victim.id, 'SIGKILL')
  const bad = await eventually('doctor misses it', async () => {
    const found = await world.json<Checks>(['doctor', '--dir', world.dir])
    return found.healthy ? null : found.checks.filter(({ ok }) => !ok)
  })
  expect(bad.map(({ check, node }) => [check, node])).toContainEqual(['Unreachable', victim.id])
  const again = (await world.up()) as unknown as Up
  expect(again.nodes.find(({ id }) => id === victim.id)?.http).toBe(victim.http)
})

it('checks a node before its start: what is sound, and a key that is not its own', async () => {
  const run = await world.run(['node', 'check', '--dir', world.dir, '--node', 'n1', '--json'])
  const sound = JSON.parse(run.stdout) as Checks
  // The disk of a busy test machine may really be slower than a heartbeat.
  expect(sound.checks.filter(({ ok, check }) => !ok && check !== 'disk')).toEqual([])
  expect(run.exitCode).toBe(sound.healthy ? 0 : 10)
  expect(sound.checks.map(({ check }) => check)).toEqual([
    'configuration',
    'key',
    'data',
    'disk',
    'space',
    'clock',
    'peer',
    'peer',
  ])
  const elsewhere = join(world.base, 'fresh')
  await mkdir(elsewhere)
  const place = [
    '--cluster',
    join(world.dir, 'cluster.yaml'),
    '--key',
    join(world.dir, 'nodes', 'n2', 'node'),
    '--data-dir',
    join(elsewhere, 'data'),
  ]
  const { exitCode, stdout } = await world.run(['node', 'check', '--node', 'n1', ...place, '--json'])
  expect(exitCode).toBe(10)
  const found = JSON.parse(stdout) as Checks
  expect(found.checks.filter(({ ok }) => !ok).map(({ check }) => check)).toContain('key')
})

it('checks and shows its own registry', async () => {
  expect(await world.json(['registry', 'check'])).toMatchObject({ ok: true, problems: [], spans: 8 })
  const { entries } = await world.json<{ entries: { name: string; unit: string }[] }>([
    'registry',
    'show',
    'consensus.latency',
  ])
  expect(entries).toEqual([expect.objectContaining({ name: 'consensus.latency', type: 'histogram', unit: 'ms' })])
  expect((await world.run(['registry', 'show', 'consensus.nothing'])).exitCode).toBe(4)
})
