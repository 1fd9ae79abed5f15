/**
 * Short runs of the hybrid, each decided by its seed: n = 4 … 10, lost, late and repeated messages, crashes
 * with half-finished writes at every step of a switch, partitions, and in half of the runs as many liars as
 * the cluster tolerates, leaders with two histories among them. Watched at every step: honest members
 * execute the same entries to the same states and never one that is cut again, they never release two
 * signatures for one slot, and nobody accuses them; once the faults end, everything is executed.
 */
import { describe, expect, it } from 'vitest'
import type { CoreStatus } from '../../../src/consensus/core.js'
import { everySeed } from '../bft/steps.js'
import { run } from './random-run.js'

/** A longer campaign: `HYBRID_RUNS=2000 npx vitest run test/consensus/hybrid/random.test.ts`. */
const RUNS = Number(process.env.HYBRID_RUNS ?? 10)
const FIRST = Number(process.env.HYBRID_FIRST ?? 1)

function campaign(liars: boolean): { readonly switches: number; readonly returns: number; readonly evidence: number } {
  let switches = 0
  let returns = 0
  let evidence = 0
  everySeed(FIRST, RUNS, (seed) => {
    const cluster = run({ seed, liars })
    if (cluster.honest.some((node) => node.core.status().epoch > 0)) switches++
    if (cluster.honest.some((node) => hasReturned(node.core.status()))) returns++
    evidence += cluster.watch.evidence.length
  })
  return { switches, returns, evidence }
}

const hasReturned = ({ mode, epoch }: CoreStatus): boolean => mode === 'raft' && epoch > 1

describe('random faults', () => {
  it('honest members agree, sign once, and go on over the switch', { timeout: 3_600_000 }, () => {
    const { switches, returns } = campaign(false)
    expect(switches).toBeGreaterThan(0)
    expect(returns).toBeGreaterThan(0)
  })

  it('liars change nothing of that', { timeout: 3_600_000 }, () => {
    const { switches, evidence } = campaign(true)
    expect(switches).toBeGreaterThan(0)
    expect(evidence).toBeGreaterThan(0)
  })
})
