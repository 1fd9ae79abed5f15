/** A replica that signs nothing, because it may have forgotten what it signed: it follows, and waits for no view of its own. */
import { expect, it } from 'vitest'
import { pbftCluster } from './pbft-harness.js'

it('a silent replica that comes back between two views sits still until the others are in the next', () => {
  const cluster = pbftCluster()
  const first = cluster.submit()
  expect(cluster.runFor(20_000, () => cluster.executedBy(first))).toBe(true)
  cluster.runFor(1000)
  cluster.crash(cluster.node('n1'))
  let isLost = true
  cluster.intercept = (_from, _to, message) => (isLost && message.type === 'pbftNewView' ? [] : null)
  const second = cluster.submit()
  const hasLeft = (): boolean => cluster.node('n4').core.status().leader === null
  expect(cluster.runFor(20_000, hasLeft)).toBe(true)
  cluster.runFor(300)
  const node = cluster.node('n4')
  cluster.crash(node)
  cluster.damage(node, node.disk.lastIndex, node.disk.safety)
  const back = cluster.restart(node)
  // A quorum asks for a view, and nobody hears of it for many time-outs: a core that is due for ever would spin.
  cluster.runFor(20_000)
  expect(back.core.status()).toMatchObject({ mayVote: false, leader: null })
  expect(back.core.deadline()).toBeGreaterThan(cluster.nowMs)
  isLost = false
  cluster.restart(cluster.node('n1'))
  expect(cluster.runFor(60_000, () => cluster.executedBy(second))).toBe(true)
  expect(back.core.status().leader).not.toBeNull()
})
