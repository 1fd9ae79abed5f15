/**
 * Shows `knhk sim` from outside, on the engine as it is built and on a compiled copy of it with one planted bug (a
 * leader that commits entries of earlier terms by counting): the exit code and the command line that shows a
 * violation again, output and traces that do not depend on the number of workers, records that add up and are
 * refused by another engine, a failing case made smaller, the report as a page.
 */
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COMMIT_RULE = '  if (!raft.log.matches(index, raft)) return false\n'
const workspace = mkdtempSync(join(tmpdir(), 'knhk-sim-'))
const broken = join(workspace, 'broken')

interface Ended {
  readonly code: number
  readonly stdout: string
}

function knhk(root: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, 'bin/run.js'), ...args],
      { cwd: workspace, maxBuffer: 64 << 20 },
      (error, stdout) => resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    )
  })
}

const path = (name: string) => join(workspace, name)
const withoutTime = (stdout: string) => ({ ...JSON.parse(stdout), elapsedSeconds: null })

beforeAll(() => {
  for (const part of ['src', 'commands', 'bin', 'tsconfig.json', 'tsconfig.build.json', 'package.json'])
    cpSync(join(ROOT, part), join(broken, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(broken, 'node_modules'))
  const file = join(broken, 'src/consensus/raft/commit.ts')
  const source = readFileSync(file, 'utf8')
  expect(source).toContain(COMMIT_RULE)
  writeFileSync(file, source.replace(COMMIT_RULE, ''))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const options = ['--outDir', join(broken, 'dist'), '--noCheck', '--declaration', 'false']
  const args = [compiler, '-p', join(broken, 'tsconfig.build.json'), ...options]
  spawnSync(process.execPath, args, { cwd: broken })
  expect(existsSync(join(broken, 'dist/commands/sim/run.js'))).toBe(true)
}, 120_000)

afterAll(() => rmSync(workspace, { recursive: true, force: true }))

describe('knhk sim on a sound engine', () => {
  it('runs a scenario file, and names the line that did not go as told', async () => {
    const story = join(ROOT, 'fixtures/scenarios/reads/a-restarted-node-keeps-its-vote-for-a-while.yaml')
    const told = await knhk(ROOT, 'sim', 'run', story, '--json')
    expect(told.code).toBe(0)
    expect(JSON.parse(told.stdout)).toMatchObject({ violations: [], scenario: { steps: 10, failure: null } })
    writeFileSync(path('wrong.yaml'), readFileSync(story, 'utf8').replace('vote: n1', 'vote: n2'))
    const wrong = await knhk(ROOT, 'sim', 'run', path('wrong.yaml'), '--json')
    expect(wrong.code).toBe(10)
    expect(JSON.parse(wrong.stdout)).toMatchObject({ violations: [{}], scenario: { failure: { step: 6 } } })
  })

  it('gives the same output and the same trace whatever the number of workers', async () => {
    const run = (workers: string) =>
      knhk(
        ROOT,
        'sim',
        'run',
        '--nodes',
        '3,5',
        '--seeds',
        '2',
        '--workers',
        workers,
        '--trace',
        path(`t${workers}`),
        '--json',
      )
    const [one, two] = [await run('1'), await run('2')]
    expect([one.code, two.code]).toEqual([0, 0])
    expect(withoutTime(two.stdout)).toEqual(withoutTime(one.stdout))
    expect(readFileSync(path('t1')).length).toBeGreaterThan(10_000)
    expect(readFileSync(path('t2')).equals(readFileSync(path('t1')))).toBe(true)
  }, 60_000)

  it('adds up what a record holds, and goes on behind it', async () => {
    const run = (...args: string[]) => knhk(ROOT, 'sim', 'run', '--nodes', '3', '--json', ...args)
    await run('--seeds', '2', '--resume', path('record.json'))
    const resumed = await run('--seeds', '1', '--resume', path('record.json'))
    const whole = await run('--seeds', '3')
    expect(withoutTime(resumed.stdout)).toEqual(withoutTime(whole.stdout))
    expect(JSON.parse(readFileSync(path('record.json'), 'utf8')).ranges).toEqual([{ from: 1, to: 3, nodes: [3] }])
    const other = await knhk(broken, 'sim', 'run', '--seeds', '1', '--resume', path('record.json'), '--json')
    expect(other.code).toBe(2)
    expect(JSON.parse(other.stdout).error.code).toBe('InvalidFile')
  }, 60_000)

  it('refuses Byzantine nodes, which plain Raft does not bear', async () => {
    const refused = await knhk(ROOT, 'sim', 'run', '--byzantine', '1', '--json')
    expect(refused.code).toBe(2)
    expect(JSON.parse(refused.stdout).error.code).toBe('InvalidArgument')
  })

  it('lists faults and promises', async () => {
    const { faults, invariants } = JSON.parse((await knhk(ROOT, 'sim', 'list', '--json')).stdout)
    expect(faults).toHaveLength(32)
    expect(invariants.map(({ id }: { id: string }) => id)).toContain('linearizability')
  })
})

describe('knhk sim on an engine with a planted bug', () => {
  let seed = 0

  it('ends with 10 and the command line that shows it again', async () => {
    const found = await knhk(broken, 'sim', 'run', '--nodes', '5', '--seeds', '10', '--json')
    expect(found.code).toBe(10)
    const [first] = JSON.parse(found.stdout).violations
    expect(first.replay).toBe(`knhk sim replay --protocol raft --nodes 5 --seed ${first.seed}`)
    seed = first.seed
    const again = await knhk(broken, ...first.replay.split(' ').slice(1), '--report', path('run.html'), '--json')
    expect(again.code).toBe(10)
    expect(JSON.parse(again.stdout).violation.invariant).toBe(first.invariant)
    expectPage(readFileSync(path('run.html'), 'utf8'), first.invariant)
  }, 60_000)

  it('makes the case smaller, and the smaller case fails the same way', async () => {
    const out = ['--runs', '30', '--out', path('case.json'), '--json']
    const shrunk = await knhk(broken, 'sim', 'shrink', '--nodes', '5', '--seed', String(seed), ...out)
    expect(shrunk.code).toBe(10)
    const { faults, invariant, replay } = JSON.parse(shrunk.stdout)
    expect(faults).toBeLessThanOrEqual(8)
    const again = await knhk(broken, ...replay.split(' ').slice(1), '--json')
    expect(again.code).toBe(10)
    expect(JSON.parse(again.stdout).violation.invariant).toBe(invariant)
  }, 60_000)
})

/** One page that needs nothing else, with everything a reader looks for, and of bounded size. */
function expectPage(html: string, invariant: string): void {
  expect(html.startsWith('<!doctype html>')).toBe(true)
  expect(html).not.toMatch(/(src|href)=|url\(|@import/)
  for (const node of ['n1', 'n2', 'n3', 'n4', 'n5']) expect(html).toContain(`>${node}</div>`)
  for (const part of ['class="legend"', 'class="role-leader"', 'class="mark commit"', 'id="zoom"'])
    expect(html).toContain(part)
  expect(html).toContain(`${invariant}: `)
  // Which ones fall into the window depends on where the promise broke.
  expect(html).toMatch(/class="mark (fault|crash|stop|start|violation)"/)
  expect(html).toContain('prefers-color-scheme: dark')
  const messages = html.match(/<line class="(append|vote|other|snapshot|lost)"/g) ?? []
  expect(messages.length).toBeGreaterThan(50)
  expect(messages.length).toBeLessThanOrEqual(3000)
  for (const tag of ['svg', 'g', 'main', 'span', 'div', 'title', 'rect', 'line'])
    expect(html.split(`<${tag}`).length).toBe(html.split(`</${tag}>`).length)
}

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
)

describe.skipIf(browser === undefined)('the report in a browser (skipped where no Chromium is installed)', () => {
  it('is drawn', () => {
    const shot = path('run.png')
    const args = ['--headless', '--no-sandbox', '--disable-gpu', `--screenshot=${shot}`, `file://${path('run.html')}`]
    spawnSync(browser as string, args)
    expect(readFileSync(shot).length).toBeGreaterThan(10_000)
  }, 60_000)
})
