/**
 * Shows that views which come and go without a decision fill no log: now and then a replica writes what is live of
 * its slots once more and lets go of the rest, and what is live is enough to go on with after a restart of all.
 */
import { expect, it } from 'vitest'
import { pbftCluster } from './pbft-harness.js'

/** Well above what stands there at a time, well below what so many views write. */
const RECORDS_MAX = 200
const PENDING_MAX = 2 * RECORDS_MAX

it('the log of a cluster that decides nothing for a hundred views stays bounded, and it goes on after a restart', () => {
  const cluster = pbftCluster({
    batchMax: 1,
    settings: { requestTimeoutMs: 40, requestTimeoutMaxMs: 40 },
    limits: { slotRecordsMax: RECORDS_MAX },
  })
  cluster.runFor(100)
  let written = 0
  let most = 0
  cluster.intercept = (_from, _to, message) => {
    most = Math.max(most, cluster.node('n3').disk.pending.length)
    return message.type === 'pbftVote' && message.vote.type === 'commit' ? [] : null
  }
  const { disk } = cluster.node('n3')
  const write = disk.write.bind(disk)
  disk.write = (records) => {
    written += records.filter(({ kind }) => kind === 'slot').length
    write(records)
  }
  const names = Array.from({ length: 4 }, () => cluster.submit())
  expect(cluster.runFor(600_000, () => written > 5 * PENDING_MAX)).toBe(true)
  expect(most).toBeLessThan(PENDING_MAX)
  expect(cluster.node('n3').executed).toBe(1)
  cluster.intercept = () => null
  for (const node of [...cluster.nodes.values()]) cluster.crash(node)
  for (const node of [...cluster.nodes.values()]) cluster.restart(node)
  expect(cluster.runFor(60_000, () => names.every((name) => cluster.executedBy(name)))).toBe(true)
})
