/**
 * Shows that bad input to every command ends in one clear error: the documented exit code, nothing on
 * stdout but one JSON document with --json, no stack trace, no internals of the parser.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isErrorCode } from '../../src/base/error-codes.js'
import type { CommandEntry } from '../../src/terminal/command-list.js'
import { type Ran, World } from '../e2e/harness.js'
import { runQuickly } from './in-process.js'

const UUID = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'
/** One row of so many runs in a process of its own as well. */
const SAMPLE = 12

let world: World
let commands: CommandEntry[]
/** A cluster that does not run. */
let asleep: string

beforeAll(async () => {
  world = await World.make()
  commands = await world.json<CommandEntry[]>(['commands'])
  asleep = join(world.base, 'asleep')
  await world.json(['cluster', 'init', '--dir', asleep, '--nodes', '1'])
  await writeFile(join(world.base, 'broken.yaml'), 'version: 1\nmembers: 3\n')
  await writeFile(join(world.base, 'binary'), Buffer.from([0, 255, 254, 10, 0]))
  await mkdir(join(world.base, 'directory'))
})
afterAll(() => world.remove())

/** The error object; asserts all that holds of any error. */
function theError({ exitCode, stdout, stderr }: Ran, exit: number): { code: string; message: string } {
  expect(`${stdout}${stderr}`).not.toMatch(/\n\s+at .*:\d+/)
  expect(stderr).not.toMatch(/^\s*[{[]/m)
  const document = JSON.parse(stdout) as { error: Record<string, unknown> }
  expect(Object.keys(document)).toEqual(['error'])
  expect(Object.keys(document.error)).toEqual(['code', 'message', 'details', 'hint', 'retryable'])
  expect(isErrorCode(String(document.error.code))).toBe(true)
  expect(exitCode, stdout).toBe(exit)
  return document.error as { code: string; message: string }
}

describe('every command', () => {
  it('has a summary, an impact, exit codes, and an environment name for each flag of the connection', () => {
    expect(commands.length).toBeGreaterThan(30)
    const summaries = new Set<string>()
    for (const command of commands) {
      expect(command.summary.length, command.id).toBeGreaterThan(10)
      expect(['read', 'write', 'dangerous']).toContain(command.impact)
      expect(command.exitCodes).toEqual(expect.arrayContaining([0, 2, 70, 130]))
      summaries.add(command.summary)
      for (const flag of command.flags) {
        expect(flag.summary.length, `${command.id} --${flag.name}`).toBeGreaterThan(5)
        if (
          ['dir', 'context', 'cluster', 'key', 'endpoints'].includes(flag.name) &&
          !command.id.startsWith('context') &&
          // These name what is to be made, or what is lost: never the cluster that somebody works with.
          !['recover plan', 'recover apply', 'snapshot restore'].includes(command.id)
        ) {
          expect(flag.env, `${command.id} --${flag.name}`).toMatch(/^KNHK_[A-Z_]+$/)
        }
      }
    }
    expect(summaries.size).toBe(commands.length)
  })

  it('refuses an unknown flag, with a hint and without echoing values', async () => {
    for (const { id } of commands) {
      const ran = await runQuickly(world, [...id.split(' '), '--no-such-flag', '--key', 'hunter2', '--json'])
      const error = theError(ran, 2)
      expect(error.code, id).toBe('Usage')
      expect(ran.stdout, id).not.toContain('hunter2')
    }
  }, 60_000)

  it('tells people the same in words on stderr', async () => {
    const { exitCode, stdout, stderr } = await world.run(['status', '--dri', 'x'])
    expect(exitCode).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toBe('Error [Usage]: unknown flag: --dri\n  Did you mean --dir?')
  })
})

describe('bad input', () => {
  const there = (...args: string[]) => [...args, '--dir', '{asleep}']
  const table: readonly (readonly [string[], number, string])[] = [
    [['nonsense'], 2, 'Usage'],
    [['case', 'nonsense'], 2, 'Usage'],
    [['status', 'extra'], 2, 'Usage'],
    [['status'], 2, 'Usage'],
    [['status', '--dir', '{base}/none'], 4, 'NotFound'],
    [['status', '--context', 'none'], 4, 'NotFound'],
    [['status', '--cluster', '{base}/broken.yaml', '--key', '{base}/k'], 2, 'InvalidClusterFile'],
    [['status', '--cluster', '{base}/binary', '--key', '{base}/k'], 2, 'InvalidClusterFile'],
    [['status', '--cluster', '{base}/directory', '--key', '{base}/k'], 2, 'InvalidFile'],
    [['status', '--cluster', '{asleep}/cluster.yaml'], 2, 'Usage'],
    [['status', '--cluster', '{asleep}/cluster.yaml', '--key', '{base}/none'], 4, 'NotFound'],
    [['status', '--cluster', '{asleep}/cluster.yaml', '--key', '{asleep}/cluster.yaml'], 4, 'NotFound'],
    [there('status', '--endpoints', 'n9'), 4, 'NotFound'],
    [there('status', '--timeout', 'soon'), 2, 'InvalidArgument'],
    [there('status', '--output', 'xml'), 2, 'Usage'],
    [there('status', '--digest-at', '-1'), 2, 'InvalidArgument'],
    [there('status'), 5, 'Unreachable'],
    [there('cluster', 'status'), 5, 'Unreachable'],
    [there('wait', '--for', 'leader', '--timeout', '200ms'), 6, 'DeadlineExceeded'],
    [there('wait', '--for', 'applied=x'), 2, 'InvalidArgument'],
    [there('wait', '--for', 'world-peace'), 2, 'InvalidArgument'],
    [['wait'], 2, 'Usage'],
    [there('kv', 'put', 'k'), 2, 'Usage'],
    [there('kv', 'put', '', 'v'), 2, 'InvalidArgument'],
    [there('kv', 'put', 'k'.repeat(1025), 'v'), 2, 'InvalidArgument'],
    [there('kv', 'put', 'not base64', 'v', '--base64'), 2, 'InvalidArgument'],
    [there('kv', 'cas', 'k', '--value', 'v'), 2, 'Usage'],
    [there('kv', 'cas', 'k', '--value', 'v', '--absent', '--expected', 'x'), 2, 'Usage'],
    [there('kv', 'get', 'k', '--read', 'leader'), 2, 'UnsupportedRead'],
    [there('kv', 'get'), 2, 'Usage'],
    [there('kv', 'delete'), 2, 'Usage'],
    [there('kv', 'list', '--limit', '0'), 2, 'InvalidArgument'],
    [there('case', 'create', '--spec-id', UUID), 2, 'Usage'],
    [there('case', 'create', '--spec-id', 'x', '--data', '{"a":1}'), 2, 'InvalidArgument'],
    [there('case', 'create', '--spec-id', UUID, '--data', '{"a":1'), 2, 'InvalidArgument'],
    [there('case', 'create', '--spec-id', UUID, '--data', '{"a":1,"a":2}'), 2, 'InvalidArgument'],
    [there('case', 'create', '--spec-id', UUID, '--data', '[1]'), 2, 'InvalidArgument'],
    ...['start', 'suspend', 'resume', 'complete', 'cancel'].map((verb): [string[], number, string] => [
      there('case', verb, 'x'),
      2,
      'InvalidArgument',
    ]),
    [there('case', 'fail', UUID), 2, 'Usage'],
    [there('case', 'get'), 2, 'Usage'],
    [there('case', 'get', 'x'), 2, 'InvalidArgument'],
    [there('case', 'history', 'x'), 2, 'InvalidArgument'],
    [there('case', 'list', '--spec-id', 'x'), 2, 'InvalidArgument'],
    [there('case', 'list', '--state', 'asleep'), 2, 'Usage'],
    [there('case', 'history'), 2, 'Usage'],
    [there('case', 'purge', 'x', '--yes'), 2, 'InvalidArgument'],
    [there('case', 'purge', UUID), 2, 'Usage'],
    [there('policy', 'apply'), 2, 'Usage'],
    [there('policy', 'apply', '{base}/none'), 4, 'NotFound'],
    [there('policy', 'apply', '{base}/binary'), 2, 'InvalidFile'],
    [there('policy', 'apply', '{base}/broken.yaml', '--id', 'p'), 2, 'InvalidArgument'],
    [there('policy', 'retract'), 2, 'Usage'],
    [there('policy', 'retract', 'a b'), 2, 'InvalidArgument'],
    [there('policy', 'list', '--limit', '0'), 2, 'InvalidArgument'],
    [there('policy', 'effective', '--read', 'leader'), 2, 'UnsupportedRead'],
    [there('policy', 'approve', '{base}/broken.yaml', '--policy', 'p'), 2, 'InvalidArgument'],
    [there('policy', 'approve', '{base}/none', '--policy', 'p'), 4, 'NotFound'],
    [there('policy', 'approve', '{base}/none'), 2, 'Usage'],
    [there('cluster', 'clients', 'add', 'ben', '--role', 'reader', '--public-key', 'x'), 2, 'InvalidArgument'],
    [there('cluster', 'clients', 'add', 'ben', '--role', 'king', '--public-key', 'x'), 2, 'Usage'],
    [there('cluster', 'clients', 'remove', 'Ben'), 2, 'InvalidArgument'],
    [there('cluster', 'quotas', 'set', '--cases', '-1'), 2, 'InvalidArgument'],
    [there('cluster', 'quotas', 'show', 'extra'), 2, 'Usage'],
    [there('propose'), 2, 'Usage'],
    [there('propose', '--file', '{base}/none'), 4, 'NotFound'],
    [there('propose', '--file', '{base}/directory'), 2, 'InvalidFile'],
    [there('overlay', 'deploy'), 2, 'Usage'],
    [there('overlay', 'deploy', '{base}/none'), 4, 'NotFound'],
    [there('overlay', 'deploy', '{base}/directory'), 2, 'InvalidFile'],
    [there('overlay', 'deploy', '{base}/binary'), 2, 'InvalidFile'],
    [there('overlay', 'deploy', '{asleep}/cluster.yaml'), 2, 'InvalidArgument'],
    [there('overlay', 'promote'), 2, 'Usage'],
    [there('overlay', 'promote', 'x', '--to', 'Dusk'), 2, 'Usage'],
    [there('overlay', 'rollback', 'not a name'), 2, 'InvalidArgument'],
    [there('overlay', 'compose', 'x', '--overlay', 'a'), 2, 'Usage'],
    [there('overlay', 'diff', 'active'), 2, 'Usage'],
    [there('overlay', 'get'), 2, 'Usage'],
    [there('overlay', 'list', '--limit', '0'), 2, 'InvalidArgument'],
    [there('overlay', 'chain', '--timeout', '300ms'), 5, 'Unreachable'],
    [there('overlay', 'mode', 'set'), 2, 'Usage'],
    [there('log', 'inspect'), 2, 'Usage'],
    [there('log', 'inspect', '--node', 'n9'), 4, 'NotFound'],
    [there('receipt', 'get'), 2, 'Usage'],
    [there('receipt', 'get', '0'), 2, 'InvalidArgument'],
    [there('receipt', 'get', '3:x'), 2, 'InvalidArgument'],
    [there('receipt', 'get', '3', '--timeout', '300ms'), 5, 'Unreachable'],
    [['receipt', 'verify', '{base}/none', '--cluster', '{asleep}/cluster.yaml'], 4, 'NotFound'],
    [['receipt', 'verify', '{base}/directory', '--cluster', '{asleep}/cluster.yaml'], 2, 'InvalidFile'],
    [['receipt', 'verify', '{base}/binary', '--cluster', '{base}/broken.yaml'], 2, 'InvalidClusterFile'],
    [['receipt', 'verify', '{base}/binary'], 2, 'Usage'],
    [there('evidence', 'list'), 5, 'Unreachable'],
    [there('evidence', 'export', 'abcd'), 2, 'Usage'],
    [there('evidence', 'export', 'xyz', '--out', '{base}/e'), 2, 'InvalidArgument'],
    [['evidence', 'verify', '{base}/none', '--cluster', '{asleep}/cluster.yaml'], 4, 'NotFound'],
    [['forensics', '{base}/none', '{base}/none', '--cluster', '{asleep}/cluster.yaml'], 4, 'NotFound'],
    [['forensics', 'n1', 'n9', '--dir', '{asleep}'], 4, 'NotFound'],
    [['log', 'inspect', '--data-dir', '{base}/none'], 4, 'NotFound'],
    [there('log', 'inspect', '--node', 'n1', '--from', 'x'), 2, 'InvalidArgument'],
    [there('log', 'verify'), 2, 'Usage'],
    [['log', 'verify', '--data-dir', '{base}'], 4, 'NotFound'],
    [['log', 'verify', '--dir', '{base}/none', '--node', 'n1'], 4, 'NotFound'],
    [there('bench', '--clients', '0'), 2, 'InvalidArgument'],
    [there('bench', '--read-share', '2'), 2, 'InvalidArgument'],
    [there('bench', '--rate', '0'), 2, 'InvalidArgument'],
    [['bench', 'compare', '{base}/none', '{base}/none'], 4, 'NotFound'],
    [['bench', 'compare', '{base}/binary', '{base}/binary'], 2, 'InvalidFile'],
    [there('watch', '--interval', 'x'), 2, 'InvalidArgument'],
    [there('watch', '--count', '1', '--timeout', '300ms'), 5, 'Unreachable'],
    [there('watch', 'changes', '--after', '12'), 2, 'InvalidArgument'],
    [there('watch', 'changes', '--case', 'x'), 2, 'InvalidArgument'],
    [there('watch', 'changes'), 5, 'Unreachable'],
    [there('cluster', 'health'), 5, 'Unreachable'],
    [there('cluster', 'health', '--max-lag', 'x'), 2, 'InvalidArgument'],
    [there('node', 'stop'), 2, 'Usage'],
    [there('node', 'stop', '--node', 'n9'), 4, 'NotFound'],
    [there('log', 'export', '--node', 'n1'), 2, 'Usage'],
    [there('log', 'export', '--node', 'n9', '--out', '{base}/x'), 4, 'NotFound'],
    [there('log', 'export', '--node', 'n1', '--out', '{base}/binary'), 8, 'Refused'],
    [['keys', 'sign', '{base}/none', '--key', '{asleep}/clients/admin'], 4, 'NotFound'],
    [['keys', 'sign', '{base}/binary', '--key', '{base}/none'], 4, 'NotFound'],
    [
      ['keys', 'verify', '{base}/binary', '--key', '{asleep}/clients/admin.pub', '--signature', 'x'],
      2,
      'InvalidArgument',
    ],
    [['keys', 'verify', '{base}/binary', '--key', 'x', '--signature', 'x'], 2, 'InvalidArgument'],
    [['keys', 'gen'], 2, 'Usage'],
    [['keys', 'gen', '--out', '{asleep}/clients/admin'], 8, 'Refused'],
    [['keys', 'show', '{base}/none'], 4, 'NotFound'],
    [['keys', 'show', '{asleep}/cluster.yaml.pub'], 4, 'NotFound'],
    [['cluster', 'init'], 2, 'Usage'],
    [['cluster', 'init', '--dir', '{base}/x', '--nodes', '99'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/x', '--member', 'n1'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/x', '--member', 'n1=nowhere'], 2, 'InvalidClusterFile'],
    [['cluster', 'init', '--dir', '{base}/x', '--zone', 'n9=a'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/x', '--protocol', 'hybrid', '--nodes', '3'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/x', '--protocol', 'pbft', '--nodes', '3'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/x', '--request-timeout', '1s'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/x', '--protocol', 'pbft', '--commit-rule', '2'], 2, 'InvalidArgument'],
    [['cluster', 'init', '--dir', '{base}/binary/x'], 2, 'InvalidFile'],
    [there('cluster', 'members', 'list'), 5, 'Unreachable'],
    [there('cluster', 'members', 'add'), 2, 'Usage'],
    [there('cluster', 'members', 'add', 'n2'), 5, 'Unreachable'],
    [there('cluster', 'members', 'add', 'n2', '--address', 'nowhere'), 2, 'InvalidArgument'],
    [there('cluster', 'members', 'add', 'n2', '--public-key', 'short'), 2, 'InvalidArgument'],
    [there('cluster', 'members', 'remove'), 2, 'Usage'],
    [there('cluster', 'members', 'remove', 'n1', '--yes'), 5, 'Unreachable'],
    [there('cluster', 'members', 'promote'), 2, 'Usage'],
    [there('cluster', 'members', 'replace'), 2, 'Usage'],
    [there('cluster', 'members', 'plan', '--add', 'n2'), 2, 'Usage'],
    [there('cluster', 'members', 'plan', '--out', '{base}/plan.json'), 2, 'Usage'],
    [
      there('cluster', 'members', 'plan', '--out', '{base}/plan.json', '--zone', 'n9=a', '--add', 'n2'),
      2,
      'InvalidArgument',
    ],
    [there('cluster', 'members', 'apply', '{base}/none'), 4, 'NotFound'],
    [there('cluster', 'members', 'apply', '{base}/directory'), 2, 'InvalidFile'],
    [there('cluster', 'members', 'apply', '{asleep}/cluster.yaml'), 2, 'InvalidFile'],
    [there('cluster', 'transfer-leader', 'n1'), 5, 'Unreachable'],
    [there('why'), 5, 'Unreachable'],
    [['up', '--dir', '{base}/x', '--protocol', 'hybrid', '--nodes', '3'], 2, 'InvalidArgument'],
    [['up', '--nodes', 'many'], 2, 'InvalidArgument'],
    [['down', '--dir', '{base}/none'], 4, 'NotFound'],
    [['cluster', 'down', '--dir', '{base}/none'], 4, 'NotFound'],
    [['node', 'start'], 2, 'Usage'],
    [['node', 'start', '--node', 'n1'], 2, 'Usage'],
    [['node', 'start', '--node', 'n9', '--dir', '{asleep}'], 4, 'NotFound'],
    [
      [
        'node',
        'start',
        '--node',
        'n1',
        '--cluster',
        '{asleep}/cluster.yaml',
        '--key',
        '{asleep}/clients/admin',
        '--data-dir',
        '{base}/d',
      ],
      2,
      'InvalidKeyFile',
    ],
    [
      [
        'node',
        'start',
        '--node',
        'n1',
        '--cluster',
        '{asleep}/cluster.yaml',
        '--key',
        '{asleep}/nodes/n1/node',
        '--data-dir',
        '{base}/d',
      ],
      8,
      'DataDirectoryLost',
    ],
    [there('node', 'status', '--node', 'n9'), 4, 'NotFound'],
    [there('repl', '--file', '{base}/none'), 4, 'NotFound'],
    [there('repl', '--eval', 'nonsense'), 2, 'Usage'],
    [there('repl', '--eval', 'kv put "open'), 2, 'Usage'],
    [['repl', '--eval', 'status'], 2, 'Usage'],
    [['context', 'use', 'none'], 4, 'NotFound'],
    [['context', 'remove', 'none'], 4, 'NotFound'],
    [['context', 'current'], 4, 'NotFound'],
    [['context', 'add', 'x'], 2, 'Usage'],
    [['context', 'add', 'x', '--dir', '{base}/none'], 4, 'NotFound'],
    [['context', 'add', '../x', '--dir', '{asleep}'], 2, 'InvalidArgument'],
    [['explain', 'Nonsense'], 4, 'NotFound'],
  ]

  it.each(table)('%j ends with %i [%s]', async (args, exit, code) => {
    const error = theError(await runQuickly(world, realWords(args)), exit)
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('\n')
    expect(error.message.length).toBeGreaterThan(5)
  })

  it.each(table.filter((_, i) => i % SAMPLE === 0))('%j says the same in a process of its own', async (args) => {
    const words = realWords(args)
    expect(await world.run(words)).toEqual(await runQuickly(world, words))
  })

  function realWords(args: readonly string[]): string[] {
    return [...args.map((arg) => arg.replace('{asleep}', asleep).replace('{base}', world.base)), '--json']
  }
})
