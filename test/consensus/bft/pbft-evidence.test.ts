/** Lies are found, proven to everybody, and ordered once; who tells the truth is never accused. */
import { describe, expect, it } from 'vitest'
import { encodeInit } from '../../../src/consensus/bft/init.js'
import type { PbftMessage } from '../../../src/consensus/bft/pbft/messages.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { replicasOf } from './keys.js'
import { pbftCluster } from './pbft-harness.js'
import { Liar } from './pbft-liar.js'
import { clientRequest, signedChange } from './requests.js'

type VoteMessage = Extract<PbftMessage, { type: 'pbftVote' }>

const N1 = nodeId('n1')
const N2 = nodeId('n2')
const N4 = nodeId('n4')

function ordered(cluster: ByzantineCluster): number {
  return cluster.watch.log.filter((entry) => entry.kind === 'evidence').length
}

describe('equivocation', () => {
  it('a primary with two proposals for one slot is proven a liar, replaced, and the proof is ordered once', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N1)
    const liar = new Liar(N1, cluster.options.membership)
    cluster.intercept = (from, to, message) => {
      if (from !== N1 || message.type !== 'pbftPrePrepare') return null
      return to === N2 ? [liar.otherProposal(message)] : [message]
    }
    const name = cluster.submit()
    expect(cluster.runFor(15_000, () => cluster.executedBy(name, cluster.honest))).toBe(true)
    cluster.runFor(3000)
    expect(new Set(cluster.watch.evidence.map(({ culprit }) => culprit))).toEqual(new Set([N1]))
    for (const id of ['n2', 'n3', 'n4']) {
      const told = cluster.seen.filter(({ node, effect }) => node === id && effect.type === 'evidence')
      expect(told.length).toBeGreaterThan(0)
      expect(cluster.node(id).core.status().view).toBeGreaterThan(0)
    }
    const proofs = cluster.watch.log
      .filter((entry) => entry.kind === 'evidence')
      .map(({ body }) => Buffer.from(body).toString('hex'))
    expect(proofs.length).toBeGreaterThan(0)
    expect(new Set(proofs).size).toBe(proofs.length)
  })

  it('a primary that tells each replica its own is convicted by what the replicas show each other', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N1)
    const liar = new Liar(N1, cluster.options.membership)
    // Nobody hears both, and the liar does not denounce itself.
    cluster.intercept = (from, to, message) => {
      if (from !== N1) return null
      if (message.type === 'pbftEvidence') return []
      return message.type === 'pbftPrePrepare' && to === N4 ? [liar.otherProposal(message)] : [message]
    }
    const name = cluster.submit()
    expect(cluster.runFor(15_000, () => cluster.executedBy(name, cluster.honest))).toBe(true)
    cluster.runFor(3000)
    expect(new Set(cluster.watch.evidence.map(({ culprit }) => culprit))).toEqual(new Set([N1]))
    expect(ordered(cluster)).toBeGreaterThan(0)
  })

  it('two votes for one slot, both beyond the quorum and never verified, are evidence all the same', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N4)
    const liar = new Liar(N4, cluster.options.membership)
    // The liar's prepares come late: by then n2 has its quorum.
    const late: VoteMessage[] = []
    cluster.intercept = (from, to, message) => {
      if (from !== N4 || message.type !== 'pbftVote' || message.vote.type !== 'prepare') return null
      if (to === N2) late.push(message)
      return to === N2 ? [] : null
    }
    const name = cluster.submit()
    cluster.runFor(300, () => cluster.executedBy(name))
    const vote = late.at(-1) as VoteMessage
    cluster.inject(N4, N2, liar.other(vote, 1))
    expect(cluster.watch.evidence).toEqual([])
    cluster.inject(N4, N2, liar.other(vote, 2))
    expect(cluster.seen.filter(({ node, effect }) => node === N2 && effect.type === 'evidence')).toHaveLength(1)
    expect(cluster.runFor(3000, () => ordered(cluster) === 1)).toBe(true)
    // More of the same is bounded, and not ordered again.
    cluster.inject(N4, N2, liar.other(vote, 3))
    cluster.runFor(3000)
    const told = cluster.seen.filter(({ node, effect }) => node === N2 && effect.type === 'evidence').length
    expect(told).toBeLessThanOrEqual(4)
    expect(ordered(cluster)).toBe(1)
  })

  it('a forged vote in the name of an honest replica blames the connection, and counts for nothing', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N4)
    const seen: VoteMessage[] = []
    cluster.onDeliver = (from, _to, message) => {
      if (from === N2 && message.type === 'pbftVote') seen.push(message)
    }
    cluster.submit()
    cluster.runFor(300)
    const vote = seen.at(-1) as VoteMessage
    const forged = { ...vote, vote: { ...vote.vote, sequence: vote.vote.sequence + 1 } }
    cluster.inject(N4, N1, forged)
    expect(cluster.rejected.every(({ from }) => from === N4)).toBe(true)
    expect(cluster.node('n1').core.checks(N4, forged)).toBeNull()
    cluster.inject(N2, N1, { ...forged, vote: { ...forged.vote, signature: new Uint8Array(64) } })
    expect(cluster.rejected.at(-1)?.from).toBe(N2)
    expect(cluster.watch.evidence).toEqual([])
  })
})

describe('what a primary cannot do', () => {
  function withPrimaryThat(
    change: (message: Extract<PbftMessage, { type: 'pbftPrePrepare' }>, liar: Liar) => PbftMessage,
  ) {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N1)
    const liar = new Liar(N1, cluster.options.membership)
    cluster.intercept = (from, _to, message) =>
      from === N1 && message.type === 'pbftPrePrepare' ? [change(message, liar)] : null
    const name = cluster.submit()
    expect(cluster.runFor(15_000, () => cluster.executedBy(name, cluster.honest))).toBe(true)
    return cluster
  }

  it('alter a request: its client signed it', () => {
    const cluster = withPrimaryThat((message, liar) => {
      const body = message.value.body.slice()
      body[body.length - 70] = (body[body.length - 70] as number) ^ 1
      return liar.proposal(message.vote.view, message.vote.sequence, 'data', body, message.value.timestampMs)
    })
    expect(cluster.rejected.some(({ from, type }) => from === N1 && type === 'pbftPrePrepare')).toBe(true)
    expect(cluster.node('n2').core.status().view).toBe(1)
  })

  it.each([60_000, -60_000])('propose a time %i ms off', (offMs) => {
    const cluster = withPrimaryThat((message, liar) => liar.otherProposal(message, offMs))
    expect(cluster.node('n2').core.status().view).toBe(1)
    for (const entry of cluster.watch.log) expect(Math.abs(entry.timestampMs - 1_000_000)).toBeLessThan(30_000)
  })
})

describe('what comes first', () => {
  /** What n2 votes for of a lying primary's proposals. */
  function votesOn(
    prepareCluster: (cluster: ByzantineCluster) => void,
    propose: (liar: Liar, last: number) => readonly PbftMessage[],
  ) {
    const cluster = pbftCluster()
    prepareCluster(cluster)
    cluster.lie(N1)
    const voted = new Set<number>()
    cluster.intercept = (from, _to, message) => {
      if (from === N2 && message.type === 'pbftVote' && message.vote.type === 'prepare')
        voted.add(message.vote.sequence)
      return from === N1 ? [] : null
    }
    const last = cluster.node('n2').core.status().lastIndex
    const liar = new Liar(N1, cluster.options.membership)
    for (const message of propose(liar, last)) cluster.inject(N1, N2, message)
    cluster.runFor(100)
    return voted
  }
  const data = encodeBody([clientRequest('client', 1)])
  const init = (members: number): Uint8Array =>
    encodeInit({ epoch: epoch(0), protocol: 'pbft', membership: replicasOf(members), basis: { kind: 'genesis' } })

  it('nobody votes for anything before INIT, nor for an INIT with other members', () => {
    expect(
      votesOn(
        () => {},
        (liar) => [liar.proposal(0, 1, 'data', data, 1_000_000)],
      ),
    ).toEqual(new Set())
    expect(
      votesOn(
        () => {},
        (liar) => [liar.proposal(0, 0, 'mode', init(5), 1_000_000)],
      ),
    ).toEqual(new Set())
    expect(
      votesOn(
        () => {},
        (liar) => [liar.proposal(0, 0, 'mode', init(4), 1_000_000)],
      ),
    ).toEqual(new Set([0]))
  })

  it('a change of members waits for what is before it, and stops what is after it', () => {
    const run = (cluster: ByzantineCluster): void => {
      cluster.runFor(100)
    }
    const change = signedChange(replicasOf(5), { epoch: epoch(0), planned: logIndex(0) })
    const early = votesOn(run, (liar, last) => [liar.proposal(0, last + 1, 'membership', change, 1_000_000)])
    expect(early).toEqual(new Set())
    const after = votesOn(run, (liar, last) => [
      liar.proposal(0, last, 'membership', change, 1_000_000),
      liar.proposal(0, last + 1, 'data', data, 1_000_000),
    ])
    expect(after).toEqual(new Set([1]))
    const above = votesOn(run, (liar, last) => [
      liar.proposal(0, last + 1, 'data', data, 1_000_000),
      liar.proposal(0, last, 'membership', change, 1_000_000),
    ])
    expect(above).toEqual(new Set([2]))
  })
})

describe('floods', () => {
  it('validly signed messages for far views and slots leave nothing behind', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N4)
    const liar = new Liar(N4, cluster.options.membership)
    const base = {
      mode: 'pbft' as const,
      epoch: 0 as never,
      extra: new Uint8Array(32),
      digest: new Uint8Array(32).fill(1),
    }
    const { core } = cluster.node('n2')
    let verified = 0
    for (let i = 1; i <= 20_000; i++) {
      const vote = liar.sign({ ...base, type: 'prepare', view: i % 50, sequence: 1000 + i })
      if (core.interest(N4, { type: 'pbftVote', vote }) !== 'drop') verified++
    }
    expect(verified).toBe(0)
    const name = cluster.submit()
    expect(cluster.runFor(500, () => cluster.executedBy(name))).toBe(true)
  })

  it('ten thousand proposals for one slot cost two verifications', () => {
    const cluster = pbftCluster()
    cluster.runFor(100)
    cluster.lie(N1)
    const liar = new Liar(N1, cluster.options.membership)
    let proposal: Extract<PbftMessage, { type: 'pbftPrePrepare' }> | null = null
    cluster.onDeliver = (_from, _to, message) => {
      if (message.type === 'pbftPrePrepare' && message.vote.sequence > 0) proposal = message
    }
    cluster.submit()
    cluster.runFor(20, () => proposal !== null)
    const before = cluster.rejected.length
    const checked = new Set<number>()
    for (let i = 1; i <= 10_000; i++) {
      const other = liar.otherProposal(proposal as never, i)
      if (cluster.node('n2').core.interest(N1, other) === 'verify') checked.add(i)
      cluster.inject(N1, nodeId('n2'), other)
    }
    expect(checked.size).toBeLessThanOrEqual(6)
    expect(cluster.rejected.length).toBe(before)
  })
})
