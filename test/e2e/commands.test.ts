/**
 * Shows what scripts rely on around a command's end: Ctrl-C is 130 wherever a command waits, a key that
 * nobody knows is 8 even for `wait`, and the history of a benchmark is fit for a linearizability check.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BIN, eventually, World } from './harness.js'

let world: World
beforeAll(async () => {
  world = await World.make()
  await world.up()
})
afterAll(() => world.remove())

interface HistoryLine {
  readonly client: string
  readonly op: string
  readonly key: string
  readonly value: string | null
  readonly expected: string | null
  readonly call: number
  readonly return: number | null
  readonly outcome: string
  readonly result: string | boolean | null
}

function errorCode(stdout: string): string {
  return (JSON.parse(stdout) as { error: { code: string } }).error.code
}

/** Sockets of a process beside its three standard streams (Linux). */
async function openSockets(pid: number): Promise<number> {
  const directory = `/proc/${pid}/fd`
  const targets = await Promise.all(
    (await readdir(directory))
      .filter((fd) => Number(fd) > 2)
      .map((fd) => readlink(join(directory, fd)).catch(() => '')),
  )
  return targets.filter((target) => target.startsWith('socket:')).length
}

it.each([
  ['wait', '--for', 'members=9', '--timeout', '60'],
  ['bench', '--duration', '60'],
  // Standard input stays open and silent: the wait for its next line must end too.
  ['propose', '--file', '-'],
])('Ctrl-C ends %s with 130 and one document', async (...args) => {
  const running = execa(process.execPath, [BIN, ...args, '--dir', world.dir, '--json'], {
    reject: false,
    env: world.env,
    extendEnv: false,
    stdin: 'pipe',
  })
  // Before Node.js has started the command, the signal would simply end the process: wait until it runs.
  await eventually('the command is connected', async () => (await openSockets(running.pid as number)) > 0)
  running.kill('SIGINT')
  const { exitCode, stdout } = await running
  expect(exitCode).toBe(130)
  expect(errorCode(stdout)).toBe('Aborted')
})

it('a key that nobody knows is refused with 8 by every kind of command', async () => {
  const key = join(world.base, 'stranger')
  expect((await world.run(['keys', 'gen', '--out', key])).exitCode).toBe(0)
  for (const command of [
    ['kv', 'put', 'k', 'v'],
    ['kv', 'get', 'k', '--read', 'local'],
    ['status'],
    ['wait', '--for', 'leader', '--timeout', '60'],
    ['bench', '--duration', '1'],
  ]) {
    const { exitCode, stdout } = await world.run([...command, '--dir', world.dir, '--key', key, '--json'])
    expect([command[0], exitCode, errorCode(stdout)]).toEqual([command[0], 8, 'UnknownKey'])
  }
})

it('proposes the sample file, and reads at every level of plain Raft', async () => {
  const file = fileURLToPath(new URL('../../fixtures/operations/first-cases.ndjson', import.meta.url))
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const counts = await world.json<{ total: number; ok: number }>(['propose', '--dir', world.dir, '--file', file])
  expect(counts).toMatchObject({ total: lines.length, ok: lines.length })
  for (const read of ['linearizable', 'lease']) {
    const found = await world.json<{ value: string }>(['kv', 'get', 'sla/default', '--dir', world.dir, '--read', read])
    expect(found.value).toBe('24h')
  }
})

it('--json as the only word still answers in JSON', async () => {
  const { exitCode, stdout } = await world.run(['--json'])
  expect([exitCode, errorCode(stdout)]).toEqual([2, 'Usage'])
})

it('bench --history: every operation, one open operation per client, keys of its own', async () => {
  const file = join(world.base, 'history.ndjson')
  const bench = ['bench', '--clients', '2', '--pipeline', '2', '--batch', '3', '--read-share', '0.5', '--keys', '5']
  const options = ['--duration', '500ms', '--warmup', '100ms', '--history', file, '--dir', world.dir]
  // A run before leaves values behind, which must not show in the next one's history.
  for (let run = 0; run < 2; run++) expect((await world.run([...bench, ...options, '--json'])).exitCode).toBe(0)
  const lines = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as HistoryLine)
  const fields = ['call', 'client', 'expected', 'key', 'op', 'outcome', 'result', 'return', 'value']
  for (const line of lines) expect(Object.keys(line).sort()).toEqual(fields)

  const written = new Set(lines.filter((line) => line.op === 'put').map((line) => `${line.key} ${line.value}`))
  const read = lines.filter((line) => line.op === 'get' && line.outcome === 'ok' && line.result !== null)
  expect(read.length).toBeGreaterThan(0)
  for (const { key, result } of read) expect(written).toContain(`${key} ${result}`)

  const busyUntil = new Map<string, number>()
  for (const line of [...lines].sort((a, b) => a.call - b.call)) {
    expect(line.call).toBeGreaterThanOrEqual(busyUntil.get(line.client) ?? 0)
    busyUntil.set(line.client, line.return ?? Number.POSITIVE_INFINITY)
  }
})

it('bench --history to where nothing can be written is one clear error', async () => {
  const { exitCode, stdout } = await world.run(['bench', '--history', world.base, '--dir', world.dir, '--json'])
  expect([exitCode, errorCode(stdout)]).toEqual([2, 'InvalidFile'])
})
