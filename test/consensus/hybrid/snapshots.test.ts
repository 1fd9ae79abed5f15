/**
 * Compaction and snapshots in a hybrid Raft epoch: members sign the same states, a log begins behind what a
 * quorum signed and nothing else, and who lacks what the logs dropped comes back by a snapshot with that
 * certificate, in the epoch and while it ends. A donor that lies is found out, whatever it leads.
 */
import { describe, expect, it } from 'vitest'
import { type CommitProof, decodeProof, encodeProof } from '../../../src/consensus/bft/hotstuff/proof.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import type { LogIndex } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { crashAll, describeNodes, leaderOf, orderMode, restartAll, settle } from '../bft/steps.js'
import { hybridCluster } from './harness.js'

const INTERVAL = 8
/** What a step wrote is on the disk then. */
const STORED_MS = 10

/** One after the other, so that each makes an entry. */
function write(cluster: ByzantineCluster, count: number): void {
  for (let i = 0; i < count; i++) settle(cluster, [cluster.submit()])
}

/** The newest checkpoint index that all of these executed. */
function checkpointOf(nodes: readonly Node[]): number {
  const least = Math.min(...nodes.map(({ executed }) => executed))
  return least - (least % INTERVAL)
}

function compact(cluster: ByzantineCluster, nodes: readonly Node[]): number {
  const index = checkpointOf(nodes)
  for (const node of nodes) cluster.snapshot(node, index)
  const isDone = (): boolean => nodes.every((node) => node.core.status().firstIndex === index + 1)
  if (!cluster.runFor(10_000, isDone)) throw new Error(`a log was not compacted to ${index}\n${describeNodes(cluster)}`)
  return index
}

const up = (cluster: ByzantineCluster): Node[] => [...cluster.nodes.values()].filter((node) => node.up)

describe('compaction in a Raft epoch', () => {
  for (const count of [4, 6, 7]) {
    it(`happens behind what a quorum signed (n = ${count})`, () => {
      const cluster = hybridCluster({ count })
      write(cluster, 20)
      const index = compact(cluster, up(cluster))
      expect(index).toBeGreaterThanOrEqual(2 * INTERVAL)
      write(cluster, 3)
      const stable = cluster.seen.filter(({ effect }) => effect.type === 'checkpointStable')
      expect(stable.length).toBeGreaterThanOrEqual(2 * count)
      expect(cluster.rejected).toEqual([])
    })
  }

  it('waits for the certificate', () => {
    const cluster = hybridCluster()
    // Of four, two cannot make a quorum: their words are lost.
    cluster.intercept = (from, _to, message) =>
      message.type === 'hybridCheckpoint' && (from === 'n3' || from === 'n4') ? [] : null
    write(cluster, 20)
    const index = checkpointOf(up(cluster))
    cluster.snapshot(cluster.node('n1'), index)
    cluster.runFor(5000)
    expect(cluster.node('n1').core.status().firstIndex).toBe(1)
    cluster.intercept = () => null
    cluster.runFor(5000)
    expect(cluster.node('n1').core.status().firstIndex).toBe(index + 1)
  })

  it('survives restarts, of all at once too', () => {
    const cluster = hybridCluster({ seed: 5 })
    write(cluster, 20)
    compact(cluster, up(cluster))
    crashAll(cluster)
    restartAll(cluster)
    write(cluster, 12)
    compact(cluster, up(cluster))
    write(cluster, 2)
    expect(cluster.rejected).toEqual([])
  })
})

/** A follower is away while the others let go of what it lacks. */
function leftBehind(seed: number): { cluster: ByzantineCluster; away: Node } {
  const cluster = hybridCluster({ seed })
  write(cluster, 3)
  const away = up(cluster).find((node) => node.core.status().role !== 'leader') as Node
  cluster.crash(away)
  write(cluster, 24)
  compact(cluster, up(cluster))
  return { cluster, away }
}

describe('a member that was away', () => {
  it('comes back by a signed snapshot, and votes and leads then', () => {
    const { cluster, away } = leftBehind(2)
    cluster.restart(away)
    write(cluster, 4)
    expect(cluster.counts.installs).toBe(1)
    // It counts: without it and another there is no quorum.
    const other = up(cluster).find((node) => node.id !== away.id && node.core.status().role === 'leader') as Node
    cluster.crash(other)
    write(cluster, 10)
    compact(cluster, up(cluster))
    // And leads, if it must.
    for (let tries = 0; tries < 40 && cluster.leader()?.id !== away.id; tries++) {
      const leader = cluster.leader()
      if (leader === undefined) cluster.runFor(500)
      else {
        cluster.rotate(leader, away.id)
        cluster.runFor(1000)
      }
    }
    expect(cluster.leader()?.id).toBe(away.id)
    write(cluster, 10)
    cluster.restart(other)
    write(cluster, 2)
    expect(cluster.rejected).toEqual([])
  })

  it('is not given a state that nobody signed', () => {
    const { cluster, away } = leftBehind(3)
    const leader = cluster.leader() as Node
    cluster.lyingDonors.add(leader.id)
    cluster.restart(away)
    cluster.runFor(5000)
    expect(cluster.counts.installs).toBe(0)
    cluster.lyingDonors.clear()
    write(cluster, 2)
    expect(cluster.counts.installs).toBe(1)
  })

  it('believes no place that a lying leader invents for a snapshot', () => {
    const { cluster, away } = leftBehind(4)
    const leader = cluster.leader() as Node
    cluster.lie(leader.id)
    cluster.intercept = (from, to, message) => {
      if (from !== leader.id || to !== away.id || message.type !== 'hybridCheckpoint' || message.snapshot === null)
        return null
      // The term and the members of a base are in no chain: they are not taken from the offer.
      const base = { ...message.snapshot.base, term: 1e9 as never }
      return [{ ...message, snapshot: { ...message.snapshot, base } }]
    }
    cluster.restart(away)
    write(cluster, 8)
    expect(cluster.counts.installs).toBe(1)
    compact(cluster, up(cluster))
    write(cluster, 8)
  })
})

describe('a snapshot whose file is gone', () => {
  const offered = (cluster: ByzantineCluster): Set<string> => {
    const ids = new Set<string>()
    cluster.intercept = (_from, _to, message) => {
      if ('snapshot' in message && message.snapshot !== null) ids.add(Buffer.from(message.snapshot.id).toString('hex'))
      return null
    }
    return ids
  }

  it('is offered to nobody any more once it was asked for, and the next one helps (raft)', () => {
    const { cluster, away } = leftBehind(2)
    const others = up(cluster)
    cluster.runFor(STORED_MS)
    for (const node of others) cluster.loseSnapshots(node)
    const first = offered(cluster)
    cluster.restart(away)
    cluster.runFor(5000)
    expect(first.size).toBe(1)
    expect(offered(cluster)).toEqual(new Set())
    const later = offered(cluster)
    cluster.runFor(5000)
    expect(later.size).toBe(0)
    expect(cluster.counts.installs).toBe(0)
    settle(cluster, [cluster.submit()], { nodes: others })
    for (let at = 0; at < INTERVAL; at++) settle(cluster, [cluster.submit()], { nodes: others })
    compact(cluster, others)
    write(cluster, 2)
    expect(cluster.counts.installs).toBe(1)
  })

  for (const bft of ['raft', 'pbft', 'hotstuff'] as const) {
    it(`is offered to nobody after a start, and the next one helps (${bft})`, () => {
      const cluster = hybridCluster({ seed: 2, ...(bft === 'raft' ? {} : { bft }) })
      write(cluster, 3)
      const away = up(cluster).find((node) => node.core.status().role !== 'leader') as Node
      cluster.crash(away)
      if (bft !== 'raft') orderMode(cluster, 'bft', up(cluster))
      write(cluster, 24)
      compact(cluster, up(cluster))
      cluster.runFor(STORED_MS)
      for (const node of up(cluster)) {
        cluster.crash(node)
        cluster.loseSnapshots(node)
        // The applied state is whole.
        node.disk.executed = node.executed
      }
      restartAll(cluster)
      const others = up(cluster).filter(({ id }) => id !== away.id)
      const ids = offered(cluster)
      cluster.runFor(5000)
      expect(ids.size).toBe(0)
      for (let at = 0; at <= INTERVAL; at++) settle(cluster, [cluster.submit()], { nodes: others })
      compact(cluster, others)
      write(cluster, 2)
      expect(cluster.counts.installs).toBe(1)
    })
  }
})

describe('a member that was away while a Byzantine epoch was compacted in its middle, and ended', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`begins behind what its protocol signed, and comes to the end by its rules (${bft})`, () => {
      const cluster = hybridCluster({ bft, seed: 11, residencyMs: 1000 })
      write(cluster, 3)
      orderMode(cluster, 'bft')
      write(cluster, 3)
      const away = up(cluster).find((node) => node.id !== cluster.leader()?.id) as Node
      cluster.crash(away)
      write(cluster, 24)
      const others = up(cluster)
      const index = compact(cluster, others)
      write(cluster, 3)
      cluster.runFor(3000)
      orderMode(cluster, 'raft')
      const isBack = (node: Node): boolean => node.core.status().mode === 'raft'
      if (!cluster.runFor(60_000, () => others.every(isBack))) throw new Error(describeNodes(cluster))
      // Nothing is compacted in the new epoch: what the member can be given is of the middle of the old one.
      for (const { core } of others) expect(core.status().firstIndex).toBe(index + 1)
      cluster.restart(away)
      if (!cluster.runFor(60_000, () => isBack(cluster.node(away.id)))) throw new Error(describeNodes(cluster))
      expect(cluster.counts.installs).toBe(1)
      write(cluster, 3)
      expect(cluster.rejected).toEqual([])
    })
  }
})

describe('a member whose log goes on behind the snapshot that it is given at the end of an epoch', () => {
  it('keeps what it acknowledged', () => {
    const cluster = hybridCluster({ seed: 31 })
    write(cluster, 20)
    const away = up(cluster).find((node) => node.id !== cluster.leader()?.id) as Node
    const { lastIndex } = away.core.status()
    cluster.crash(away)
    // Its disk knows of little that is committed.
    away.disk.executed = 0
    compact(cluster, up(cluster))
    write(cluster, 3)
    cluster.restart(away)
    const hide = (...types: ProtocolMessage['type'][]): void => {
      cluster.intercept = (from, to, message) =>
        [from, to].includes(away.id) && types.includes(message.type) ? [] : null
    }
    // It comes to the end of the epoch as it is, and a snapshot is all that it is offered there at first.
    hide('hybridAppend', 'hybridCommit', 'hybridVoteRequest', 'hybridEntries')
    orderMode(cluster, 'bft')
    const isThere = (): boolean => cluster.node(away.id).core.status().epoch === 1
    const isShorter = (): boolean => cluster.node(away.id).disk.lastIndex < lastIndex
    expect(cluster.runFor(5000, isShorter)).toBe(false)
    hide('hybridAppend', 'hybridCommit', 'hybridVoteRequest')
    expect(cluster.runFor(20_000, isThere), describeNodes(cluster)).toBe(true)
    cluster.intercept = () => null
    write(cluster, 3)
    expect(cluster.rejected).toEqual([])
  })
})

describe('a member that was away while a Byzantine epoch began, and was compacted', () => {
  const begun = (bft: 'pbft' | 'hotstuff'): { readonly cluster: ByzantineCluster; readonly away: Node } => {
    const cluster = hybridCluster({ bft, seed: 21 })
    write(cluster, 3)
    const away = up(cluster).find((node) => node.id !== cluster.leader()?.id) as Node
    cluster.crash(away)
    write(cluster, 3)
    orderMode(cluster, 'bft', up(cluster))
    write(cluster, 20)
    compact(cluster, up(cluster))
    write(cluster, 3)
    return { cluster, away }
  }

  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`comes into its middle, and is needed there (${bft})`, () => {
      const { cluster, away } = begun(bft)
      const said = new Set<string>()
      cluster.onDeliver = (from, _to, message) => {
        if (from === away.id) said.add(message.type)
      }
      const { id } = cluster.restart(away)
      write(cluster, 3)
      expect(cluster.counts.installs).toBe(1)
      // It has signed nothing there, and knows it: it need not ask what it may have forgotten.
      expect(said).not.toContain('hsRejoin')
      expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, epoch: 1, mayVote: true })
      // Whoever leads falls: what the new one shows of its log goes back to the checkpoint that it began behind.
      const leader = leaderOf(cluster)
      expect(leader.id).not.toBe(id)
      cluster.crash(leader)
      write(cluster, 5)
      expect(cluster.rejected).toEqual([])
    })

    it(`gives up a view there before anybody tells it more (${bft})`, () => {
      const { cluster, away } = begun(bft)
      const { id } = cluster.restart(away)
      const isInstalled = (): boolean => cluster.counts.installs === 1
      expect(cluster.runFor(20_000, isInstalled), describeNodes(cluster)).toBe(true)
      const others = [...cluster.nodes.keys()].filter((other) => other !== id)
      cluster.partition([id], others)
      cluster.submit([id])
      cluster.runFor(10_000)
      cluster.heal()
      write(cluster, 3)
      expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, epoch: 1, mayVote: true })
    })

    it(`is in it still after a crash at any of its next steps (${bft})`, () => {
      for (const steps of [0, 1, 3, 6, 12]) {
        const { cluster, away } = begun(bft)
        const { id } = cluster.restart(away)
        const isInstalled = (): boolean => cluster.counts.installs === 1
        expect(cluster.runFor(20_000, isInstalled), describeNodes(cluster)).toBe(true)
        cluster.runFor(steps)
        cluster.crash(cluster.node(id))
        write(cluster, 1)
        cluster.restart(cluster.node(id))
        write(cluster, 3)
        expect(cluster.node(id).core.status()).toMatchObject({ mode: bft, epoch: 1, mayVote: true })
        cluster.crash(up(cluster).find((node) => node.id !== id) as Node)
        write(cluster, 3)
      }
    })
  }

  it('believes no block that a quorum of the epoch did not decide (hotstuff)', () => {
    const lies: Record<string, (proof: CommitProof) => Uint8Array | null> = {
      'no proof': () => null,
      'nobody signed it': ({ headers, qc }) =>
        encodeProof({ headers, qc: { ...qc, signatures: qc.signatures.map(() => new Uint8Array(64)) } }),
      'of another place': ({ headers, qc }) =>
        encodeProof({ headers: headers.map((header) => ({ ...header, index: (header.index + 1) as LogIndex })), qc }),
      'of one block': ({ headers, qc }) => encodeProof({ headers: headers.slice(0, 1), qc }),
    }
    for (const [name, lie] of Object.entries(lies)) {
      const { cluster, away } = begun('hotstuff')
      let told = 0
      cluster.intercept = (_from, to, message) => {
        if (to !== away.id || message.type !== 'hybridCheckpoint' || message.proof === null) return null
        told++
        return [{ ...message, proof: lie(decodeProof(message.proof)) }]
      }
      cluster.restart(away)
      cluster.runFor(5000)
      expect(told, name).toBeGreaterThan(0)
      expect(cluster.counts.installs, name).toBe(0)
      cluster.intercept = () => null
      write(cluster, 2)
      expect(cluster.counts.installs, name).toBe(1)
    }
  })
})

describe('the hand-over from compacted logs', () => {
  for (const bft of ['pbft', 'hotstuff'] as const) {
    it(`leads to ${bft}, and nothing is missing`, () => {
      const cluster = hybridCluster({ bft, seed: 6 })
      write(cluster, 20)
      compact(cluster, up(cluster))
      write(cluster, 3)
      orderMode(cluster, 'bft')
      write(cluster, 20)
      for (const node of cluster.nodes.values()) expect(node.core.status()).toMatchObject({ mode: bft, epoch: 1 })
      expect(cluster.rejected).toEqual([])
    })
  }

  it('takes histories that begin at different places', () => {
    const cluster = hybridCluster({ seed: 7 })
    write(cluster, 20)
    const [first, second] = up(cluster)
    compact(cluster, [first as Node])
    write(cluster, 16)
    compact(cluster, [second as Node])
    write(cluster, 3)
    orderMode(cluster, 'bft')
    write(cluster, 6)
    for (const node of cluster.nodes.values()) expect(node.core.status()).toMatchObject({ mode: 'pbft', epoch: 1 })
  })
})
