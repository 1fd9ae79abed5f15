/**
 * The plan of a run of the hybrid: that of any Byzantine protocol, and how the protocol is to change. In some
 * seeds nobody orders anything and only lies end an epoch; in others an operator orders a Byzantine
 * protocol once, or goes back and forth. Most switches are struck at one of their steps.
 */
import { planByzantineRun } from '../byzantine/plan.js'
import type { PlannedFault, RunPlan, Strike } from '../plan.js'
import { SeededRandom } from '../random.js'
import type { SwitchStrike } from './strikes.js'

/** A stream of chance beside those of every Byzantine run. */
const SWITCH_STREAM = 3100
const AIMED: readonly SwitchStrike[] = ['crashInSwitch', 'crashInSwitch', 'partitionInSwitch', 'powerCutInSwitch']
const AIMED_SHARE = 0.7
/** An order strikes this long after what is armed for it. */
const AIMED_BEFORE_MS = 5
const FIRST_MAX_MS = 3000
const BACK_AND_FORTH_MAX = 12

export function planHybridRun(seed: number, nodes: number, byzantine: number): RunPlan {
  const plan = planByzantineRun('hybrid', seed, nodes, byzantine)
  const random = new SeededRandom(seed, SWITCH_STREAM)
  const faults = [...plan.faults, ...planSwitches(random, nodes + plan.spares)].sort((a, b) => a.atMs - b.atMs)
  return { ...plan, faults }
}

function planSwitches(random: SeededRandom, nodes: number): PlannedFault[] {
  const faults: PlannedFault[] = []
  const add = (atMs: number, strike: Strike): void => {
    const target = random.chance(0.4) ? 'leader' : random.between(0, nodes - 1)
    faults.push({ atMs, strike, target, detail: random.between(0, 2 ** 31) })
  }
  const course = random.next()
  let atMs = random.between(200, FIRST_MAX_MS)
  // Only lies end the epoch: whatever is armed waits for them.
  if (course < 0.3) {
    add(random.between(20, 300), random.pick(AIMED))
    return faults
  }
  const orders = course < 0.6 ? 1 : random.between(2, BACK_AND_FORTH_MAX)
  for (let count = 0; count < orders; count++) {
    if (random.chance(AIMED_SHARE)) add(atMs, random.pick(AIMED))
    if (count % 2 === 1 && random.chance(0.7)) add(atMs, 'clearThreat')
    add(atMs + AIMED_BEFORE_MS, count % 2 === 0 ? 'orderByzantine' : 'orderRaft')
    atMs += random.between(150, 2500)
  }
  return faults
}
