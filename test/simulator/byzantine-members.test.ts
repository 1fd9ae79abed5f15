/**
 * Shows Byzantine clusters whose members change while others lie and disks fail: epochs come and go, joiners catch
 * up, nobody is left behind, in a hybrid's epochs of Raft as in those of other protocols; a replica whose newest
 * acknowledged writes are gone without a trace counts as one of the f, whatever it then says; and one run in a
 * hundred, decided by its seed, signs with Ed25519.
 */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { planByzantineRun } from '../../src/simulator/byzantine/plan.js'
import { planHybridRun } from '../../src/simulator/hybrid/plan.js'
import type { PlannedFault, RunPlan } from '../../src/simulator/plan.js'
import { runPlan, type SeedResult } from '../../src/simulator/run-seed.js'

const PROTOCOLS = ['pbft', 'hotstuff'] as const
/** Of so many runs with nodes beside the first members some change members; of a hybrid under Raft, and under another protocol. */
const RUNS_MAX = { short: 5, hybrid: 10 }

interface Told {
  readonly result: SeedResult
  /** The newest epoch of anybody. */
  readonly epoch: number
}

async function run(plan: RunPlan): Promise<Told> {
  let epoch = 0
  const result = await runPlan({
    plan,
    sha256,
    onTrace: ({ kind, fields }) => {
      if (kind === 'epoch') epoch = Math.max(epoch, Number(fields.epoch))
    },
  })
  return { result, epoch }
}

/** A short run of four members; `strike` instead of every fault that has no liar. */
function shortened(plan: RunPlan, strike: PlannedFault['strike'] | null): RunPlan {
  const faults = plan.faults.map((fault) => (strike === null ? fault : { ...fault, strike }))
  return { ...plan, faults, faultsForMs: 2500, commitsMin: 60, realSignatures: false }
}

/** The first plans, by seed, with nodes beside the first members. */
function* plansWithSpares(planOf: (seed: number) => RunPlan, count: number): Generator<RunPlan> {
  for (let seed = 1, found = 0; found < count; seed++) {
    const plan = planOf(seed)
    if (plan.spares === 0) continue
    found++
    yield plan
  }
}

test.each(PROTOCOLS)('%s: the members change under faults and lies', { timeout: 120_000 }, async (protocol) => {
  let epochs = 0
  for (const plan of plansWithSpares((seed) => planByzantineRun(protocol, seed, 4, 1), RUNS_MAX.short)) {
    const { result, epoch } = await run(shortened(plan, null))
    expect(result.violation, `seed ${plan.seed}`).toBeNull()
    epochs += epoch
    if (epochs > 0) break
  }
  expect(epochs).toBeGreaterThan(0)
})

interface Epoch {
  readonly mode: string
  readonly members: string
}

test('hybrid: the members change under faults and lies, whatever protocol decides it', {
  timeout: 600_000,
}, async () => {
  const changedIn = new Set<string>()
  for (const plan of plansWithSpares((seed) => planHybridRun(seed, 4, 1), RUNS_MAX.hybrid)) {
    if (changedIn.size === 2) break
    const epochs: Epoch[] = [{ mode: 'raft', members: 'n1 n2 n3 n4' }]
    const { violation } = await runPlan({
      plan: { ...plan, realSignatures: false },
      sha256,
      onTrace: ({ kind, fields }) => {
        if (kind === 'epoch')
          epochs[Number(fields.epoch)] ??= { mode: String(fields.mode), members: String(fields.members) }
      },
    })
    expect(violation, `seed ${plan.seed}`).toBeNull()
    epochs.forEach(({ members }, at) => {
      const before = epochs[at - 1]
      if (before !== undefined && before.members !== members)
        changedIn.add(before.mode === 'raft' ? 'raft' : 'byzantine')
    })
  }
  expect([...changedIn].sort()).toEqual(['byzantine', 'raft'])
})

test.each(PROTOCOLS)('%s: a lost tail is borne as a lie is', { timeout: 120_000 }, async (protocol) => {
  const plan = planByzantineRun(protocol, 12, 4, 0)
  const { result } = await run(shortened(plan, 'lostTail'))
  expect(result.violation).toBeNull()
  expect(result.faults.lostWrite).toBeGreaterThan(0)
})

test.each(PROTOCOLS)('%s: signs as in production where the plan says so', { timeout: 120_000 }, async (protocol) => {
  const plan = planByzantineRun(protocol, 3, 4, 1)
  const { result } = await run({ ...shortened(plan, null), faultsForMs: 500, commitsMin: 20, realSignatures: true })
  expect(result.violation).toBeNull()
  expect(result.realSignatures).toBe(true)
})

test('one seed of each hundred is chosen for real signatures, whatever the size', () => {
  const lots = [0, 1, 2, 3].map((lot) =>
    Array.from({ length: 100 }, (_, at) => lot * 100 + at).filter((seed) => {
      const { realSignatures } = planByzantineRun('pbft', seed, 4, 1)
      expect(planByzantineRun('hotstuff', seed, 7, 2).realSignatures).toBe(realSignatures)
      return realSignatures
    }),
  )
  for (const chosen of lots) expect(chosen).toHaveLength(1)
  expect(new Set(lots.map(([seed]) => (seed as number) % 100)).size).toBeGreaterThan(1)
})
