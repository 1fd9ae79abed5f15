/**
 * Shows what a decision waits for when nothing else is going on: the writes of those who vote, one round after the
 * other, and not those of the leaders, which gave up beforehand to propose twice. In units of one write, where
 * messages take no time: three proposals with a write of their own would take over ten.
 */
import { expect, it } from 'vitest'
import { CALM } from './cluster.js'
import { begun } from './hotstuff-harness.js'

const DECISIONS = 60
const WRITE_MS = 20

it('a decision waits for about seven writes', () => {
  const cluster = begun()
  cluster.runFor(500)
  cluster.faults = { ...CALM, delayMaxMs: 0, storeMaxMs: 2 * WRITE_MS }
  let spentMs = 0
  for (let i = 0; i < DECISIONS; i++) {
    const sinceMs = cluster.nowMs
    const name = cluster.submit()
    const answers = () => cluster.honest.filter(({ id }) => cluster.watch.isExecuted(id, name)).length
    // A client believes f + 1.
    expect(cluster.runFor(5000, () => answers() >= 2)).toBe(true)
    spentMs += cluster.nowMs - sinceMs
    cluster.runFor(20 * WRITE_MS)
  }
  expect(spentMs / DECISIONS / WRITE_MS).toBeLessThan(8.5)
})
