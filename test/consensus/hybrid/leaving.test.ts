/**
 * Shows that nobody leaves an epoch alone: what f + 1 members said to one of the others, some of them liars that told
 * nobody else, convinces everybody once that one has left, also after it was started again; and members
 * that panic and members that have left count together.
 */
import { expect, it } from 'vitest'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { describeNodes, nodesOf, orderMode, settle } from '../bft/steps.js'
import { hybridCluster } from './harness.js'
import { RaftLiar } from './liar.js'

function begun(count: number): ByzantineCluster {
  const cluster = hybridCluster({ count })
  settle(cluster, [cluster.submit()])
  cluster.runFor(500)
  return cluster
}

const isPanic = (message: ProtocolMessage): boolean => message.type === 'hybridVote' && message.vote.type === 'panic'

function expectAllLeft(cluster: ByzantineCluster): void {
  const haveLeft = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
  expect(cluster.runFor(60_000, haveLeft), describeNodes(cluster)).toBe(true)
  settle(cluster, [cluster.submit()], { withinMs: 60_000 })
}

it('members that panic and members that have left count together', () => {
  const cluster = begun(4)
  const told = nodeId('n3')
  // Two panic, and only n3 hears both; its history is one.
  cluster.intercept = (_from, to, message) => (isPanic(message) && to !== told ? [] : null)
  orderMode(cluster, 'bft', nodesOf(cluster, ['n1', 'n2']))
  expectAllLeft(cluster)
})

for (const isRestarted of [false, true]) {
  it(`liars that panic to one member only${isRestarted ? ', which then restarts,' : ''} end the epoch for all`, () => {
    const cluster = begun(7)
    const leader = cluster.leader()?.id
    const [told, panics, ...rest] = [...cluster.nodes.values()].filter(({ id }) => id !== leader) as [Node, Node, Node]
    const liars = rest.slice(0, 2)
    cluster.lie(...liars.map(({ id }) => id))
    // The liars say nothing else, and an operator's order comes to one honest member.
    cluster.intercept = (from) => (liars.some(({ id }) => id === from) ? [] : null)
    orderMode(cluster, 'bft', [panics])
    for (const { id } of liars) {
      const liar = new RaftLiar(id, cluster.options.membership)
      const panic = { mode: 'raft', type: 'panic', epoch: 0, view: 0, sequence: 0 } as const
      const none = new Uint8Array(32)
      const vote = liar.sign({ ...panic, epoch: cluster.node('n1').core.status().epoch, digest: none, extra: none })
      cluster.inject(id, told.id, { type: 'hybridVote', vote })
    }
    const hasLeft = (): boolean => told.disk.aborts.length > 0
    expect(cluster.runFor(1000, hasLeft), describeNodes(cluster)).toBe(true)
    if (isRestarted) {
      cluster.crash(told)
      cluster.restart(told)
    }
    expectAllLeft(cluster)
  })
}
