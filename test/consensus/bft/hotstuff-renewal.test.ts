/**
 * Shows that blocks which come and go without an entry fill no log: now and then a replica writes what is live of them
 * once more and lets go of the rest, and what is live is enough to go on with after a restart of all.
 */
import { expect, it } from 'vitest'
import { epoch, nodeId } from '../../../src/consensus/types.js'
import { targetOf } from '../engine.js'
import { begun } from './hotstuff-harness.js'
import { replicasNamed } from './keys.js'
import { crashAll, decide, leaderOf, restartAll } from './steps.js'

/** Well above what stands there at a time, well below what so many rounds write. */
const RECORDS_MAX = 40
const THREE = ['n1', 'n2', 'n3']

it('the log of an idle cluster in which rounds go on stays bounded, and it goes on after a restart', () => {
  const cluster = begun({ count: 5, batchMax: 1, limits: { blockRecordsMax: RECORDS_MAX, keptBlocksMax: 8 } })
  // The steps between epochs stand among the blocks, and stay.
  cluster.order(leaderOf(cluster), targetOf(replicasNamed([...THREE, 'n4'])))
  expect(cluster.runFor(30_000, () => THREE.every((id) => cluster.node(id).core.status().epoch === 1))).toBe(true)
  decide(cluster, [...THREE, 'n4'])
  cluster.runFor(2000)
  const { disk } = cluster.node('n1')
  const before = cluster.node('n1').executed
  let most = 0
  for (let at = 0; at < 3 * RECORDS_MAX; at++) {
    for (const to of THREE) cluster.inject(nodeId('n4'), nodeId(to), { type: 'hsRejoin', epoch: epoch(1), nonce: 1 })
    cluster.runFor(2100)
    most = Math.max(most, disk.pending.length)
  }
  expect(cluster.node('n1').executed).toBe(before)
  expect(cluster.node('n1').core.status().round).toBeGreaterThan(3 * RECORDS_MAX)
  expect(most).toBeLessThan(2 * RECORDS_MAX)
  const steps = disk.pending.filter(({ index }) => index === Number.MAX_SAFE_INTEGER)
  expect(steps.length).toBe(1)
  crashAll(cluster)
  restartAll(cluster)
  decide(cluster, [...THREE, 'n4'], 60_000)
})
