/**
 * Shows on a real cluster what an operator does with policies, clients, quotas and purges: results equal
 * to their published schemas, rejections with their exit codes, approvals of two keys, and that all of it
 * survives a restart of the nodes.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'
import { CheckedCommands } from './checked-commands.js'

const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'
const CASES = ['7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11', '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b12'] as const
const fixture = (name: string) => join(projectRoot, 'fixtures', 'policies', name)

let world: World
let commands: CheckedCommands
const json = (id: string, ...args: string[]) => commands.json(id, ...args)
const code = (...words: string[]) => commands.code(...words)

const create = (caseId: string, data = '{"amount":120,"currency":"EUR"}') =>
  json('case create', '--case-id', caseId, '--spec-id', SPEC, '--data', data)

beforeAll(async () => {
  commands = await CheckedCommands.make()
  ;({ world } = commands)
  await world.up()
}, 60_000)
afterAll(() => world.remove())

it('policies are applied, seen, enforced, replaced and retracted', async () => {
  const file = join(world.base, 'one.yaml')
  await writeFile(file, 'policyId: few\npolicy: { type: Capacity, maxConcurrency: 1, maxParallelism: 1 }\n')
  expect((await json('policy apply', file)).result).toEqual({ policyId: 'few', replaced: false })
  expect((await json('policy apply', file)).result).toEqual({ policyId: 'few', replaced: true })
  expect(await json('policy effective')).toMatchObject({ id: 'capacity:1:1', sources: [{ policyId: 'few' }] })
  expect(await json('policy list')).toMatchObject({ policies: [{ policyId: 'few', actor: 'admin' }], cursor: null })
  for (const caseId of CASES) await create(caseId)
  await json('case start', CASES[0])
  expect(await code('case', 'start', CASES[1])).toEqual([1, 'PolicyViolation'])
  await json('policy retract', 'few')
  expect(await code('policy', 'retract', 'few')).toEqual([4, 'PolicyNotFound'])
  await json('case start', CASES[1])
  await writeFile(file, 'policyId: many\npolicy: { type: Capacity, maxConcurrency: 257, maxParallelism: 1 }\n')
  expect(await code('policy', 'apply', file)).toEqual([1, 'PolicyExceedsDoctrine'])
  expect(await code('policy', 'apply', join(world.base, 'none.yaml'))).toEqual([4, 'NotFound'])
}, 60_000)

it('a warning is told, as JSON and in words', async () => {
  await json('policy apply', fixture('order-shape.yaml'))
  const caseId = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b13'
  const { result } = await create(caseId, '{"amount":1}')
  expect(result).toEqual({
    caseId,
    state: 'created',
    warnings: [{ policyId: 'order-shape', enforcement: 'Warning' }],
    warningsLeftOut: 0,
  })
  const { stdout } = await world.run(['case', 'create', '--spec-id', SPEC, '--data', '{"amount":1}'])
  expect(stdout).toMatch(/\(index \d+\); against order-shape \(Warning\)$/)
}, 60_000)

it('two clients sign what a rule wants approved, and it is used once', async () => {
  const key = join(world.base, 'ben')
  await world.json(['keys', 'gen', '--out', key])
  await json('cluster clients add', 'ben', '--public-key', `${key}.pub`, '--role', 'operator')
  expect(await json('cluster clients list')).toMatchObject({
    clients: expect.arrayContaining([expect.objectContaining({ id: 'ben', role: 'operator' })]),
  })
  await json('policy apply', fixture('two-signatures.yaml'))
  expect(await code('case', 'complete', CASES[0])).toEqual([1, 'ApprovalRequired'])
  const plain = join(world.base, 'complete.json')
  await writeFile(plain, JSON.stringify({ type: 'UpdateCaseState', caseId: CASES[0], newState: 'completed' }))
  const first = await json('policy approve', plain, '--policy', 'two-signatures')
  const once = join(world.base, 'once.json')
  await writeFile(once, JSON.stringify(first))
  const twice = join(world.base, 'twice.ndjson')
  await world.run(['policy', 'approve', once, '--policy', 'two-signatures', '--key', key, '--out', twice])
  // By ben: who signs needs not be who proposes.
  const propose = (file: string) => world.run(['propose', '--file', file, '--key', key, '--output', 'ndjson'])
  const rejected = await propose(once)
  expect(JSON.parse(rejected.stdout)).toMatchObject({ ok: false, error: { code: 'ApprovalRequired' } })
  const done = await propose(twice)
  expect(JSON.parse(done.stdout)).toMatchObject({ ok: true, result: { caseId: CASES[0], state: 'completed' } })
  expect(await code('cluster', 'clients', 'remove', 'admin')).toEqual([8, 'Refused'])
  expect(await code('policy', 'retract', 'two-signatures', '--key', key)).toEqual([8, 'NotPermitted'])
  await json('cluster clients remove', 'ben')
  expect(await code('kv', 'put', 'k', 'v', '--key', key, '--timeout', '3')).toEqual([8, 'UnknownKey'])
}, 60_000)

it('quotas are set, used up with the time to wait, and lifted', async () => {
  await json('cluster quotas set', '--open-cases', '0')
  expect(await code('case', 'create', '--spec-id', SPEC, '--data', '{"a":1}')).toEqual([8, 'QuotaExceeded'])
  expect(await json('cluster quotas show')).toMatchObject({ quotas: { openCasesMax: 0, casesMax: null } })
  await json('cluster quotas set')
}, 60_000)

it('a finished case is purged and leaves its digest', async () => {
  expect(await code('case', 'purge', CASES[1], '--yes')).toEqual([1, 'InvalidStateTransition'])
  expect(await code('case', 'purge', CASES[0])).toEqual([2, 'Usage'])
  expect((await json('case purge', CASES[0], '--yes')).result).toEqual({ purged: 1, cases: 1 })
  expect((await json('case purge', CASES[0], '--yes')).result).toEqual({ purged: 0, cases: 1 })
  const { exitCode, stdout } = await world.run(['case', 'get', CASES[0], '--json'])
  expect(exitCode).toBe(4)
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: 'CaseNotFound', details: { digest: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  })
}, 60_000)

it('propose takes what governs, line by line, and all of it survives a restart', async () => {
  const lines = [
    { type: 'ApplyPolicy', policyId: 'p', policy: { type: 'Latency', targetP99Ms: 50 } },
    { type: 'RetractPolicy', policyId: 'order-shape' },
    { type: 'SetQuota', casesMax: 100 },
    { type: 'PurgeCases', caseIds: [CASES[0]] },
    { type: 'RemoveClient', clientId: 'nobody' },
  ]
  const input = lines.map((line) => JSON.stringify(line)).join('\n')
  const { exitCode, stdout } = await world.run(['propose', '--file', '-', '--output', 'ndjson'], { input })
  expect(exitCode).toBe(1)
  expect(stdout.split('\n').map((line) => (JSON.parse(line) as { ok: boolean }).ok)).toEqual([
    true,
    true,
    true,
    true,
    false,
  ])
  const before = [await json('policy list'), await json('cluster quotas show'), await json('cluster clients list')]
  await world.run(['down'])
  await world.up()
  await json('wait', '--for', 'converged', '--timeout', '30')
  expect([await json('policy list'), await json('cluster quotas show'), await json('cluster clients list')]).toEqual(
    before,
  )
}, 90_000)
