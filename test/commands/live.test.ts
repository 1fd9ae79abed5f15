/**
 * Shows the commands on a real cluster: results equal to their published schemas, the documented exit
 * codes, scripts of the REPL, and the log read over the link and from the directory.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type World } from '../e2e/harness.js'
import { CheckedCommands } from './checked-commands.js'

const CASE = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'
const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'

let world: World
let commands: CheckedCommands
const json = (id: string, ...args: string[]) => commands.json(id, ...args)
const code = (...words: string[]) => commands.code(...words)

beforeAll(async () => {
  commands = await CheckedCommands.make()
  ;({ world } = commands)
  await json('up', '--nodes', '3', '--detach')
})
afterAll(() => world.remove())

describe('up', () => {
  it('resumes the same cluster and starts nothing twice', async () => {
    const first = await json('up', '--detach')
    const second = await json('up', '--detach')
    expect(second).toEqual(first)
    expect(first).toMatchObject({ dir: world.dir, context: 'cluster', protocol: 'raft' })
  })

  it('makes a context, so that other commands need no --dir', async () => {
    const { KNHK_DIR } = world.env
    delete world.env.KNHK_DIR
    try {
      expect((await world.json<{ name: string }>(['context', 'current'])).name).toBe('cluster')
      expect((await world.json<{ leader: string }>(['status'])).leader).toMatch(/^n[123]$/)
    } finally {
      Object.assign(world.env, { KNHK_DIR })
    }
  })
})

describe('operations', () => {
  it('move a case through its states and tell its history', async () => {
    const created = await json('case create', '--case-id', CASE, '--spec-id', SPEC, '--data', '{"amount":120}')
    expect(created.result).toEqual({ caseId: CASE, state: 'created' })
    for (const verb of ['start', 'suspend', 'resume']) await json(`case ${verb}`, CASE)
    await json('case fail', CASE, '--error', 'payment refused')
    const found = await json('case get', CASE.toUpperCase())
    expect(found).toMatchObject({ caseId: CASE, state: 'failed', error: 'payment refused', data: { amount: 120 } })
    const { events } = (await json('case history', CASE)) as { events: { state: string; actor: string }[] }
    expect(events.map((event) => event.state)).toEqual(['created', 'running', 'suspended', 'running', 'failed'])
    expect(new Set(events.map((event) => event.actor))).toEqual(new Set(['admin']))
    expect(await json('case list', '--state', 'failed')).toMatchObject({ cases: [{ caseId: CASE }], cursor: null })
  })

  it('reject with the documented exit codes', async () => {
    expect(await code('case', 'create', '--case-id', CASE, '--spec-id', SPEC, '--data', '{"a":1}')).toEqual([
      9,
      'CaseExists',
    ])
    expect(await code('case', 'create', '--spec-id', SPEC, '--data', 'null')).toEqual([1, 'AdmissionRejected'])
    expect(await code('case', 'start', CASE)).toEqual([1, 'InvalidStateTransition'])
    expect(await code('case', 'get', SPEC)).toEqual([4, 'CaseNotFound'])
    expect(await code('case', 'start', SPEC)).toEqual([4, 'CaseNotFound'])
    expect(await code('kv', 'get', 'absent')).toEqual([4, 'KeyNotFound'])
  })

  it('store, swap, list and delete keys, bytes too', async () => {
    await json('kv put', 'user/1', 'é')
    expect(await json('kv get', 'user/1')).toMatchObject({ key: 'user/1', value: 'é' })
    expect(await code('kv', 'cas', 'user/1', '--expected', 'x', '--value', 'y')).toEqual([9, 'CompareMismatch'])
    expect(await code('kv', 'cas', 'user/1', '--absent', '--value', 'y')).toEqual([9, 'CompareMismatch'])
    expect((await json('kv cas', 'user/1', '--expected', 'é', '--value', 'y')).result).toEqual({
      key: 'user/1',
      swapped: true,
    })
    await json('kv put', '--base64', '/wA=', '/w==')
    expect(await json('kv get', '--base64', '/wA=')).toMatchObject({ value: '/w==' })
    expect(await code('kv', 'list')).toEqual([2, 'InvalidArgument'])
    expect(await json('kv list', '--prefix', 'user/')).toMatchObject({
      pairs: [{ key: 'user/1', value: 'y' }],
      cursor: null,
    })
    expect((await json('kv delete', 'user/1')).result).toEqual({ key: 'user/1', existed: true })
    expect((await json('kv delete', '--base64', '/wA=')).result).toEqual({ key: '/wA=', existed: true })
  })

  it('give a pipe the value itself', async () => {
    await json('kv put', 'raw', 'a\u001b[2Jb')
    expect((await world.run(['kv', 'get', 'raw'])).stdout).toBe('a\u001b[2Jb')
  })
})

describe('propose', () => {
  const put = (key: string) => ({ type: 'Custom', operation: 'kv.put', data: { key, value: key } })

  it('keeps the order of the file over many batches', async () => {
    const lines = Array.from({ length: 1_500 }, (_, i) =>
      JSON.stringify({ ...put('same'), data: { key: 'same', value: String(i) } }),
    )
    const file = join(world.base, 'ordered.ndjson')
    await writeFile(file, `${lines.join('\n')}\n`)
    expect(await json('propose', '--file', file)).toMatchObject({ total: 1_500, ok: 1_500, rejected: 0, unknown: 0 })
    expect(await json('kv get', 'same')).toMatchObject({ value: '1499' })
  })

  it('tries every line and tells each its outcome', async () => {
    const lines = [put('a'), { type: 'Custom', operation: 'kv.get', data: { key: 'a' } }, { type: 'CreateCase' }]
    const input = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n\n{broken\n${JSON.stringify({ type: 'UpdateCaseState', caseId: SPEC, newState: 'running' })}`
    const { exitCode, stdout } = await world.run(['propose', '--file', '-', '--output', 'ndjson'], { input })
    expect(exitCode).toBe(1)
    const reports = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(reports.map((report) => [report.line, report.ok])).toEqual([
      [1, true],
      [2, true],
      [3, false],
      [5, false],
      [6, false],
    ])
    expect(reports[1]).toMatchObject({ result: { key: 'a', value: 'a' }, error: null })
    expect(reports[2]).toMatchObject({ index: null, position: null, result: null, error: { code: 'InvalidArgument' } })
    expect(reports[4]).toMatchObject({ index: expect.any(Number), error: { code: 'CaseNotFound' } })
  })

  it('sums up with --json, and ends with 1 when something was rejected', async () => {
    const bad = JSON.stringify({ type: 'Custom', operation: 'no.such', data: {} })
    const { exitCode, stdout } = await world.run([
      'propose',
      '--operation',
      JSON.stringify(put('b')),
      '--operation',
      bad,
      '--json',
    ])
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ total: 2, ok: 1, rejected: 1, unknown: 0 })
  })
})

describe('looking', () => {
  it('shows one picture of the cluster in every form', async () => {
    const status = (await json('wait', '--for', 'converged', '--timeout', '20')) as {
      stateDigest: string
      digestIndex: number
    }
    const seen = (await json('status')) as { nodes: Record<string, unknown>[]; leader: string }
    expect(seen.nodes.map((node) => [node.id, node.stateDigest])).toEqual(
      ['n1', 'n2', 'n3'].map((id) => [id, status.stateDigest]),
    )
    expect(await json('status', '--digest-at', String(status.digestIndex))).toMatchObject({
      nodes: [{ stateDigest: status.stateDigest }, {}, {}],
    })
    await json('cluster status')
    await json('node status')
    await json('log verify', '--node', 'n1')
    const { exitCode, stdout } = await world.run(['status', '--output', 'yaml'])
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`leader: ${seen.leader}`)
    expect((await world.run(['status'])).stdout).toContain('state digest')
    expect((await world.run(['status', '--output', 'id'])).stdout).toBe('n1\nn2\nn3')
  })

  it('reads the same entries over the link and from the directory, running or not', async () => {
    const live = await json('log inspect', '--node', 'n1', '--from', '2', '--to', '6')
    const dataDir = join(world.dir, 'nodes', 'n1', 'data')
    expect(await json('log inspect', '--data-dir', dataDir, '--from', '2', '--to', '6')).toEqual(live)
    expect(live.entries).toHaveLength(5)
  })

  it('shows entries of one kind, live and stored alike', async () => {
    const dataDir = join(world.dir, 'nodes', 'n1', 'data')
    const live = await json('log inspect', '--node', 'n1', '--kind', 'empty', '--limit', '1')
    expect(live.entries).toMatchObject([{ kind: 'empty' }])
    expect(await json('log inspect', '--data-dir', dataDir, '--kind', 'empty', '--limit', '1')).toEqual(live)
    expect((await json('log inspect', '--node', 'n1', '--kind', 'evidence')).entries).toEqual([])
  })

  it('follows a log as it grows', async () => {
    const running = world.start(['log', 'inspect', '--node', 'n1', '--follow', '--output', 'ndjson'])
    let text = ''
    running.stdout?.on('data', (chunk) => {
      text += String(chunk)
    })
    const places: number[] = []
    await eventually('entries are shown', async () => {
      places.push((await json('kv put', 'followed', '1')).index as number)
      return text.split('\n').length > 3
    })
    running.kill('SIGINT')
    expect((await running).exitCode).toBe(130)
    const lines = text.split('\n').filter((line) => line.endsWith('}'))
    const indexes = lines.map((line) => (JSON.parse(line) as { index: number }).index)
    expect(indexes).toEqual(indexes.map((_, i) => (indexes[0] as number) + i))
    expect(places.some((place) => indexes.includes(place))).toBe(true)
    expect(await code('log', 'inspect', '--node', 'n1', '--follow')).toEqual([2, 'Usage'])
  })

  it('answers wait at its deadline with 6', async () => {
    expect(await code('wait', '--for', 'applied=99999999', '--timeout', '150ms')).toEqual([6, 'DeadlineExceeded'])
    await json('wait', '--for', 'members=3')
    await json('wait', '--for', 'mode=raft')
    await json('wait', '--for', 'caught-up')
  })

  it('measures', async () => {
    const report = await json('bench', '--clients', '2', '--duration', '300ms', '--warmup', '50ms')
    expect(report).toMatchObject({ clients: 2, errors: 0, rate: null, backlog: 0 })
    const offered = await json('bench', '--rate', '100', '--clients', '4', '--duration', '300ms', '--warmup', '50ms')
    expect(offered).toMatchObject({ rate: 100, errors: 0 })
    const drowned = await json('bench', '--rate', '10000000', '--duration', '200ms', '--warmup', '50ms')
    expect(drowned.backlog).toBeGreaterThan(0)
  })
})

describe('the REPL as a script', () => {
  it('runs piped lines one after the other and stops at the first failure with 3', async () => {
    const input = '# first\nkv put r {"a":\n 1}\nkv get r --json\nkv get nope\nkv put never 1\n'
    const { exitCode, stdout, stderr } = await world.run(['repl'], { input })
    expect(exitCode).toBe(3)
    expect(stdout).toContain('"value": "{\\"a\\":\\n 1}"')
    expect(stderr).toContain('standard input:5: [KeyNotFound]')
    expect(await code('kv', 'get', 'never')).toEqual([4, 'KeyNotFound'])
  })

  it('goes on when told, and gives the code and the line as JSON', async () => {
    const file = join(world.base, 'script.knhk')
    await writeFile(file, 'kv get nope\nkv put after 1\n')
    const { exitCode, stdout } = await world.run(['repl', '--file', file, '--keep-going', '--json'])
    expect(exitCode).toBe(3)
    expect(stdout).toContain('"ScriptStopped"')
    expect(await json('kv get', 'after')).toMatchObject({ value: '1' })
    await writeFile(file, 'kv get nope\n')
    const stopped = await world.run(['repl', '--file', file, '--json'])
    expect(JSON.parse(stopped.stdout)).toMatchObject({
      error: { code: 'ScriptStopped', details: { line: 1, code: 'KeyNotFound', exitCode: 4 } },
    })
  })

  it('ends --eval with the own code of the command', async () => {
    const codes = await Promise.all(
      [['kv put e 1'], ['kv get nope'], ['case start x'], ['kv put e 2', 'kv get nope', 'kv put e 3']].map(
        async (lines) => {
          const { exitCode } = await world.run(['repl', ...lines.flatMap((line) => ['--eval', line])])
          return exitCode
        },
      ),
    )
    expect(codes).toEqual([0, 4, 2, 4])
    expect(await json('kv get', 'e')).not.toMatchObject({ value: '3' })
  })

  it('refuses what needs a process of its own', async () => {
    const { exitCode, stderr } = await world.run(['repl', '--eval', 'repl'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('process of its own')
  })
})

describe('down and damage', () => {
  it('stops all nodes cleanly, then reads their logs, then finds damage', async () => {
    const stopped = await json('down')
    expect(stopped.nodes).toMatchObject([{ outcome: 'stopped' }, { outcome: 'stopped' }, { outcome: 'stopped' }])
    expect(await json('down')).toMatchObject({
      nodes: [{ outcome: 'notRunning' }, { outcome: 'notRunning' }, { outcome: 'notRunning' }],
    })
    const { entries } = (await json('log inspect', '--node', 'n2', '--limit', '3')) as { entries: unknown[] }
    expect(entries).toHaveLength(3)
    const { exitCode, stdout } = await damage(join(world.dir, 'nodes', 'n2', 'data', 'log'))
    expect(exitCode).toBe(10)
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([expect.objectContaining({ kind: expect.any(String) })]),
    })
  })

  /** Flips a byte in the middle of the first segment. */
  async function damage(directory: string) {
    const { readdir } = await import('node:fs/promises')
    const [segment] = (await readdir(directory)).filter((name) => name.endsWith('.seg')).sort()
    const path = join(directory, segment as string)
    const bytes = await readFile(path)
    const middle = bytes.indexOf('user/1')
    expect(middle).toBeGreaterThan(0)
    bytes[middle] = (bytes[middle] as number) ^ 1
    await writeFile(path, bytes)
    return world.run(['log', 'verify', '--node', 'n2', '--json'])
  }
})
