/**
 * Thousands of short runs of PBFT, each decided by its seed: lost, late and repeated messages, crashes
 * with half-finished writes, partitions. Honest replicas never execute different entries and never sign
 * twice (the cluster watches both at every step), and once the faults end everything is executed.
 */
import { describe, expect, it } from 'vitest'
import { run } from './pbft-random-run.js'

const RUNS = 300

describe('random faults', () => {
  it(`${RUNS} runs agree, sign once, and end`, () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        run(seed)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    expect(RUNS).toBeGreaterThan(0)
  })
})
