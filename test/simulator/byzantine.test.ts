/**
 * Shows that production nodes keep the promises of PBFT, HotStuff and the hybrid while up to f of them lie,
 * crash, and lose disks; that every lie is told across a batch of seeds, views and protocols change and
 * evidence is found; and that a seed decides everything.
 */
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { LIES } from '../../src/simulator/byzantine/lies.js'
import { runCampaign } from '../../src/simulator/campaign.js'
import { addFaults, noFaults } from '../../src/simulator/fault-counts.js'
import { planOf } from '../../src/simulator/plan-choice.js'
import { runPlan, runSeed } from '../../src/simulator/run-seed.js'
import { formatTraceEvent } from '../../src/simulator/trace.js'

const PROTOCOLS = ['pbft', 'hotstuff', 'hybrid'] as const
const SEEDS = 4
/** Of the member that leads first in the run with one lie: elections of the hybrid's Raft decide that. */
const FIRST = { pbft: 0, hotstuff: 0, hybrid: 1 } as const

describe.each(PROTOCOLS)('%s', (protocol) => {
  const struck = noFaults()

  it('keeps its promises with liars, and all seeds count', { timeout: 300_000 }, async () => {
    const details: string[] = []
    const report = await runCampaign({
      protocol,
      byzantine: 1,
      nodes: [4, 5],
      firstSeed: 1,
      seeds: SEEDS,
      workers: 1,
      onSeed: ({ seed, violation }) => {
        if (violation !== null) details.push(`seed ${seed}: ${violation.invariant}: ${violation.detail}`)
      },
    })
    expect(details).toEqual([])
    expect(report.counted).toBe(SEEDS)
    expect(report.viewChanges).toBeGreaterThan(SEEDS)
    if (protocol === 'hybrid') expect(report.switches).toBeGreaterThan(1)
    else expect(report.switches).toBeNull()
    addFaults(struck, report.faults)
  })

  // One liar, one lie, from the first moment to the last: the others go on.
  it.each(LIES)('bears a member that goes in for %s', { timeout: 120_000 }, async (lie) => {
    const plan = planOf({ protocol, seed: 77, nodes: 4, byzantine: 1 })
    const faults = Array.from({ length: 40 }, (_, at) => ({
      atMs: 20 + at * 150,
      strike: lie,
      target: FIRST[protocol],
      detail: at,
    }))
    const shorter = {
      ...plan,
      liars: [FIRST[protocol]],
      lastLies: [lie],
      faults,
      requestTimeoutMs: 200,
      faultsForMs: 1500,
      clients: 2,
    }
    const result = await runPlan({ plan: { ...shorter, commitsMin: 30 }, sha256 })
    expect(result.violation).toBeNull()
    addFaults(struck, result.faults)
  })

  it('has seen every lie', () => {
    expect(LIES.filter((lie) => struck[lie] === 0)).toEqual([])
  })

  it('is decided by its seed', { timeout: 120_000 }, async () => {
    const run = async () => {
      const lines: string[] = []
      const onTrace = (event: Parameters<typeof formatTraceEvent>[0]) => void lines.push(formatTraceEvent(event))
      const { commits } = await runSeed({ protocol, seed: 11, nodes: 4, byzantine: 1, sha256, onTrace })
      return { commits, trace: lines.join('\n') }
    }
    const first = await run()
    const second = await run()
    expect(second.trace === first.trace).toBe(true)
    expect(second.commits).toBe(first.commits)
  })
})
