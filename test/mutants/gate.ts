/**
 * Judges: mutants of the catalogue, several at once, each worker in a copy of its own; or one outside
 * patch with everything there is, for as long as it is given.
 */
import { readFile } from 'node:fs/promises'
import { KnhkError } from '../../src/base/error.js'
import { checkScenarios, checkSeeds, checkTests, type Kill, type SeedOptions } from './checks.js'
import type { Mutant, TestBudget, Verdict } from './mutant.js'
import { applyPatch, assertChanged } from './patch.js'
import type { Judged } from './report.js'
import { Workspace } from './workspace.js'

/** Share of an outside patch's time that the simulator gets; the unit tests get the rest. */
const SIMULATOR_SHARE = 0.75
const FIRST_PATCH_SEED = 1
const SEEDS_MAX = 1_000_000
const CATALOGUE_LIMIT_MS = 600_000

/** The unit tests that see the engine. */
const ENGINE_TESTS: readonly TestBudget[] = ['consensus', 'storage', 'workflow', 'node', 'simulator'].map((room) => ({
  file: `test/${room}/`,
}))

export const CHECKS = ['simulator', 'scenarios', 'tests'] as const
export type Check = (typeof CHECKS)[number]

export interface GateOptions {
  readonly root: string
  /** The checks that may kill. */
  readonly checks: readonly Check[]
  readonly workers: number
  readonly onJudged: (judged: Judged) => void
}

/** Judges every mutant, in the order given. Throws `InvalidFile` where one does not fit the sources. */
export async function judgeMutants(mutants: readonly Mutant[], options: GateOptions): Promise<Judged[]> {
  const unchanged = await Workspace.copy(options.root)
  const copies: Workspace[] = [unchanged]
  const judged: Judged[] = []
  try {
    await unchanged.compile()
    for (const mutant of mutants) await (await unchanged.plant(mutant))()
    const waiting = [...mutants]
    const work = async (): Promise<void> => {
      const copy = await Workspace.copy(options.root)
      copies.push(copy)
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const one = { mutant, verdict: await judge(mutant, copy, unchanged, options.checks) }
        judged.push(one)
        options.onJudged(one)
      }
    }
    await Promise.all(Array.from({ length: Math.min(options.workers, mutants.length) }, work))
  } finally {
    for (const copy of copies) await copy.remove()
  }
  return judged.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant))
}

async function judge(
  mutant: Mutant,
  copy: Workspace,
  unchanged: Workspace,
  checks: readonly Check[],
): Promise<Verdict> {
  const startedMs = performance.now()
  const restore = await copy.plant(mutant)
  try {
    await copy.compile().catch((cause: unknown) => {
      throw new KnhkError('InvalidFile', `mutant ${mutant.id}: ${cause instanceof Error ? cause.message : ''}`)
    })
    return verdict(await firstKill(mutant, copy, unchanged, checks), startedMs)
  } finally {
    await restore()
  }
}

async function firstKill(
  { killedBy: { simulator, tests } }: Mutant,
  copy: Workspace,
  unchanged: Workspace,
  checks: readonly Check[],
): Promise<Kill | null> {
  if (simulator !== undefined && checks.includes('simulator')) {
    const { nodes, seeds, firstSeed = 1, protocol = 'raft', byzantine = 0 } = simulator
    const limits = { workers: 1, limitMs: CATALOGUE_LIMIT_MS }
    const kill = await checkSeeds(copy, unchanged, {
      protocol,
      byzantine,
      nodes: [nodes],
      seeds,
      firstSeed,
      ...limits,
    })
    if (kill !== null) return kill
  }
  const kill = checks.includes('scenarios') ? await checkScenarios(copy, unchanged) : null
  if (kill !== null || tests === undefined || !checks.includes('tests')) return kill
  return checkTests(copy, unchanged, tests)
}

/** Judges one diff. Throws `InvalidFile` where it cannot be used. */
export async function judgePatch(
  file: string,
  options: Omit<GateOptions, 'onJudged'> & { readonly minutes: number },
): Promise<Verdict> {
  const startedMs = performance.now()
  const limitMs = options.minutes * 60_000
  const unchanged = await Workspace.copy(options.root)
  const changed = await Workspace.copy(options.root)
  try {
    await applyPatch(changed, file)
    await assertChanged(changed, unchanged)
    await unchanged.compile()
    await changed.compile()
    const { checks } = options
    const scenario = checks.includes('scenarios') ? await checkScenarios(changed, unchanged) : null
    if (scenario !== null) return verdict(scenario, startedMs)
    const spentMs = performance.now() - startedMs
    const seedsMs = Math.max(1000, limitMs * SIMULATOR_SHARE - spentMs)
    const simulator = checks.includes('simulator')
      ? await firstSeedKill(changed, unchanged, await clustersFor(file), { workers: options.workers, seedsMs })
      : null
    const isOver = simulator !== null || !checks.includes('tests')
    return verdict(isOver ? simulator : await checkTests(changed, unchanged, ENGINE_TESTS), startedMs)
  } finally {
    await unchanged.remove()
    await changed.remove()
  }
}

type Clusters = Pick<SeedOptions, 'protocol' | 'byzantine' | 'nodes'>

const CLUSTERS: readonly Clusters[] = [
  { protocol: 'raft', byzantine: 0, nodes: [3, 5] },
  { protocol: 'pbft', byzantine: 1, nodes: [4, 5] },
  { protocol: 'hotstuff', byzantine: 1, nodes: [4, 5] },
  { protocol: 'hybrid', byzantine: 1, nodes: [4, 6] },
]

/** Those that a patch can harm: one of a protocol's own room, and of no other, harms no other. */
async function clustersFor(file: string): Promise<readonly Clusters[]> {
  const text = await readFile(file, 'utf8')
  const rooms = [...text.matchAll(/^\+\+\+ \S*src\/(consensus\/(?:raft|hybrid|bft\/pbft|bft\/hotstuff))?/gm)].map(
    ([, room]) => room,
  )
  const own = CLUSTERS.filter(({ protocol }) => rooms.some((room) => room?.endsWith(protocol)))
  return own.length > 0 && rooms.every((room) => room !== undefined) ? own : CLUSTERS
}

/** The time is shared evenly. */
async function firstSeedKill(
  changed: Workspace,
  unchanged: Workspace,
  clusters: readonly Clusters[],
  { workers, seedsMs }: { readonly workers: number; readonly seedsMs: number },
): Promise<Kill | null> {
  for (const cluster of clusters) {
    const seeds = { ...cluster, firstSeed: FIRST_PATCH_SEED, seeds: SEEDS_MAX, workers }
    const kill = await checkSeeds(changed, unchanged, { ...seeds, limitMs: seedsMs / clusters.length })
    if (kill !== null) return kill
  }
  return null
}

function verdict(kill: Kill | null, startedMs: number): Verdict {
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  return { killed: kill !== null, by: kill?.by ?? null, seed: kill?.seed ?? null, seconds }
}
