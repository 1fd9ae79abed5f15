/**
 * Shows --request-id on a real cluster: every command that proposes applies once over any number of runs, and the
 * second run prints the first result; an interrupted file goes on where it stopped.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandEntry } from '../../src/terminal/command-list.js'
import { World } from '../e2e/harness.js'

const CASE = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'
const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'

let world: World

beforeAll(async () => {
  world = await World.make({ quick: true })
  world.env.KNHK_DIR = world.dir
  await world.json(['up', '--nodes', '1', '--protocol', 'raft', '--detach'])
})
afterAll(() => world.remove())

const twice = async (args: readonly string[]) => {
  const first = await world.json<Record<string, unknown>>([...args])
  // In another process: what makes it the same request is its id.
  const { stdout } = await world.runApart([...args, '--json'])
  const second = JSON.parse(stdout) as Record<string, unknown>
  return [first, second] as const
}

describe('a second run', () => {
  it('prints the first result, and changes nothing', async () => {
    const [first, second] = await twice(['kv', 'put', 'a', '1', '--request-id', 'put-a'])
    expect(first.alreadyApplied).toBe(false)
    expect(second).toEqual({ ...first, alreadyApplied: true })
    await world.json(['kv', 'put', 'a', '2'])
    await world.json(['kv', 'put', 'a', '1', '--request-id', 'put-a'])
    expect(await world.json(['kv', 'get', 'a'])).toMatchObject({ value: '2' })
    const { stdout, exitCode } = await world.run(['kv', 'put', 'a', '1', '--request-id', 'put-a'])
    expect([exitCode, stdout]).toEqual([0, `a is stored (already applied at index ${first.index})`])
  })

  it('is one of every command that proposes', async () => {
    const policy = join(world.base, 'policy.yaml')
    await writeFile(policy, 'policyId: few\npolicy: { type: Capacity, maxConcurrency: 40, maxParallelism: 8 }\n')
    const overlay = join(world.base, 'overlay.yaml')
    const body = 'scope: { patterns: [5] }\nchanges: [{ type: TogglePattern, patternId: 5, enabled: false }]\n'
    await writeFile(overlay, `overlayId: o1\nbase: genesis\n${body}`)
    const rows: readonly string[][] = [
      ['kv', 'cas', 'b', '--absent', '--value', '1'],
      ['kv', 'delete', 'b'],
      ['case', 'create', '--case-id', CASE, '--spec-id', SPEC, '--data', '{"a":1}'],
      ['case', 'start', CASE],
      ['case', 'suspend', CASE],
      ['case', 'resume', CASE],
      ['case', 'complete', CASE],
      ['case', 'purge', CASE, '--yes'],
      ['policy', 'apply', policy],
      ['policy', 'retract', 'few'],
      ['overlay', 'deploy', overlay],
      ['overlay', 'rollback', 'o1'],
      ['overlay', 'mode', 'set', 'Frozen'],
      ['cluster', 'clients', 'remove', 'ben'],
      ['cluster', 'quotas', 'set', '--cases', '1000'],
    ]
    await world.json(['keys', 'gen', '--out', `${world.base}/ben`])
    await world.json([
      'cluster',
      'clients',
      'add',
      'ben',
      '--public-key',
      `${world.base}/ben.pub`,
      '--role',
      'reader',
      '--request-id',
      'ben',
    ])
    for (const [i, args] of rows.entries()) {
      const [first, second] = await twice([...args, '--request-id', `row-${i}`])
      expect(second, args.join(' ')).toEqual({ ...first, alreadyApplied: true })
    }
    const commands = await world.json<CommandEntry[]>(['commands'])
    const named = commands.filter(({ flags }) => flags.some(({ name }) => name === 'request-id')).map(({ id }) => id)
    const shown = rows.map((args) => args.filter((word) => /^[a-z]+$/.test(word)).join(' '))
    const elsewhere = [
      'case cancel',
      'case fail',
      'kv put',
      'overlay compose',
      'propose',
      'cluster clients add',
      'cluster threat clear',
    ]
    expect(named.filter((id) => !shown.some((row) => row.startsWith(id))).sort()).toEqual(elsewhere.sort())
  })

  it('of case create without an id is about the same case', async () => {
    const create = ['case', 'create', '--spec-id', SPEC, '--data', '{"a":1}', '--request-id', 'case-1']
    const [first, second] = await twice(create)
    expect(second).toEqual({ ...first, alreadyApplied: true })
    const other = await world.json<{ result: unknown }>([...create.slice(0, -1), 'case-2'])
    expect(other.result).not.toEqual(first.result)
  })

  it('that is rejected is rejected again, though it could be applied now', async () => {
    const id = SPEC
    const start = ['case', 'start', id, '--request-id', 'start-1', '--json']
    expect(await world.run(start)).toMatchObject({ exitCode: 4 })
    await world.json(['case', 'create', '--case-id', id, '--spec-id', SPEC, '--data', '{"a":1}'])
    expect(await world.run(start)).toMatchObject({ exitCode: 4 })
    expect(await world.json(['case', 'get', id])).toMatchObject({ state: 'created' })
  })

  it('of another operation, or under a malformed id, is refused', async () => {
    const reused = await world.run(['kv', 'put', 'a', '3', '--request-id', 'put-a', '--json'])
    expect([reused.exitCode, JSON.parse(reused.stdout).error.code]).toEqual([9, 'RequestIdReused'])
    const malformed = await world.run(['kv', 'put', 'a', '3', '--request-id', 'two words', '--json'])
    expect([malformed.exitCode, JSON.parse(malformed.stdout).error.code]).toEqual([2, 'InvalidArgument'])
  })
})

describe('propose', () => {
  const line = (key: string) =>
    `{"type":"Custom","operation":"kv.cas","data":{"key":"${key}","expected":null,"value":"1"}}`

  it('goes on where an earlier run stopped', async () => {
    const file = join(world.base, 'lines.ndjson')
    const keys = Array.from({ length: 40 }, (_, i) => `line-${i}`)
    await writeFile(file, keys.slice(0, 15).map(line).join('\n'))
    const propose = ['propose', '--file', file, '--request-id', 'job-1']
    expect(await world.json(propose)).toMatchObject({ total: 15, ok: 15 })
    await writeFile(file, keys.map(line).join('\n'))
    const { exitCode, stdout } = await world.run([...propose, '--output', 'ndjson'])
    expect(exitCode).toBe(0)
    const reports = stdout
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row))
    expect(reports.map(({ alreadyApplied }) => alreadyApplied)).toEqual(keys.map((_, i) => i < 15))
    const again = await world.run(propose)
    expect(again.stderr).toContain('40 of 40 already applied by earlier runs')
  })

  it('says at which index the one operation stands', async () => {
    const propose = ['propose', '--operation', line('one'), '--request-id', 'one']
    const { firstIndex } = await world.json<{ firstIndex: number }>(propose)
    expect((await world.run(propose)).stderr).toContain(`already applied at index ${firstIndex}`)
    const session = ['propose', '--operation', '{"type":"CloseSession"}', '--request-id', 'x', '--output', 'ndjson']
    expect(JSON.parse((await world.run(session)).stdout)).toMatchObject({ error: { code: 'InvalidArgument' } })
  })
})
