/**
 * `npm run test:mutants`: plants the bugs of the catalogue, one at a time, in a copy of the sources, and
 * asks the checks to find them. Exit code 0: all were; 10: one survived; 2: the catalogue or a patch
 * does not fit the sources.
 *
 *   npm run test:mutants -- [--id ID]… [--workers N] [--check NAME]… [--update] [--json]
 *   npm run test:mutants -- --patch FILE [--minutes N] [--workers N] [--check NAME]… [--json]
 *
 * The checks are simulator, scenarios and tests; all of them where none is named.
 */
import { readdirSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { KnhkError } from '../../src/base/error.js'
import { CATALOGUE } from './catalogue/index.js'
import { CHECKS, type Check, judgeMutants, judgePatch } from './gate.js'
import { matrixPage, matrixText } from './report.js'
import { runScenarios, type ScenarioPlan } from './scenarios.js'
import { type SeedPlan, simulateSeeds } from './simulate.js'
import { COPY_PREFIX } from './workspace.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PAGE = 'docs/testing/mutants.md'
const EXIT = { killed: 0, usage: 2, survived: 10 } as const
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const

const OPTIONS = {
  id: { type: 'string', multiple: true },
  patch: { type: 'string' },
  minutes: { type: 'string', default: '5' },
  workers: { type: 'string', default: String(availableParallelism()) },
  check: { type: 'string', multiple: true },
  update: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

async function main(args: readonly string[]): Promise<number> {
  const [program, ...rest] = args
  if (program === 'seeds') return simulateSeeds(JSON.parse(rest[0] ?? '') as SeedPlan).then(() => 0)
  if (program === 'scenarios') return runScenarios(JSON.parse(rest[0] ?? '') as ScenarioPlan).then(() => 0)
  const { values } = readOptions(args)
  const workers = atLeast(values.workers, 'workers', 1)
  const checks = chosenChecks(values.check ?? [])
  if (values.patch !== undefined) {
    const minutes = atLeast(values.minutes, 'minutes', 0.01)
    const verdict = await judgePatch(values.patch, { root: ROOT, workers, minutes, checks })
    const { killed, by, seconds } = verdict
    const text = killed ? `killed by ${by}, ${seconds} s\n` : `survived, ${seconds} s\n`
    process.stdout.write(values.json ? `${JSON.stringify(verdict, null, 2)}\n` : text)
    return killed ? EXIT.killed : EXIT.survived
  }
  const mutants = chosen(values.id ?? [])
  const judged = await judgeMutants(mutants, {
    root: ROOT,
    workers,
    checks,
    onJudged: (one) => void process.stderr.write(matrixText([one]).split('\n', 1).join('\n').concat('\n')),
  })
  const rows = judged.map(({ mutant, verdict }) => ({ id: mutant.id, ...verdict }))
  process.stdout.write(values.json ? `${JSON.stringify(rows, null, 2)}\n` : matrixText(judged))
  if (values.update) await writeFile(join(ROOT, PAGE), matrixPage(judged, 'npm run test:mutants -- --update'))
  return rows.every(({ killed }) => killed) ? EXIT.killed : EXIT.survived
}

function readOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS })
  } catch (cause) {
    throw new KnhkError('InvalidArgument', cause instanceof Error ? cause.message : String(cause))
  }
}

function chosen(ids: readonly string[]) {
  for (const id of ids) {
    if (!CATALOGUE.some((mutant) => mutant.id === id))
      throw new KnhkError('InvalidArgument', `there is no mutant ${id}`)
  }
  return ids.length === 0 ? CATALOGUE : CATALOGUE.filter(({ id }) => ids.includes(id))
}

function chosenChecks(names: readonly string[]): readonly Check[] {
  for (const name of names) {
    if (!CHECKS.some((check) => check === name)) throw new KnhkError('InvalidArgument', `there is no check ${name}`)
  }
  return names.length === 0 ? CHECKS : CHECKS.filter((check) => names.includes(check))
}

function atLeast(text: string, name: string, least: number): number {
  const value = Number(text)
  if (!(value >= least)) throw new KnhkError('InvalidArgument', `--${name} is a number of at least ${least}`)
  return value
}

/** An interrupted gate leaves no copies behind; what runs in them ends with its next line of output. */
function leaveNothing(): void {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(COPY_PREFIX)))
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
}

for (const [signal, code] of Object.entries(INTERRUPTED))
  process.once(signal, () => {
    leaveNothing()
    process.exit(code)
  })
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof KnhkError) || !['InvalidFile', 'InvalidArgument'].includes(error.code)) throw error
  const wantsJson = process.argv.includes('--json')
  const { code, message } = error
  if (wantsJson) process.stdout.write(`${JSON.stringify({ error: { code, message } }, null, 2)}\n`)
  else process.stderr.write(`${message}\n`)
  process.exitCode = EXIT.usage
}
