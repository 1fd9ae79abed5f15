/** PBFT's view change: what is prepared survives, what is not becomes null, and nobody can drag replicas anywhere. */
import { describe, expect, it } from 'vitest'
import type { Certificate } from '../../../src/consensus/bft/certificate.js'
import { EpochContext } from '../../../src/consensus/bft/epoch.js'
import { decodeEvidence, evidenceProblem } from '../../../src/consensus/bft/evidence.js'
import type { NewView, PbftMessage, ViewChange } from '../../../src/consensus/bft/pbft/messages.js'
import { computeOrder } from '../../../src/consensus/bft/pbft/new-view.js'
import { digestOf, nullValue } from '../../../src/consensus/bft/pbft/value.js'
import { newViewJudge, wrongNewView } from '../../../src/consensus/bft/pbft/wrong-new-view.js'
import { GENESIS_CHAIN } from '../../../src/consensus/entry.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { type ByzantineCluster, CALM } from './cluster.js'
import { replicasOf } from './keys.js'
import { pbftCluster } from './pbft-harness.js'
import { Liar } from './pbft-liar.js'

const [N1, N2, N3, N4] = ['n1', 'n2', 'n3', 'n4'].map(nodeId) as [never, never, never, never]
const viewOf = (cluster: ByzantineCluster, id: string): number => cluster.node(id).core.status().view ?? -1

describe('a failed primary', () => {
  it.each([4, 5, 6, 7])('of %i: a request is executed within ten seconds', (count) => {
    const cluster = pbftCluster({ count })
    cluster.runFor(100)
    cluster.crash(cluster.node('n1'))
    const name = cluster.submit()
    expect(cluster.runFor(10_000, () => cluster.executedBy(name))).toBe(true)
  })

  it('two primaries in a row: the time-out doubles, and it still ends', () => {
    const cluster = pbftCluster({ count: 7 })
    cluster.runFor(100)
    cluster.crash(cluster.node('n1'))
    cluster.crash(cluster.node('n2'))
    const name = cluster.submit()
    const executed = (): boolean => cluster.executedBy(name)
    // Two seconds for the first, four for the second.
    expect(cluster.runFor(5500, executed)).toBe(false)
    expect(cluster.runFor(14_500, executed)).toBe(true)
    expect(viewOf(cluster, 'n3')).toBe(2)
  })

  it('an idle cluster changes no view', () => {
    const cluster = pbftCluster()
    cluster.runFor(60_000)
    for (const node of cluster.honest) expect(node.core.status().view).toBe(0)
  })

  it('a censored client is served within two time-outs', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N1)
    const censored = cluster.submit([N2, N3, N4])
    cluster.intercept = (from, _to, message) =>
      from === N1 && message.type === 'pbftPrePrepare' && message.vote.sequence > 0 ? [] : null
    expect(cluster.runFor(4500, () => cluster.executedBy(censored))).toBe(true)
    expect(viewOf(cluster, 'n2')).toBe(1)
  })

  it('an operator rotates the view, also to a named replica', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.rotate(cluster.node('n1'), N3)
    expect(cluster.runFor(1000, () => cluster.leader()?.id === N3)).toBe(true)
    const name = cluster.submit()
    expect(cluster.runFor(1000, () => cluster.executedBy(name))).toBe(true)
  })
})

describe('joining', () => {
  it('one replica that asks for a far view moves nobody; f + 1 move the others to the smallest', () => {
    const cluster = pbftCluster({ count: 7 })
    cluster.runFor(100)
    cluster.lie(nodeId('n5'), nodeId('n6'), nodeId('n7'))
    const ask = (id: string, view: number): void => {
      const liar = new Liar(nodeId(id), cluster.options.membership)
      const content = { type: 'pbftViewChange' as const, stable: null, prepared: [] }
      const plain = { ...content, vote: { mode: 'pbft', type: 'viewChange', epoch: epoch(0), view, sequence: 0 } }
      const full = {
        ...plain.vote,
        digest: new Uint8Array(32),
        extra: new Uint8Array(32),
        signer: nodeId(id),
        signature: new Uint8Array(64),
      }
      const message = liar.forgetful({ ...content, vote: full } as ViewChange)
      for (const to of ['n1', 'n2', 'n3', 'n4', 'n5']) cluster.inject(nodeId(id), nodeId(to), message)
    }
    ask('n6', 2 ** 50)
    cluster.runFor(200)
    expect(viewOf(cluster, 'n2')).toBe(0)
    ask('n7', 2 ** 40)
    cluster.runFor(200)
    // Two are no f + 1 = 3; a third asks for the next view, the smallest.
    expect(viewOf(cluster, 'n2')).toBe(0)
    ask('n5', 1)
    cluster.runFor(200)
    expect(viewOf(cluster, 'n2')).toBe(1)
  })

  it('a replica that is alone with its suspicion waits in one view', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.partition([N4], [N1, N2, N3])
    cluster.submit([N4])
    cluster.runFor(60_000)
    expect(viewOf(cluster, 'n4')).toBe(1)
    expect(viewOf(cluster, 'n1')).toBe(0)
    cluster.heal()
    const name = cluster.submit()
    expect(cluster.runFor(5000, () => cluster.executedBy(name))).toBe(true)
  })

  it('delays of one and a half time-outs end in one view', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.faults = { ...CALM, delayMaxMs: 3000 }
    cluster.submit()
    cluster.runFor(20_000)
    cluster.faults = CALM
    const name = cluster.submit()
    expect(cluster.runFor(40_000, () => cluster.executedBy(name))).toBe(true)
    expect(viewOf(cluster, 'n1')).toBeLessThan(12)
  })
})

const context = new EpochContext(
  { sha256, clusterId: CLUSTER_ID, clusterConfigHash: CONFIG_HASH },
  epoch(0),
  { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 },
  { index: logIndex(0), membership: replicasOf(4) },
)

describe('what a new view orders', () => {
  const digest = (n: number): Uint8Array => sha256(Uint8Array.of(n))

  function prepared(
    sequence: number,
    view: number,
    value: number,
    type: 'prepare' | 'commit' = 'prepare',
  ): Certificate {
    const extra = new Uint8Array(32)
    const statement = { mode: 'pbft' as const, type, epoch: epoch(0), view, sequence, digest: digest(value), extra }
    return { statement, signers: [], signatures: [] }
  }

  function order(...lists: readonly Certificate[][]) {
    const changes = lists.map((list) => ({ prepared: list, stable: null }) as unknown as ViewChange)
    return computeOrder(sha256, context, nullValue(sha256), changes).order
  }

  it('takes the certificate with the highest view, whatever the order of the view changes', () => {
    const lists = [[prepared(0, 0, 1)], [prepared(0, 2, 3)], [prepared(0, 1, 2)]]
    for (const list of [lists, [...lists].reverse()]) expect(order(...list)[0]?.digest).toEqual(digest(3))
  })

  it('puts null only where nobody is prepared', () => {
    const slots = order([prepared(0, 0, 1), prepared(3, 0, 4)], [prepared(1, 0, 2)], [])
    const empty = digestOf(sha256, context, 2 as never, nullValue(sha256))
    expect(slots.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3])
    expect(slots.map((slot) => slot.digest)).toEqual([digest(1), digest(2), empty, digest(4)])
  })

  it('a commit certificate counts with its view', () => {
    expect(order([prepared(0, 1, 5, 'commit')], [prepared(0, 0, 1)])[0]?.digest).toEqual(digest(5))
  })
})

describe('slots over a view change', () => {
  it('a value prepared by one honest replica alone is decided in the next view', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    // Commits are lost, and of the prepares only n2 gets a quorum.
    cluster.intercept = (_from, to, message) => {
      if (message.type !== 'pbftVote' || message.vote.view > 0) return null
      return message.vote.type === 'commit' || (message.vote.type === 'prepare' && to !== N2) ? [] : null
    }
    cluster.node('n2').core.status()
    const name = cluster.submit()
    cluster.runFor(500)
    expect(cluster.executedBy(name)).toBe(false)
    cluster.crash(cluster.node('n1'))
    expect(cluster.runFor(10_000, () => cluster.executedBy(name))).toBe(true)
    expect(viewOf(cluster, 'n2')).toBe(1)
    const entries = cluster.watch.log.filter((entry) => entry.kind === 'data')
    expect(entries).toHaveLength(1)
  })

  it('a slot that was lost below a prepared one becomes null, and the requests are proposed again', () => {
    const cluster = pbftCluster({ batchMax: 1 })
    cluster.runFor(100)
    cluster.intercept = (from, to, message) => {
      if (from === N1 && message.type === 'pbftPrePrepare' && message.vote.sequence === 1 && to !== N2) return []
      if (message.type === 'pbftVote' && message.vote.type === 'commit' && message.vote.view === 0) return []
      return message.type === 'pbftStatus' ? [] : null
    }
    const names = [cluster.submit(), cluster.submit()]
    cluster.runFor(500)
    cluster.intercept = () => null
    cluster.crash(cluster.node('n1'))
    expect(cluster.runFor(10_000, () => names.every((name) => cluster.executedBy(name)))).toBe(true)
    expect(cluster.watch.log.some((entry) => entry.kind === 'empty' && entry.timestampMs === 0)).toBe(true)
  })

  it('replicas that committed in different views do not wait for each other', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    // Only n2 learns of the commits of view 0; the others decide in view 1, without n2's votes.
    cluster.intercept = (_from, to, message) =>
      message.type === 'pbftVote' && message.vote.type === 'commit' && message.vote.view === 0 && to !== N2 ? [] : null
    const first = cluster.submit()
    expect(cluster.runFor(200, () => cluster.executedBy(first, [cluster.node('n2')]))).toBe(true)
    cluster.partition([N2], [N1, N3, N4])
    cluster.intercept = () => null
    cluster.runFor(8000)
    cluster.heal()
    const name = cluster.submit()
    expect(cluster.runFor(15_000, () => cluster.executedBy(name) && cluster.executedBy(first))).toBe(true)
  })

  it('a new view with a wrong order is followed by the next view', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N2)
    const liar = new Liar(N2, cluster.options.membership)
    cluster.intercept = (from, _to, message) =>
      from === N2 && message.type === 'pbftNewView'
        ? [liar.wrongOrder(message as Extract<PbftMessage, { type: 'pbftNewView' }>)]
        : null
    cluster.crash(cluster.node('n1'))
    cluster.restart(cluster.node('n1'))
    cluster.rotate(cluster.node('n1'))
    const name = cluster.submit()
    cluster.runFor(50)
    cluster.rotate(cluster.node('n1'))
    expect(cluster.runFor(15_000, () => cluster.executedBy(name, cluster.honest))).toBe(true)
    expect(viewOf(cluster, 'n3')).toBe(2)
    const found = cluster.watch.evidence.map(({ culprit, bytes }) => `${culprit} ${decodeEvidence(bytes).kind}`)
    expect(found).toContain('n2 newView')
    const isOrdered = () => cluster.watch.log.some((entry) => entry?.kind === 'evidence')
    expect(cluster.runFor(10_000, isOrdered)).toBe(true)
  })

  it('no honest new view can be made to look wrong: not with another order, other view changes, or a bit more', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    const seen: NewView[] = []
    cluster.onDeliver = (_from, _to, message) => {
      if (message.type === 'pbftNewView') seen.push(message as NewView)
    }
    for (let i = 0; i < 3; i++) {
      const name = cluster.submit()
      cluster.runFor(1000, () => cluster.executedBy(name))
    }
    cluster.crash(cluster.node('n1'))
    cluster.submit()
    expect(cluster.runFor(15_000, () => seen.length > 0)).toBe(true)
    const honest = seen[0] as NewView
    const judge = newViewJudge(sha256, context)
    const judged = (message: NewView) => {
      const evidence = wrongNewView(context, message)
      return evidence === null ? 'too long' : evidenceProblem(sha256, context.replicas, evidence, judge)
    }
    expect(judged(honest)).toBe('its order is the right one')
    const [first, ...others] = honest.viewChanges as [ViewChange, ...ViewChange[]]
    const liar = new Liar(N2, cluster.options.membership)
    const reordered = liar.wrongOrder(honest)
    for (const changed of [
      { ...honest, order: reordered.order },
      { ...honest, viewChanges: others },
      {
        ...honest,
        viewChanges: [{ ...first, prepared: [], stable: null, vote: { ...first.vote, view: 2 } }, ...others],
      },
      { ...honest, vote: { ...honest.vote, sequence: 1 } },
    ])
      expect(judged(changed)).not.toBeNull()
    expect(judged(reordered)).toBeNull()
  })
})

describe('a primary just below the time-out', () => {
  it('is rotated for its slowness', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N1)
    const held: (() => void)[] = []
    cluster.intercept = (from, to, message) => {
      if (from !== N1 || message.type !== 'pbftPrePrepare' || message.vote.view > 0) return null
      held.push(() => cluster.inject(N1, to, message))
      return []
    }
    const isRotated = (): boolean => viewOf(cluster, 'n3') > 0
    for (let round = 0; round < 12 && !isRotated(); round++) {
      const name = cluster.submit()
      cluster.runFor(1800, isRotated)
      for (const release of held.splice(0)) release()
      cluster.runFor(100, () => isRotated() || cluster.executedBy(name))
    }
    expect(isRotated()).toBe(true)
  })
})
