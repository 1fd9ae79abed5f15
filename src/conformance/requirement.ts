/**
 * One thing that every protocol owes its users, as a name and a check. A check uses the client library and
 * fails by throwing, so any test runner can run it.
 */
import { deepStrictEqual } from 'node:assert/strict'
import type { ClusterNeeds, ClusterUnderTest } from './cluster-under-test.js'

export interface Requirement {
  /** A sentence. */
  readonly name: string
  readonly needs?: Partial<ClusterNeeds>
  /** Throws an `AssertionError`, or a `KnhkError` of the client library, where the cluster falls short. */
  check(cluster: ClusterUnderTest): Promise<void>
}

const NEEDS: ClusterNeeds = { compactEveryEntries: null }

/**
 * Checks one requirement against a cluster of its own, made by `make` and closed afterwards. In the end no
 * member may have stopped by itself.
 */
export async function conform(
  requirement: Requirement,
  make: (needs: ClusterNeeds) => Promise<ClusterUnderTest>,
): Promise<void> {
  const cluster = await make({ ...NEEDS, ...requirement.needs })
  try {
    await requirement.check(cluster)
    deepStrictEqual(cluster.faults(), [], 'members stopped by themselves')
  } finally {
    await cluster.close()
  }
}
