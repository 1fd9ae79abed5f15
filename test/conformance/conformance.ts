/** Runs the conformance suite, one test for each requirement, against simulated clusters of one protocol. */
import { describe, test } from 'vitest'
import {
  CONFORMANCE,
  conform,
  type SimulatedConformanceOptions,
  simulatedCluster,
} from '../../src/conformance/index.js'

export function conformanceTests(options: SimulatedConformanceOptions): void {
  describe(`${options.nodes} members of ${options.protocol}`, () => {
    for (const requirement of CONFORMANCE) {
      test(requirement.name, () => conform(requirement, (needs) => simulatedCluster(options, needs)), 60_000)
    }
  })
}
