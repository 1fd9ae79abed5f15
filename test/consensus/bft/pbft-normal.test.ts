/** PBFT's normal case: all replicas decide the same requests, whatever their number, with a proof beside each entry. */
import { describe, expect, it } from 'vitest'
import { pbftCluster } from './pbft-harness.js'

describe('normal case', () => {
  it.each([4, 5, 6, 7])('%i replicas execute every request', (count) => {
    const cluster = pbftCluster({ count })
    cluster.runFor(50)
    const names = Array.from({ length: 40 }, () => cluster.submit())
    expect(cluster.runFor(2000, () => names.every((name) => cluster.executedBy(name)))).toBe(true)
    for (const node of cluster.honest) expect(node.core.status().view).toBe(0)
  })
})
