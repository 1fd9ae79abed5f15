/**
 * The way out of a Byzantine epoch: back to Raft by order and by itself, and from one Byzantine protocol to the
 * other, several times in a row; with everybody crashing at some moment of it, with one member cut off in the
 * middle, and with a member that was away for several epochs. What was executed before is there after, and
 * everybody starts each epoch from the same state.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { isInit } from '../../../src/consensus/bft/init.js'
import { encodeModeChange } from '../../../src/consensus/bft/mode-change.js'
import { epochConfigHash } from '../../../src/consensus/bft/replicas.js'
import { NO_EXTRA, type SignedStatement, type Statement, signBytes } from '../../../src/consensus/bft/statement.js'
import { type Entry, valueDigest } from '../../../src/consensus/entry.js'
import { logIndex, type Mode, type NodeId } from '../../../src/consensus/types.js'
import type { Node } from '../bft/cluster.js'
import { signAs } from '../bft/keys.js'
import { crashAll, describeNodes, nodesOf, orderMode, restartAll, settle } from '../bft/steps.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { type HybridCluster, hybridCluster } from './harness.js'

const RESIDENCY_MS = 2000

function isIn(cluster: HybridCluster, mode: Mode, epoch?: number): boolean {
  return cluster.honest.every((node) => {
    const status = node.core.status()
    return status.mode === mode && (epoch === undefined || status.epoch === epoch)
  })
}

function reach(cluster: HybridCluster, mode: Mode, epoch: number): void {
  if (!cluster.runFor(60_000, () => isIn(cluster, mode, epoch)))
    throw new Error(`not everybody is in ${mode}, epoch ${epoch}\n${describeNodes(cluster)}`)
}

/** A first epoch of Raft with something in it. */
function begun(count = 4, seed = 1): HybridCluster {
  const cluster = hybridCluster({ count, seed, residencyMs: RESIDENCY_MS })
  settle(cluster, [cluster.submit(), cluster.submit()])
  return cluster
}

describe('the way back', () => {
  for (const count of [4, 5, 7]) {
    it(`by order, there and back three times, with PBFT and HotStuff (n = ${count})`, () => {
      const cluster = begun(count, count)
      let epoch = 0
      for (const mode of ['pbft', 'hotstuff', 'pbft'] as const) {
        const before = cluster.submit()
        orderMode(cluster, mode)
        reach(cluster, mode, ++epoch)
        settle(cluster, [before, cluster.submit(), cluster.submit()])
        cluster.runFor(RESIDENCY_MS + 5000)
        expect(isIn(cluster, mode, epoch)).toBe(true)
        const during = cluster.submit()
        orderMode(cluster, 'raft')
        reach(cluster, 'raft', ++epoch)
        settle(cluster, [during, cluster.submit(), cluster.submit()])
      }
    })
  }

  it('from one Byzantine protocol to the other and back, by the same wedge', () => {
    const cluster = begun(4, 3)
    orderMode(cluster, 'pbft')
    reach(cluster, 'pbft', 1)
    let epoch = 1
    for (const mode of ['hotstuff', 'pbft', 'hotstuff'] as const) {
      settle(cluster, [cluster.submit(), cluster.submit()])
      const during = cluster.submit()
      orderMode(cluster, mode)
      reach(cluster, mode, ++epoch)
      settle(cluster, [during, cluster.submit()])
    }
    cluster.runFor(RESIDENCY_MS + 5000)
    orderMode(cluster, 'raft')
    reach(cluster, 'raft', ++epoch)
    settle(cluster, [cluster.submit()])
  })

  it('is refused before the residency is over, with the time that is left', () => {
    const cluster = begun()
    orderMode(cluster, 'pbft')
    reach(cluster, 'pbft', 1)
    cluster.runFor(500)
    cluster.seen.length = 0
    orderMode(cluster, 'raft')
    const refusals = cluster.seen.flatMap(({ effect }) => (effect.type === 'orderRefused' ? [effect] : []))
    expect(refusals).toHaveLength(4)
    for (const refusal of refusals)
      expect(refusal).toMatchObject({ code: 'ModeRefused', retryAfterMs: expect.any(Number) })
  })
})

describe('a primary that lies', () => {
  /** Its proposal of a MODE operation with these votes, under its key, for everybody. */
  function propose(cluster: HybridCluster, liar: Node, votes: readonly SignedStatement[], commits = true): void {
    const { epoch, view, lastIndex } = liar.core.status()
    const init = cluster.watch.log.findLast((entry) => isInit(entry)) as Entry
    const index = logIndex(lastIndex + 1)
    const timestampMs = Math.floor(cluster.nowMs + 1_000_000)
    const body = encodeModeChange({ epoch, protocol: 'raft', votes })
    const batchDigest = computeBatchDigest(sha256, 'mode', body)
    const digest = valueDigest(sha256, { epoch, index, timestampMs }, batchDigest)
    const sequence = index - init.index
    const place = { mode: 'pbft', type: 'prepare', epoch, view: view ?? 0, sequence, digest, extra: NO_EXTRA } as const
    const vote = signed(cluster, liar, place)
    const message = { type: 'pbftPrePrepare', vote, value: { timestampMs, kind: 'mode', batchDigest, body } } as const
    const commit = { type: 'pbftVote', vote: signed(cluster, liar, { ...place, type: 'commit' }) } as const
    for (const { id } of cluster.honest) {
      cluster.inject(liar.id, id, message)
      if (commits) cluster.inject(liar.id, id, commit)
    }
  }

  function signed(cluster: HybridCluster, { id }: Node, statement: Statement): SignedStatement {
    const configHash = epochConfigHash(sha256, CONFIG_HASH, cluster.options.membership)
    return {
      ...statement,
      signer: id,
      signature: signAs(id)(signBytes({ clusterId: CLUSTER_ID, configHash }, statement)),
    }
  }

  /** In PBFT, with what everybody said of their own accord, and a primary whose words are the test's. */
  function lied(
    residencyMs: number,
    told: readonly string[] = ['n1', 'n2', 'n3', 'n4'],
  ): { cluster: HybridCluster; liar: Node; clears: SignedStatement[] } {
    const cluster = hybridCluster({ count: 4, seed: 2, residencyMs })
    const clears = new Map<NodeId, SignedStatement>()
    cluster.onDeliver = (_from, _to, message) => {
      if (message.type === 'hybridVote' && message.vote.type === 'clear') clears.set(message.vote.signer, message.vote)
    }
    settle(cluster, [cluster.submit()])
    orderMode(cluster, 'pbft', nodesOf(cluster, told))
    reach(cluster, 'pbft', 1)
    settle(cluster, [cluster.submit()])
    cluster.runFor(5000)
    const liar = cluster.leader() as Node
    cluster.lie(liar.id)
    cluster.intercept = (from, _to, message) =>
      from === liar.id && (message.type === 'pbftPrePrepare' || message.type === 'pbftVote') ? [] : null
    const members = cluster.options.membership.members.flatMap(({ id }) => clears.get(id) ?? [])
    return { cluster, liar, clears: members.slice(0, 3) }
  }

  const goesOn = (cluster: HybridCluster): void => {
    settle(cluster, [cluster.submit()])
    cluster.runFor(5000)
    expect(isIn(cluster, 'pbft', 1)).toBe(true)
  }

  it('is believed where everything holds', () => {
    const { cluster, liar, clears } = lied(1000)
    orderMode(cluster, 'raft', cluster.honest)
    propose(cluster, liar, clears)
    reach(cluster, 'raft', 2)
  })

  it('cannot end the epoch before its time, with a quorum of true CLEARs', () => {
    // Those that nobody told are enough to end it: the operator's word is not what keeps them.
    const { cluster, liar, clears } = lied(60_000, ['n1', 'n2'])
    expect(liar.id).toBe('n2')
    expect(clears).toHaveLength(3)
    propose(cluster, liar, clears)
    goesOn(cluster)
  })

  it('cannot end what an operator ordered', () => {
    const { cluster, liar, clears } = lied(1000)
    propose(cluster, liar, clears)
    goesOn(cluster)
  })

  it('cannot make up CLEARs, or count one for several', () => {
    const { cluster, liar, clears } = lied(1000)
    const [first, second, third] = clears as [SignedStatement, SignedStatement, SignedStatement]
    const rejected = (votes: readonly SignedStatement[]): void => {
      const before = cluster.rejected.length
      propose(cluster, liar, votes, false)
      expect(cluster.rejected.length - before).toBe(cluster.honest.length)
    }
    rejected([first, first, second])
    rejected([first, second])
    rejected([second, first, third])
    rejected([first, second, { ...third, sequence: third.sequence + 60_000 }])
    goesOn(cluster)
  })
})

describe('a return in which', () => {
  for (const mode of ['pbft', 'hotstuff'] as const) {
    it(`everybody crashes at some moment (${mode})`, { timeout: 600_000 }, () => {
      for (let step = 0; step < 12; step++) {
        const cluster = begun(4 + (step % 3), step + 1)
        orderMode(cluster, mode)
        reach(cluster, mode, 1)
        cluster.runFor(RESIDENCY_MS + 5000)
        const names = [cluster.submit(), cluster.submit()]
        orderMode(cluster, 'raft')
        cluster.runFor(step * 2)
        crashAll(cluster)
        restartAll(cluster)
        settle(cluster, names)
        if (!isIn(cluster, 'raft', 2)) {
          cluster.runFor(10_000)
          orderMode(cluster, 'raft')
        }
        reach(cluster, 'raft', 2)
        settle(cluster, [cluster.submit()])
      }
    })

    it(`one member is cut off at some moment (${mode})`, { timeout: 600_000 }, () => {
      for (let step = 0; step < 12; step += 3) {
        const cluster = begun(4, step + 1)
        orderMode(cluster, mode)
        reach(cluster, mode, 1)
        cluster.runFor(RESIDENCY_MS + 5000)
        const names = [cluster.submit(), cluster.submit()]
        orderMode(cluster, 'raft')
        cluster.runFor(step * 2)
        const [alone, ...others] = [...cluster.nodes.keys()] as [NodeId, ...NodeId[]]
        cluster.partition([alone], others)
        const more = Array.from({ length: 20 }, () => cluster.submit(others))
        cluster.runFor(8000)
        cluster.heal()
        settle(cluster, [...names, ...more, cluster.submit()])
        reach(cluster, 'raft', 2)
      }
    })

    it(`somebody was away from before the switch until after the return (${mode})`, { timeout: 600_000 }, () => {
      const cluster = begun(4, 9)
      const late = cluster.node('n4')
      cluster.crash(late)
      settle(cluster, [cluster.submit(), cluster.submit()])
      orderMode(cluster, mode)
      settle(cluster, [cluster.submit(), cluster.submit()])
      cluster.runFor(RESIDENCY_MS + 5000)
      for (let i = 0; i < 30; i++) settle(cluster, [cluster.submit()])
      orderMode(cluster, 'raft')
      const back = (): boolean =>
        cluster.honest.every(
          (node) => !node.up || (node.core.status().mode === 'raft' && node.core.status().epoch === 2),
        )
      expect(cluster.runFor(30_000, back)).toBe(true)
      settle(cluster, [cluster.submit()])
      // The helpers themselves were restarted in between.
      for (const id of ['n1', 'n2'] as const) {
        cluster.crash(cluster.node(id))
        cluster.restart(cluster.node(id))
      }
      cluster.restart(late)
      settle(cluster, [cluster.submit()])
      reach(cluster, 'raft', 2)
    })
  }
})
