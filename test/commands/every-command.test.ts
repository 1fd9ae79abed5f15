/**
 * Shows every command without a terminal: with --json standard output holds one document that fits the published
 * schema, standard error holds nothing but words for people, and the exit code is the documented one. A command that
 * needs a stage of its own is shown elsewhere, and this test knows where.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { World } from '../e2e/harness.js'
import { projectRoot } from '../project/project-root.js'
import { CheckedCommands } from './checked-commands.js'
import { violations } from './json-schema.js'

const CASE = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b11'
const OTHER = '7d0c2f6a-94ab-4d0b-8a3e-6a1f0f5c1b12'
const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'
const PUT = '{"type":"Custom","operation":"kv.put","data":{"key":"a","value":"1"}}'

/**
 * Run in this order on one cluster; {base} is a directory of the test's own, {dir} the cluster's, {index} where the
 * first operation stands in the log.
 */
const ROWS: readonly (readonly [id: string, args: readonly string[], exitCode?: number])[] = [
  ['commands', []],
  ['explain', ['NoLeader']],
  ['cluster init', ['--dir', '{base}/made', '--nodes', '1']],
  ['up', ['--nodes', '3', '--protocol', 'raft', '--detach']],
  ['status', []],
  ['wait', ['--for', 'healthy']],
  ['watch', ['--count', '2', '--interval', '50ms']],
  ['watch changes', ['--from', '1']],
  ['why', []],
  ['doctor', []],
  ['registry check', []],
  ['registry show', []],
  ['cluster clients list', []],
  ['cluster quotas show', []],
  ['cluster mode show', []],
  ['cluster mode set', ['raft', '--dry-run']],
  ['cluster threat show', []],
  ['cluster threat evidence', []],
  ['policy list', []],
  ['policy effective', []],
  ['overlay list', []],
  ['overlay chain', []],
  ['overlay sigma', []],
  ['overlay history', []],
  ['overlay mode show', []],
  ['cluster status', []],
  ['cluster health', []],
  ['cluster members list', []],
  ['node status', []],
  ['kv put', ['a', '1']],
  ['kv get', ['a']],
  ['kv cas', ['a', '--expected', '1', '--value', '2']],
  ['kv list', []],
  ['kv delete', ['a']],
  ['case create', ['--case-id', CASE, '--spec-id', SPEC, '--data', '{"a":1}']],
  ['case start', [CASE]],
  ['case suspend', [CASE]],
  ['case resume', [CASE]],
  ['case complete', [CASE]],
  ['case get', [CASE]],
  ['case list', []],
  ['case history', [CASE]],
  ['case create', ['--case-id', OTHER, '--spec-id', SPEC, '--data', '{"a":1}']],
  ['case start', [OTHER]],
  ['case fail', [OTHER, '--error', 'late']],
  ['case create', ['--case-id', SPEC, '--spec-id', SPEC, '--data', '{"a":1}']],
  ['case cancel', [SPEC]],
  ['propose', ['--operation', PUT]],
  ['propose', ['--operation', PUT, '--operation', '{"type":"Custom","operation":"no.such","data":{}}'], 1],
  ['bench', ['--clients', '2', '--duration', '200ms', '--warmup', '50ms', '--rate', '200']],
  ['bench compare', ['{base}/bench.json', '{base}/bench.json']],
  ['log inspect', ['--node', 'n1']],
  ['log verify', ['--node', 'n1']],
  ['log diff', ['n1', 'n2']],
  ['log export', ['--node', 'n1', '--out', '{base}/export.ndjson']],
  ['receipt get', ['{index}', '--out', '{base}/a.receipt']],
  ['receipt verify', ['{base}/a.receipt']],
  ['receipt verify', ['{base}/export.ndjson'], 10],
  ['evidence list', []],
  ['evidence verify', ['{base}/export.ndjson'], 10],
  ['forensics', ['n1', 'n2']],
  ['snapshot list', []],
  ['keys gen', ['--out', '{base}/key']],
  ['keys show', ['{base}/key']],
  ['keys sign', ['{base}/bench.json', '--key', '{base}/key', '--out', '{base}/signature']],
  ['keys verify', ['{base}/bench.json', '--key', '{base}/key.pub', '--signature', '{base}/signature']],
  ['keys verify', ['{base}/export.ndjson', '--key', '{base}/key.pub', '--signature', '{base}/signature'], 10],
  ['context add', ['other', '--dir', '{dir}']],
  ['context use', ['other']],
  ['context current', []],
  ['context list', []],
  ['context remove', ['other']],
  ['sim list', []],
  ['node stop', ['--node', 'n3']],
  // Whom it stopped may have led: until another leads the cluster is down, not degraded.
  ['wait', ['--for', 'leader']],
  ['cluster health', [], 10],
  ['node check', ['--dir', '{dir}', '--node', 'n3']],
  ['cluster down', []],
  ['down', []],
]

/** Commands that need another stage, and the tests that give it to them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'case purge': 'test/commands/governance.test.ts',
  'cluster clients add': 'test/commands/governance.test.ts',
  'cluster clients remove': 'test/commands/governance.test.ts',
  'cluster quotas set': 'test/commands/governance.test.ts',
  'policy apply': 'test/commands/governance.test.ts',
  'policy approve': 'test/commands/governance.test.ts',
  'policy retract': 'test/commands/governance.test.ts',
  'cluster members add': 'test/e2e/membership.test.ts',
  'cluster members apply': 'test/e2e/membership.test.ts',
  'cluster members plan': 'test/e2e/membership.test.ts',
  'cluster members promote': 'test/e2e/membership.test.ts',
  'cluster members remove': 'test/e2e/membership.test.ts',
  'cluster members replace': 'test/e2e/membership.test.ts',
  'cluster threat clear': 'test/e2e/hybrid-liars.test.ts',
  'cluster transfer-leader': 'test/commands/watch-terminal.test.ts',
  'evidence export': 'test/e2e/receipts.test.ts',
  'keys rotate': 'test/commands/key-rotation.test.ts',
  'log compact': 'test/e2e/snapshots.test.ts',
  'node start': 'test/e2e/harness.ts',
  'overlay chain': 'test/commands/overlays.test.ts',
  'overlay compose': 'test/commands/overlays.test.ts',
  'overlay deploy': 'test/commands/overlays.test.ts',
  'overlay diff': 'test/commands/overlays.test.ts',
  'overlay get': 'test/commands/overlays.test.ts',
  'overlay history': 'test/commands/overlays.test.ts',
  'overlay list': 'test/commands/overlays.test.ts',
  'overlay mode set': 'test/commands/overlays.test.ts',
  'overlay mode show': 'test/commands/overlays.test.ts',
  'overlay promote': 'test/commands/overlays.test.ts',
  'overlay rollback': 'test/commands/overlays.test.ts',
  'overlay sigma': 'test/commands/overlays.test.ts',
  'recover apply': 'test/e2e/recover.test.ts',
  'recover plan': 'test/e2e/recover.test.ts',
  repl: 'test/commands/repl-terminal.test.ts',
  'sim replay': 'test/simulator/commands.test.ts',
  'sim run': 'test/simulator/commands.test.ts',
  'sim shrink': 'test/simulator/commands.test.ts',
  'sim step': 'test/commands/repl-terminal.test.ts',
  'snapshot inspect': 'test/e2e/snapshots.test.ts',
  'snapshot restore': 'test/e2e/snapshots.test.ts',
  'snapshot save': 'test/e2e/snapshots.test.ts',
  'snapshot verify': 'test/e2e/snapshots.test.ts',
}

let world: World
let commands: CheckedCommands

beforeAll(async () => {
  commands = await CheckedCommands.make()
  ;({ world } = commands)
})
afterAll(() => world.remove())

describe('every command', () => {
  it('prints one document of its schema, and only words for people beside it', async () => {
    let index = 0
    for (const [id, args, exitCode = 0] of ROWS) {
      const real = args.map((arg) =>
        arg.replace('{base}', world.base).replace('{dir}', world.dir).replace('{index}', String(index)),
      )
      const words = [...id.split(' '), ...real, '--json']
      const ran = await commands.run(words)
      expect(ran.exitCode, `${id}: ${ran.stdout}${ran.stderr}`).toBe(exitCode)
      const { schema, exitCodes } = commands.entry(id)
      expect(exitCodes, id).toContain(exitCode)
      expect(violations(schema ?? {}, JSON.parse(ran.stdout)), id).toEqual([])
      expect(ran.stderr, id).not.toMatch(/^\s*[{[]/m)
      expect(ran.stderr.includes('\u001b'), id).toBe(false)
      if (id === 'kv put') index = (JSON.parse(ran.stdout) as { index: number }).index
      if (id === 'bench') await writeFile(join(world.base, 'bench.json'), ran.stdout)
    }
  }, 180_000)

  it('is shown here or elsewhere', async () => {
    const shown = new Set(ROWS.map(([id]) => id))
    for (const { id } of commands.entries()) {
      if (shown.has(id)) continue
      const file = ELSEWHERE[id]
      expect(file, `${id} is shown nowhere: give it a row, or say where`).toBeDefined()
      const text = await readFile(join(projectRoot, file as string), 'utf8')
      const verb = id.split(' ').at(-1) as string
      expect(text.includes(verb), `${file} does not speak of ${verb}`).toBe(true)
    }
  })
})
