/**
 * The conformance suite: what every protocol owes its users, one list for Raft, PBFT and HotStuff, and for
 * whatever comes. A runner makes one test of each requirement:
 *
 *     for (const requirement of CONFORMANCE)
 *       test(requirement.name, () => conform(requirement, (needs) => simulatedCluster({ protocol: 'pbft', nodes: 4 }, needs)))
 *
 * Clusters of other makes, such as real processes, offer `ClusterUnderTest`.
 */
import type { Requirement } from './requirement.js'
import { CATCHING_UP } from './requirements/catching-up.js'
import { CRASHES } from './requirements/crashes.js'
import { ORDERING } from './requirements/ordering.js'
import { PARTITIONS } from './requirements/partitions.js'
import { READS } from './requirements/reads.js'
import { REFUSALS } from './requirements/refusals.js'

export type { ClusterNeeds, ClusterUnderTest } from './cluster-under-test.js'
export { conform, type Requirement } from './requirement.js'
export { type SimulatedConformanceOptions, simulatedCluster } from './simulated/cluster.js'

export const CONFORMANCE: readonly Requirement[] = [
  ...ORDERING,
  ...READS,
  ...CRASHES,
  ...PARTITIONS,
  ...CATCHING_UP,
  ...REFUSALS,
]
