/**
 * Shows the life of a local cluster around its crashes: `up` in a pipe ends cleanly and resumes, what
 * the exit codes say without a quorum and without anybody, and a node that comes back from far behind.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ClusterStatus } from '../../src/client/api.js'
import { isAlive, runningPid } from '../../src/cluster/processes.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import { eventually, type UpReport, World } from './harness.js'
import { kvPut } from './kv.js'

let world: World
beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  await world.remove()
})

interface Failed {
  readonly error: { readonly code: string; readonly retryable: boolean }
}

/** Exit code and error code; stdout holds the error's one document, stderr no JSON. */
async function failure(...args: string[]): Promise<[number | undefined, string]> {
  const { exitCode, stdout, stderr } = await world.runApart([...args, '--dir', world.dir, '--json'])
  expect(stderr).not.toContain('{')
  return [exitCode, (JSON.parse(stdout) as Failed).error.code]
}

/** Starts `up` without a terminal and waits until it has said where the cluster is. */
async function upInPipe(...args: string[]) {
  const running = world.start(['up', '--dir', world.dir, '--json', ...args])
  let output = ''
  running.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const report = await eventually('up reports', async () => {
    if (running.exitCode !== null && running.exitCode !== undefined) throw new Error(output)
    return output.endsWith('}\n') && (JSON.parse(output) as UpReport)
  })
  return { running, report }
}

it('up in a pipe stays until SIGTERM, stops what it started, and resumes with the data', async () => {
  const first = await upInPipe('--nodes', '3')
  const data = '{"amount":120}'
  const created = await world.json<{ result: { caseId: string } }>([
    'case',
    'create',
    '--spec-id',
    '00000000-0000-4000-8000-000000000001',
    '--data',
    data,
    '--dir',
    world.dir,
  ])
  first.running.kill('SIGTERM')
  const { exitCode, stdout, stderr } = await first.running
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual(first.report)
  expect(stderr).not.toContain('killed')
  for (const { pid } of first.report.nodes) expect(isAlive(pid)).toBe(false)
  for (const { dataDir } of first.report.nodes) {
    expect((await world.run(['log', 'verify', '--data-dir', dataDir])).exitCode).toBe(0)
  }

  const second = await upInPipe()
  expect(second.report).toMatchObject({ clusterId: first.report.clusterId, clusterFile: first.report.clusterFile })
  expect(second.report.nodes.map((node) => node.address)).toEqual(first.report.nodes.map((node) => node.address))
  const found = await world.json<{ data: unknown }>(['case', 'get', created.result.caseId, '--dir', world.dir])
  expect(found.data).toEqual(JSON.parse(data))
  second.running.kill('SIGINT')
  expect((await second.running).exitCode).toBe(0)
  for (const { pid } of second.report.nodes) expect(isAlive(pid)).toBe(false)
}, 90_000)

it('up in a pipe stops only what it started itself', async () => {
  const { nodes } = await world.up()
  await world.endNode('n1', 'SIGKILL')
  const { running, report } = await upInPipe()
  expect(report.nodes.slice(1)).toEqual(nodes.slice(1))
  running.kill('SIGTERM')
  await running
  expect(isAlive(report.nodes[0]?.pid as number)).toBe(false)
  for (const { pid } of nodes.slice(1)) expect(isAlive(pid)).toBe(true)
}, 60_000)

it('without a quorum: writes 6 or 7, local reads still 0; without anybody 5', async () => {
  await world.up()
  expect((await world.run(['kv', 'put', 'k', 'v', '--dir', world.dir])).exitCode).toBe(0)
  await eventually('the last node has the value', async () => {
    const read = await world.run(['kv', 'get', 'k', '--read', 'local', '--endpoints', 'n3', '--dir', world.dir])
    return read.exitCode === 0
  })
  for (const id of ['n1', 'n2']) await world.endNode(id, 'SIGKILL')

  // A leader that has just lost its followers may have taken the write into its log: then 6, else 7.
  expect([
    [6, 'OutcomeUnknown'],
    [7, 'NoLeader'],
  ]).toContainEqual(await failure('kv', 'put', 'k', 'w', '--timeout', '2'))
  await eventually('nobody leads', async () => {
    const { leader } = await world.json<ClusterStatus>(['status', '--dir', world.dir])
    return leader === null
  })
  expect(await failure('kv', 'put', 'k', 'w', '--timeout', '1')).toEqual([7, 'NoLeader'])
  // The node keeps a read for a while, because an election usually ends sooner: the client's deadline may come first.
  expect([
    [6, 'DeadlineExceeded'],
    [7, 'NoLeader'],
  ]).toContainEqual(await failure('kv', 'get', 'k', '--timeout', '1'))
  expect(await failure('wait', '--for', 'leader', '--timeout', '500ms')).toEqual([6, 'DeadlineExceeded'])
  // Whether the unknown write is there is the leader's to decide, not this node's to show.
  const local = await world.json<{ value: string }>(['kv', 'get', 'k', '--read', 'local', '--dir', world.dir])
  expect(local.value).toBe('v')

  await world.endNode('n3', 'SIGKILL')
  expect(await failure('kv', 'put', 'k', 'w', '--timeout', '1')).toEqual([5, 'Unreachable'])
  expect(await failure('kv', 'get', 'k', '--read', 'local', '--timeout', '1')).toEqual([5, 'Unreachable'])
  expect(await failure('status')).toEqual([5, 'Unreachable'])
}, 60_000)

it('a follower that was down for 10,000 entries catches up', async () => {
  await world.up()
  const client = await world.client()
  try {
    const { leader } = await client.clusterStatus()
    await world.endNode(leader === 'n1' ? 'n2' : 'n1', 'SIGKILL')
    const session = await client.openRawSession()
    const total = 10_000
    // One request at a time, because an entry holds what arrives together: so each write is an entry.
    let issued = 0
    let done = 0
    let refused = 0
    const issue = () => {
      const operation = kvPut(`k${issued++}`, 'x'.repeat(64))
      session.submitEncoded([encodeOperation(operation)], 20_000, (_, results) => {
        if (results?.[0]?.outcome.ok === true) done++
        else refused++
        if (issued < total) issue()
      })
    }
    issue()
    await eventually('all writes are answered', async () => done + refused === total, 60_000)
    expect(refused).toBe(0)
    expect((await client.clusterStatus()).commitIndex).toBeGreaterThan(total)
    await world.up()
    await eventually(
      'the follower is as far as the others, with the same state',
      async () =>
        (await world.run(['wait', '--for', 'converged', '--timeout', '5', '--dir', world.dir])).exitCode === 0,
    )
    const status = await client.clusterStatus()
    expect(status.nodes.map((node) => node.appliedIndex)).toEqual(Array(3).fill(status.commitIndex))
  } finally {
    await client.close()
  }
}, 90_000)

it('a node that has to stop ends its process, so that its port and its directory are free', async () => {
  await world.json(['cluster', 'init', '--dir', world.dir, '--nodes', '3'])
  const first = world.start(['node', 'start', '--dir', world.dir, '--node', 'n1'])
  await eventually('n1 runs', async () => (await runningPid(world.dir, 'n1')) !== null)
  // It cannot note the members that it meets: without that it would not know a lost disk again.
  await rm(join(world.dir, 'nodes', 'n1', 'data'), { recursive: true })
  const second = world.start(['node', 'start', '--dir', world.dir, '--node', 'n2'])
  expect((await first).exitCode).toBeGreaterThan(0)
  second.kill('SIGTERM')
  expect((await second).exitCode).toBe(0)
}, 30_000)
