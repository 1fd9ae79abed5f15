/** Scratch. */
import { test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { runPlan } from '../../src/simulator/run-seed.js'
import { planByzantineRun } from '../../src/simulator/byzantine/plan.js'
import { SeededRandom } from '../../src/simulator/random.js'
test('try', async () => {
  const end = performance.now() + Number(process.env.TRY_MS ?? 60000)
  for (let seed = Number(process.env.TRY_SEED ?? 1); performance.now() < end; seed++) for (const protocol of ['hotstuff', 'hotstuff', 'pbft'] as const) {
    if (performance.now() > end) break
    const base = planByzantineRun(protocol, seed, 4, 0)
    const random = new SeededRandom(seed, 77)
    const faults = base.faults.map((f) => ({ ...f, strike: random.chance(0.5) ? random.chance(0.5) ? 'bitRot' as const : 'misdirectedWrite' as const : f.strike }))
    const t = performance.now()
    const r = await runPlan({ plan: { ...base, faults, faultsForMs: 4000 }, sha256 })
    console.log(protocol, seed, base.nodes, r.violation === null ? 'ok' : JSON.stringify(r.violation).slice(0, 900), 'commits', r.commits, 'rot', r.faults.bitRot, 'installs', r.snapshotInstalls, Math.round(performance.now() - t))
  }
}, 600000)
