/**
 * Shows a member that loses, with the end of its log, that it ever was in the epoch that the others are in: it may have
 * signed there. Under PBFT it is silent in that epoch; under HotStuff it asks the others where they stand before it speaks.
 */
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../../src/consensus/types.js'
import type { Node } from '../bft/cluster.js'
import { describeNodes, leaderOf, orderMode, settle } from '../bft/steps.js'
import { hybridCluster } from './harness.js'

const ENTRIES = 8
const LEFT = 3
/** What a member says in an epoch under its signature, and must not say twice. */
const SIGNED = ['pbftPrePrepare', 'pbftVote', 'pbftViewChange', 'hsProposal', 'hsVote', 'hsTimeout']

describe('a member that forgot an epoch', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`does not sign there what it may have signed before (${bft})`, () => {
      const cluster = hybridCluster({ batchMax: 1, bft })
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      const leader = leaderOf(cluster)
      const victim = [...cluster.nodes.values()].find((node) => node !== leader) as Node
      const { id } = victim
      const { safety } = victim.disk
      orderMode(cluster, 'bft')
      const arrived = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
      expect(cluster.runFor(30_000, arrived), describeNodes(cluster)).toBe(true)
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      cluster.crash(victim)
      cluster.damage(victim, LEFT, safety)

      const said: string[] = []
      cluster.onDeliver = (from: NodeId, _to, message) => {
        if (from === id) said.push(message.type)
      }
      cluster.restart(cluster.node(id))
      const back = (): boolean => cluster.node(id).core.status().epoch === 1
      expect(cluster.runFor(30_000, back), describeNodes(cluster)).toBe(true)
      for (let at = 0; at < ENTRIES; at++) settle(cluster, [cluster.submit()])
      expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, mayVote: bft === 'hotstuff' })
      const signed = said.findIndex((type) => SIGNED.includes(type))
      if (bft === 'pbft') expect(signed, said[signed]).toBe(-1)
      else expect(signed).toBeGreaterThan(said.indexOf('hsRejoin'))
      if (bft === 'hotstuff') expect(said).toContain('hsRejoin')
    })
  }
})
