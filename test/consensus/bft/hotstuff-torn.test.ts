/**
 * Shows that a HotStuff node goes on whose last write was cut behind an entry, as a long one can be that takes several
 * frames: the log is ahead of what the safety record says was committed last.
 */
import { expect, it } from 'vitest'
import { begun } from './hotstuff-harness.js'
import { crashAll, decide, restartAll } from './steps.js'

const IDS = ['n1', 'n2', 'n3', 'n4']

it.each(IDS)('%s alone, and it is needed then', (id) => {
  const cluster = begun({ batchMax: 1 })
  cluster.runFor(2000)
  const { disk } = cluster.node(id)
  disk.failpoint = 'afterEntries'
  cluster.submit()
  expect(cluster.runFor(20_000, () => !cluster.node(id).up)).toBe(true)
  expect(disk.lastIndex).toBe(2)
  cluster.runFor(5000)
  cluster.crash(cluster.node(id === 'n1' ? 'n2' : 'n1'))
  cluster.restart(cluster.node(id))
  decide(cluster, [id], 60_000)
})

it('all at once', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = begun({ seed, batchMax: 1 })
    cluster.runFor(2000)
    for (const id of IDS) cluster.node(id).disk.failpoint = 'afterEntries'
    const name = cluster.submit()
    cluster.runFor(20_000, () => IDS.filter((id) => cluster.node(id).up).length < 2)
    crashAll(cluster)
    for (const id of IDS) cluster.node(id).disk.failpoint = null
    restartAll(cluster)
    decide(cluster, IDS, 60_000)
    expect(cluster.executedBy(name)).toBe(true)
  }
})
