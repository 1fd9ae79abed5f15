/**
 * Short runs of PBFT, each decided by its seed: lost, late and repeated messages, crashes with
 * half-finished writes, partitions, compaction, and in half of the runs as many liars as the cluster
 * tolerates. Honest replicas never execute different entries and never sign twice (the cluster watches
 * both at every step), and once the faults end everything is executed.
 */
import { describe, expect, it } from 'vitest'
import { run } from './pbft-random-run.js'
import { everySeed } from './steps.js'

/** A longer campaign: `PBFT_RUNS=5000 npx vitest run test/consensus/bft/pbft-random.test.ts`. */
const RUNS = Number(process.env.PBFT_RUNS ?? 60)

function campaign(liars: boolean): number {
  let entries = 0
  everySeed(1, RUNS, (seed) => {
    entries += run({ seed, liars }).watch.log.length
  })
  return entries
}

describe('random faults', () => {
  it('honest replicas agree, sign once, and go on', { timeout: 3_600_000 }, () => {
    expect(campaign(false)).toBeGreaterThan(RUNS)
  })

  it('liars change nothing of that', { timeout: 3_600_000 }, () => {
    expect(campaign(true)).toBeGreaterThan(RUNS)
  })
})
