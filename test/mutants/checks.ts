/**
 * The checks that may kill a mutant: simulator seeds, scenario files, unit tests. Each runs over the
 * changed copy in processes of its own; each counts only where the unchanged copy passes the same check.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { KnhkError } from '../../src/base/error.js'
import type { SimProtocol } from '../../src/simulator/plan.js'
import type { TestBudget } from './mutant.js'
import type { ScenarioPlan } from './scenarios.js'
import type { SeedLine, SeedPlan } from './simulate.js'
import { runProgram, type Workspace } from './workspace.js'

/** What a check found; null when it passed. */
export interface Kill {
  readonly by: string
  readonly seed: number | null
}

export interface SeedOptions {
  readonly protocol: SimProtocol
  readonly byzantine: number
  readonly nodes: readonly number[]
  readonly firstSeed: number
  readonly seeds: number
  /** Processes that share the seeds. */
  readonly workers: number
  readonly limitMs: number
}

const RUN = fileURLToPath(new URL('./run.js', import.meta.url))
/** A seed takes seconds, on a busy machine many; one that takes this long never ends. */
const SEED_HANGS_MS = 180_000
const SCENARIOS_HANG_MS = 120_000
const TESTS_HANG_MS = 120_000

/** Runs seeds until one fails in the changed copy alone, or time is up. A seed that never ends has failed. */
export async function checkSeeds(changed: Workspace, unchanged: Workspace, options: SeedOptions): Promise<Kill | null> {
  const { workers, seeds, firstSeed, nodes } = options
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), options.limitMs)
  const kills: Kill[] = []
  try {
    await Promise.all(
      Array.from({ length: workers }, async (_, at) => {
        const plan: SeedPlan = {
          changed: changed.dist,
          unchanged: unchanged.dist,
          protocol: options.protocol,
          byzantine: options.byzantine,
          nodes: nodes.map((__, shift) => nodes[(shift + at) % nodes.length] as number),
          firstSeed: firstSeed + at,
          seeds: Math.ceil((seeds - at) / workers),
          stride: workers,
        }
        const kill = await runSeeds(plan, abort.signal)
        if (kill === null) return
        kills.push(kill)
        abort.abort()
      }),
    )
  } finally {
    clearTimeout(timer)
  }
  return kills[0] ?? null
}

function runSeeds(plan: SeedPlan, signal: AbortSignal): Promise<Kill | null> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      resolve(null)
      return
    }
    const child = spawn(process.execPath, [RUN, 'seeds', JSON.stringify(plan)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let kill: Kill | null = null
    let seed = plan.firstSeed
    let errors = ''
    let ended = false
    const stop = (): void => {
      ended = true
      child.kill('SIGKILL')
    }
    const onHang = (): void => {
      kill = { by: 'simulator: a seed never ends', seed }
      stop()
    }
    let hang = setTimeout(onHang, SEED_HANGS_MS)
    signal.addEventListener('abort', stop, { once: true })
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-4000)
    })
    createInterface(child.stdout).on('line', (text) => {
      clearTimeout(hang)
      hang = setTimeout(onHang, SEED_HANGS_MS)
      const line = JSON.parse(text) as SeedLine
      seed = line.seed + plan.stride
      if (line.invariant !== null && !line.failsUnchanged)
        kill = { by: `simulator: ${line.invariant} (${line.nodes} nodes)`, seed: line.seed }
    })
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(hang)
      signal.removeEventListener('abort', stop)
      // A process that ends by itself without a verdict was ended by the bug: an error outside any seed's reach.
      if (code !== 0 && !ended && kill === null)
        kill = { by: `simulator: the process ended: ${lastLine(errors)}`, seed }
      resolve(kill)
    })
  })
}

/** Runs all scenario files. One that never ends has failed. */
export async function checkScenarios(changed: Workspace, unchanged: Workspace): Promise<Kill | null> {
  const failed = await failedScenarios(changed)
  if (failed.length === 0) return null
  const anyhow = await failedScenarios(unchanged)
  const by = failed.find((name) => !anyhow.includes(name))
  return by === undefined ? null : { by: `scenario: ${by}`, seed: null }
}

async function failedScenarios(workspace: Workspace): Promise<string[]> {
  const { dir, dist } = workspace
  const plan: ScenarioPlan = { dist, directory: join(dir, 'fixtures', 'scenarios') }
  const args = [RUN, 'scenarios', JSON.stringify(plan)]
  const options = { cwd: dir, timeoutMs: SCENARIOS_HANG_MS }
  const { exitCode, output, timedOut } = await runProgram(process.execPath, args, options)
  const failed = output.split('\n').filter((line) => line !== '')
  if (timedOut) return [...failed, 'one that never ends']
  return exitCode === 0 ? failed : [...failed, 'the process that runs them']
}

/** Runs unit tests, one file after the other. */
export async function checkTests(
  changed: Workspace,
  unchanged: Workspace,
  tests: readonly TestBudget[],
): Promise<Kill | null> {
  for (const test of tests) {
    if ((await runTests(changed, test)).exitCode === 0) continue
    const { exitCode, output } = await runTests(unchanged, test)
    if (exitCode === 0)
      return { by: `test: ${test.file}${test.name === undefined ? '' : `: ${test.name}`}`, seed: null }
    if (test.name !== undefined)
      throw new KnhkError('InvalidFile', `${test.file}, ${test.name}: fails without any change\n${output}`)
  }
  return null
}

function runTests({ dir }: Workspace, { file, name }: TestBudget) {
  const vitest = join(createRequire(import.meta.url).resolve('vitest/package.json'), '..', 'vitest.mjs')
  const filter = name === undefined ? [] : ['-t', name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')]
  const args = [vitest, 'run', '--root', dir, '--reporter', 'dot', '--bail', '1', file, ...filter]
  return runProgram(process.execPath, args, { cwd: dir, timeoutMs: TESTS_HANG_MS })
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .find((line) => /error|assert/i.test(line)) ?? 'no word'
  )
}
