/**
 * Shows replicas of both Byzantine protocols whose disks are damaged and whose states rot again and again: none
 * takes what is damaged for sound, none signs twice for what it forgot, all come to one state, and clients are
 * served meanwhile.
 */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import { planByzantineRun } from '../../src/simulator/byzantine/plan.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { runPlan } from '../../src/simulator/run-seed.js'

const DAMAGE = ['bitRot', 'misdirectedWrite', 'stateRot'] as const
const MIX_STREAM = 77
const SEED = 12

test.each(['pbft', 'hotstuff'] as const)(
  '%s bears damage of one member at a time',
  async (protocol) => {
    const plan = planByzantineRun(protocol, SEED, 4, 0)
    const random = new SeededRandom(SEED, MIX_STREAM)
    const faults = plan.faults.map((fault) => (random.chance(0.5) ? { ...fault, strike: random.pick(DAMAGE) } : fault))
    const result = await runPlan({ plan: { ...plan, faults, faultsForMs: 4000 }, sha256 })
    expect(result.violation).toBeNull()
    expect(result.counted).toBe(true)
    expect(result.faults.bitRot + result.faults.misdirectedWrite).toBeGreaterThan(0)
  },
  60_000,
)
