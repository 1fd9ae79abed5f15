/** Which run is meant: a protocol, a size, how many may lie, and a seed. */
import { planByzantineRun } from './byzantine/plan.js'
import { planHybridRun } from './hybrid/plan.js'
import { planRun, type RunPlan, type SimProtocol } from './plan.js'

export interface PlanChoice {
  readonly seed: number
  readonly nodes: number
  /** Plain Raft where absent. */
  readonly protocol?: SimProtocol
  /** Members that may lie, as far as the protocol bears as many; 0 if absent. */
  readonly byzantine?: number
}

/** The same choice gives the same plan. */
export function planOf({ seed, nodes, protocol = 'raft', byzantine = 0 }: PlanChoice): RunPlan {
  if (protocol === 'raft') return planRun(seed, nodes)
  if (protocol === 'hybrid') return planHybridRun(seed, nodes, byzantine)
  return planByzantineRun(protocol, seed, nodes, byzantine)
}
