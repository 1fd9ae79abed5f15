/**
 * Shows in one seed what the long campaign shows in many: a cluster of the hybrid keeps its promises while a
 * member lies and epochs end under faults, there and back, `switches` counts the epochs that were entered, and a plan that
 * was saved is read back with the strikes that only a hybrid has. SWITCH_STRIKES all occur in plans.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runCampaign } from '../../src/simulator/campaign.js'
import { formatCase, readCase } from '../../src/simulator/case-file.js'
import { planHybridRun } from '../../src/simulator/hybrid/plan.js'
import { SWITCH_STRIKES } from '../../src/simulator/hybrid/strikes.js'

it('keeps its promises, and tells how often the protocol changed', { timeout: 120_000 }, async () => {
  const details: string[] = []
  const report = await runCampaign({
    protocol: 'hybrid',
    byzantine: 1,
    nodes: [4],
    firstSeed: 102,
    seeds: 1,
    workers: 1,
    onSeed: ({ seed, violation }) => {
      if (violation !== null) details.push(`seed ${seed}: ${violation.invariant}: ${violation.detail}`)
    },
  })
  expect(details).toEqual([])
  expect(report.switches).toBeGreaterThan(0)
})

it('plans every strike at a switch, and a saved plan is the same', async () => {
  const plans = Array.from({ length: 40 }, (_, at) => planHybridRun(at + 1, 4 + (at % 7), 3))
  const struck = new Set<string>(plans.flatMap(({ faults }) => faults.map(({ strike }) => strike)))
  expect(SWITCH_STRIKES.filter((strike) => !struck.has(strike))).toEqual([])
  const directory = mkdtempSync(join(tmpdir(), 'knhk-hybrid-'))
  const path = join(directory, 'case.json')
  for (const plan of plans.slice(0, 5)) {
    writeFileSync(path, formatCase(plan))
    expect(await readCase(path)).toEqual(plan)
  }
  rmSync(directory, { recursive: true })
})
