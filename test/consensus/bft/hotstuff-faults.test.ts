/**
 * Shows what a HotStuff cluster outlives: a leader that equivocates (and is proven to), partitions,
 * restarts at every point, replicas that lag by entries or need a snapshot, donors that lie; and that
 * the number of messages per decision grows linearly with the replicas.
 */
import { describe, expect, it } from 'vitest'
import { signBytes } from '../../../src/consensus/bft/statement.js'
import { type NodeId, nodeId } from '../../../src/consensus/types.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import type { ByzantineCluster, Node } from './cluster.js'
import { begun, clusterOf, forgeProposal, isType } from './hotstuff-harness.js'
import { signAs } from './keys.js'

const others = (cluster: ByzantineCluster, id: NodeId) => [...cluster.nodes.keys()].filter((other) => other !== id)

describe('an equivocating leader', () => {
  it.each([4, 7])('is proven to lie by replicas that saw one version each, and ordered once (n = %i)', (count) => {
    const cluster = begun({ count })
    const liar = nodeId('n2')
    cluster.lie(liar)
    const half = others(cluster, liar).slice(0, Math.floor(count / 2) - 1)
    cluster.intercept = (from, to, message) => {
      if (from !== liar || !isType(message, 'hsProposal') || half.includes(to)) return null
      if (message.header.kind !== 'data') return null
      return [forgeProposal(cluster, message, { timestampMs: message.header.timestampMs + 1 })]
    }
    const names = Array.from({ length: 12 }, () => {
      const name = cluster.submit()
      cluster.runFor(15_000, () => cluster.executedBy(name))
      return name
    })
    cluster.runFor(20_000)
    expect(names.every((name) => cluster.executedBy(name))).toBe(true)
    expect(cluster.watch.evidence.length).toBeGreaterThan(0)
    expect(new Set(cluster.watch.evidence.map((evidence) => evidence.culprit))).toEqual(new Set([liar]))
    const ordered = cluster.watch.log.filter((entry) => entry.kind === 'evidence')
    expect(ordered.length).toBeGreaterThan(0)
    // A liar that goes on lying does not fill the log.
    expect(ordered.length).toBeLessThanOrEqual(8)
    expect(new Set(ordered.map((entry) => Buffer.from(entry.body).toString('hex'))).size).toBe(ordered.length)
  })

  it('is passed over afterwards: the rounds that it wasted become rare', () => {
    const cluster = begun()
    const liar = nodeId('n2')
    cluster.lie(liar)
    cluster.intercept = (from, _to, message) => (from === liar && isType(message, 'hsProposal') ? [] : null)
    decide(cluster, 10)
    const before = cluster.nowMs
    decide(cluster, 30)
    expect(cluster.nowMs - before).toBeLessThan(2000)
  })
})

describe('a replica that votes twice', () => {
  it('is accused by who gathers the votes, and the proof is ordered', () => {
    const cluster = begun()
    const liar = nodeId('n3')
    cluster.lie(liar)
    cluster.intercept = (from, _to, message) => {
      if (from !== liar || !isType(message, 'hsVote')) return null
      const digest = sha256(message.vote.digest)
      const context = { clusterId: CLUSTER_ID, configHash: cluster.node(liar).core.configHash() }
      const other = { ...message.vote, digest }
      return [message, { ...message, vote: { ...other, signature: signAs(liar)(signBytes(context, other)) } }]
    }
    decide(cluster, 8)
    cluster.runFor(5000)
    expect(cluster.watch.evidence.length).toBeGreaterThan(0)
    expect(cluster.watch.log.some((entry) => entry.kind === 'evidence')).toBe(true)
  })
})

describe('partitions', () => {
  it('a minority decides nothing, the majority goes on, and all agree after it heals', () => {
    const cluster = begun({ count: 7 })
    const ids = [...cluster.nodes.keys()]
    cluster.partition(ids.slice(0, 2), ids.slice(2))
    const name = cluster.submit(ids.slice(2))
    const lonely = cluster.submit(ids.slice(0, 2))
    expect(cluster.runFor(20_000, () => ids.slice(2).every((id) => cluster.watch.isExecuted(id, name)))).toBe(true)
    expect(cluster.executedBy(lonely, [cluster.node('n1')])).toBe(false)
    cluster.heal()
    const after = cluster.submit()
    expect(cluster.runFor(30_000, () => cluster.executedBy(after) && cluster.executedBy(lonely))).toBe(true)
  })

  it('two halves decide nothing until they meet again', () => {
    const cluster = begun()
    const ids = [...cluster.nodes.keys()]
    cluster.partition(ids.slice(0, 2), ids.slice(2))
    const before = cluster.watch.log.length
    const name = cluster.submit()
    cluster.runFor(30_000)
    expect(cluster.watch.log.length).toBe(before)
    cluster.heal()
    expect(cluster.runFor(15_000, () => cluster.executedBy(name))).toBe(true)
  })
})

describe('a round that fails', () => {
  it('is over although what those said who only joined was lost', () => {
    const cluster = begun({ count: 7 })
    cluster.runFor(2000)
    const leader = cluster.leader() as Node
    const [other, ...rest] = others(cluster, leader.id)
    cluster.crash(leader)
    cluster.crash(cluster.node(other as NodeId))
    const [waiting, joining] = [rest.slice(0, 3), rest.slice(3)]
    const lost = new Set<string>()
    cluster.intercept = (from, to, message) => {
      const link = `${from}>${to}`
      if (!joining.includes(from) || !isType(message, 'hsTimeout') || lost.has(link)) return null
      lost.add(link)
      return []
    }
    // Three know of it, and nobody hears of it from who leads.
    const name = cluster.submit(waiting)
    expect(cluster.runFor(30_000, () => cluster.executedBy(name))).toBe(true)
    expect(lost.size).toBe(12)
  })
})

describe('restarts', () => {
  it('of any node after any message sign nothing twice and lose nothing', () => {
    for (let point = 1; point <= 40; point++) {
      const cluster = clusterOf({ seed: point })
      let count = 0
      let down: NodeId | null = null
      cluster.onDeliver = (_from, to) => {
        if (++count === point) down = to
      }
      const name = cluster.submit()
      cluster.run(20_000, () => down !== null)
      cluster.crash(cluster.node(down as unknown as NodeId))
      cluster.runFor(30 * (point % 3))
      cluster.restart(cluster.node(down as unknown as NodeId))
      expect(
        cluster.runFor(20_000, () => cluster.executedBy(name)),
        `point ${point}`,
      ).toBe(true)
    }
  })

  it('of all nodes at once, at any moment, go on where they were', () => {
    for (let moment = 0; moment < 25; moment++) {
      const cluster = clusterOf({ seed: 100 + moment })
      const names = [cluster.submit(), cluster.submit()]
      cluster.runFor(moment * 1.5)
      for (const node of [...cluster.nodes.values()]) cluster.crash(node)
      cluster.runFor(5)
      for (const node of [...cluster.nodes.values()]) cluster.restart(node)
      expect(
        cluster.runFor(20_000, () => names.every((name) => cluster.executedBy(name))),
        `${moment}`,
      ).toBe(true)
    }
  })
})

/** Decides `count` requests, one per entry. */
function decide(cluster: ByzantineCluster, count: number): void {
  for (let i = 0; i < count; i++) {
    const name = cluster.submit()
    if (!cluster.runFor(15_000, () => cluster.executedBy(name))) throw new Error('a request was not decided')
  }
}

describe('replicas that lag', () => {
  it('fetch entries with their proofs, although a donor lies', () => {
    const cluster = begun({ limits: { keptBlocksMax: 8 } })
    cluster.crash(cluster.node('n4'))
    decide(cluster, 60)
    cluster.lie(nodeId('n2'))
    let lies = 0
    cluster.intercept = (from, to, message) => {
      if (from !== 'n2' || to !== 'n4' || !isType(message, 'hsEntries')) return null
      lies++
      const [first, ...rest] = message.entries
      return first === undefined ? [] : [{ ...message, entries: [{ ...first, body: new Uint8Array(4) }, ...rest] }]
    }
    const node = cluster.restart(cluster.node('n4'))
    const target = cluster.node('n1').executed
    expect(cluster.runFor(20_000, () => cluster.node('n4').executed >= target)).toBe(true)
    expect(node.executed).toBeGreaterThanOrEqual(target)
    expect(lies === 0 || cluster.rejected.some(({ from }) => from === 'n2')).toBe(true)
  })

  it('fetch a certified snapshot where the entries are gone, although a donor lies', () => {
    const cluster = begun({ limits: { keptBlocksMax: 8 } })
    cluster.crash(cluster.node('n4'))
    decide(cluster, 140)
    for (const id of ['n1', 'n2', 'n3']) cluster.snapshot(cluster.node(id), 128)
    cluster.lyingDonors.add(nodeId('n1'))
    cluster.restart(cluster.node('n4'))
    const target = cluster.node('n2').executed
    expect(cluster.runFor(40_000, () => cluster.node('n4').executed >= target)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    // It votes again: without it and with another one gone nothing would be decided.
    cluster.crash(cluster.node('n3'))
    decide(cluster, 3)
  })

  it('restart from a compacted log, all at once', () => {
    const cluster = begun()
    decide(cluster, 130)
    for (const node of [...cluster.nodes.values()]) cluster.snapshot(node, 128)
    cluster.runFor(50)
    for (const node of [...cluster.nodes.values()]) cluster.crash(node)
    for (const node of [...cluster.nodes.values()]) cluster.restart(node)
    decide(cluster, 3)
  })
})

describe('linearity', () => {
  it('a decision takes a number of messages that grows with n, not with its square', () => {
    const perDecision = [4, 7, 10, 13].map((count) => {
      const cluster = begun({ count })
      cluster.runFor(1000)
      const before = cluster.counts.delivered
      decide(cluster, 10)
      return (cluster.counts.delivered - before) / 10 / count
    })
    for (const perReplica of perDecision) expect(perReplica).toBeLessThan(7)
  })
})
