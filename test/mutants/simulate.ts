/**
 * The program that runs simulator seeds over a compiled copy, one process per campaign, so that a bug
 * that never ends or takes all memory harms nothing else. It writes one JSON line per seed. A seed that
 * fails in the copy is run again over the unchanged code: only what that survives tells of the change.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { SimProtocol } from '../../src/simulator/plan.js'

type Judge = (seed: number, nodes: number) => Promise<string | null>
type Campaign = typeof import('../../src/simulator/campaign.js')

export interface SeedPlan {
  readonly protocol: SimProtocol
  readonly byzantine: number
  /** Compiled directories: with the change, and without. */
  readonly changed: string
  readonly unchanged: string
  /** Cluster sizes, taken in turn. */
  readonly nodes: readonly number[]
  readonly firstSeed: number
  readonly seeds: number
  /** Seeds between two of this process. */
  readonly stride: number
}

/** One line of output. */
export interface SeedLine {
  readonly seed: number
  readonly nodes: number
  readonly invariant: string | null
  /** The unchanged code fails too: the seed says nothing. */
  readonly failsUnchanged: boolean
}

/** Ends at the first seed that tells the two apart. */
export async function simulateSeeds(plan: SeedPlan): Promise<void> {
  // Without the change it has to run at all, or nothing can be said.
  const unchanged = await load(plan.unchanged, plan)
  const changed = await load(plan.changed, plan).catch(
    (error: unknown) => async () => `cannot be loaded: ${String(error)}`,
  )
  for (let at = 0; at < plan.seeds; at++) {
    const seed = plan.firstSeed + at * plan.stride
    const nodes = plan.nodes[at % plan.nodes.length] as number
    const invariant = await changed(seed, nodes)
    const failsUnchanged = invariant !== null && (await unchanged(seed, nodes)) !== null
    const line: SeedLine = { seed, nodes, invariant, failsUnchanged }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    if (invariant !== null && !failsUnchanged) return
  }
}

/** Gives the invariant that a seed breaks, null for none. */
async function load(dist: string, { protocol, byzantine }: SeedPlan): Promise<Judge> {
  const { runCampaign } = (await import(pathToFileURL(join(dist, 'simulator', 'campaign.js')).href)) as Campaign
  return async (seed, nodes) => {
    try {
      const { violations } = await runCampaign({
        protocol,
        byzantine,
        nodes: [nodes],
        firstSeed: seed,
        seeds: 1,
        workers: 1,
      })
      return violations[0]?.invariant ?? null
    } catch (error) {
      return `noException: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}
