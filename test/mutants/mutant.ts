/**
 * What a planted bug is: one exact replacement in one source file, the pitfall it stands for, and the
 * checks that must notice it within a stated budget. The catalogue is in `catalogue/`, one file per
 * part of the engine.
 */

import type { SimProtocol } from '../../src/simulator/plan.js'

/** Seeds of the simulator, tried in order until one breaks a promise. */
export interface SimulatorBudget {
  /** Plain Raft where absent. */
  readonly protocol?: SimProtocol
  /** Members that may lie; 0 if absent. */
  readonly byzantine?: number
  readonly nodes: number
  readonly seeds: number
  /** First seed; 1. A seed that is known to notice is put first, the budget stays. */
  readonly firstSeed?: number
}

/** One unit test file, or the tests in it whose names contain `name`. */
export interface TestBudget {
  /** Relative to the root of the repository. */
  readonly file: string
  readonly name?: string
}

/**
 * How a mutant is to be caught: by simulator seeds, by any of the scenario files, by unit tests. They are
 * tried in this order; the first check that fails has killed it.
 */
export interface KillBudget {
  readonly simulator?: SimulatorBudget
  readonly tests?: readonly TestBudget[]
}

export interface Mutant {
  readonly id: string
  /** What the code does wrong now. */
  readonly title: string
  /** The pitfall that it stands for. */
  readonly pitfall: string
  /** Relative to the root of the repository. */
  readonly file: string
  /** Exact source text that occurs once in the file. */
  readonly find: string
  readonly replace: string
  readonly killedBy: KillBudget
}

/** What became of one mutant, or of an outside patch. */
export interface Verdict {
  readonly killed: boolean
  /** The check that failed: `simulator: invariant`, `scenario: name`, `test: file`; null for a survivor. */
  readonly by: string | null
  /** The seed that failed, where the simulator killed. */
  readonly seed: number | null
  readonly seconds: number
}
