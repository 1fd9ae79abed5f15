/**
 * Shows what a member takes of what others give it for the end of an epoch: what it asked for, however much a liar
 * pushes; under labels that every honest log has, whatever a liar writes beside what the chain binds. And that what
 * a member lacks is given as rows that hold together, and written down as far as a record may be large.
 */
import { describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import { epochConfigHash, Replicas } from '../../../src/consensus/bft/replicas.js'
import type { ProtocolMessage } from '../../../src/consensus/core.js'
import { type Entry, type EntryHeader, makeEntry } from '../../../src/consensus/entry.js'
import { decodeLeaving } from '../../../src/consensus/hybrid/epoch-record.js'
import { FetchedEntries } from '../../../src/consensus/hybrid/fetched.js'
import { withTerms } from '../../../src/consensus/hybrid/fetched-labels.js'
import { encodeTerm, grantStatement, type RaftEpoch } from '../../../src/consensus/hybrid/positions.js'
import { encodeBody } from '../../../src/consensus/request-body.js'
import { epoch, logIndex, type NodeId, nodeId, term } from '../../../src/consensus/types.js'
import { splitFrames } from '../../../src/storage/append-plan.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { replicasNamed, replicasOf } from '../bft/keys.js'
import { describeNodes, leaderOf, orderMode, settle } from '../bft/steps.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { targetOf } from '../engine.js'
import { hybridCluster } from './harness.js'

const MIB = 1 << 20

interface Late {
  readonly cluster: ByzantineCluster
  readonly liar: Node
  readonly victim: Node
}

/** A member that lacks the end of the log, which only the one that lies gives it while the epoch ends. */
function late(size?: number): Late {
  const cluster = hybridCluster({ count: 4, seed: 9, batchMax: 1 })
  settle(cluster, [cluster.submit()])
  cluster.runFor(200)
  const liar = leaderOf(cluster)
  const victim = [...cluster.nodes.values()].find((node) => node !== liar) as Node
  cluster.intercept = (from, to, message) =>
    to === victim.id && from === liar.id && message.type === 'hybridAppend' ? [] : null
  const count = size === undefined ? 2 : 10
  for (let at = 0; at < count; at++) {
    const name = cluster.submit(undefined, size)
    settle(cluster, [name], { nodes: [...cluster.nodes.values()].filter((node) => node !== victim) })
  }
  return { cluster, liar, victim }
}

/** What the victim is given passes through here; only the liar gives it entries. */
function give({ cluster, liar, victim }: Late, lies: (entries: readonly Entry[]) => readonly Entry[]): void {
  cluster.lie(liar.id)
  cluster.intercept = (from, to, message) => {
    if (to !== victim.id) return null
    if (message.type === 'hybridAppend') return []
    if (message.type !== 'hybridEntries') return null
    return from === liar.id ? [{ ...message, entries: lies(message.entries) }] : []
  }
}

function relabelled(fields: Partial<EntryHeader>, certificate: Uint8Array | null = null) {
  return (entries: readonly Entry[]) =>
    entries.map((entry) => makeEntry(sha256, { ...entry, ...fields }, entry.body, certificate))
}

/** Entry by entry as the other honest members have it. */
function expectSameLogs({ cluster, victim }: Late): void {
  settle(cluster, [cluster.submit()])
  expect(victim.disk.entries.filter((entry) => entry.epoch === 0).length).toBeGreaterThan(3)
  for (const { disk } of cluster.honest) {
    for (const entry of victim.disk.entries) {
      const other = disk.entry(entry.index)
      if (other === undefined || entry.epoch > 0) continue
      expect([entry.header, entry.certificate]).toEqual([other.header, other.certificate])
    }
  }
}

describe('entries under labels that no chain binds', () => {
  const lies = {
    'of another cluster': relabelled({ clusterId: new Uint8Array(16).fill(66) }),
    'of another configuration': relabelled({ configHash: new Uint8Array(32).fill(66) }),
    'with a certificate': relabelled({}, new Uint8Array(5)),
    'that begin another term': (entries: readonly Entry[]) =>
      entries.map((entry) => makeEntry(sha256, { ...entry, term: term(77) }, entry.body)),
  }

  for (const [what, lie] of Object.entries(lies).slice(0, 3)) {
    it(`${what} are taken from nobody`, () => {
      const given = late()
      const { cluster, victim, liar } = given
      give(given, lie)
      orderMode(cluster, 'bft')
      cluster.runFor(2000)
      expect(victim.core.status().epoch, describeNodes(cluster)).toBe(0)
      expect(cluster.rejected.map(({ from, type }) => [from, type])).toContainEqual([liar.id, 'hybridEntries'])
      cluster.intercept = () => null
      expectSameLogs(given)
    })
  }

  it('that name another term get the one that the log has', () => {
    const given = late()
    const { cluster, victim } = given
    give(given, lies['that begin another term'])
    orderMode(cluster, 'bft')
    expect(
      cluster.runFor(20_000, () => victim.core.status().epoch === 1),
      describeNodes(cluster),
    ).toBe(true)
    expectSameLogs(given)
  })
})

describe('a member that lost more than the epoch', () => {
  it('gets what lies before it as well, and takes nobody for a liar', () => {
    const cluster = hybridCluster({ count: 5, batchMax: 1 })
    for (let at = 0; at < 8; at++) settle(cluster, [cluster.submit()])
    const rest = ['n1', 'n2', 'n3', 'n4']
    cluster.order(leaderOf(cluster), targetOf(replicasNamed(rest)))
    const members = rest.map((id) => cluster.node(id))
    const areIn = (of: number) => () => rest.every((id) => cluster.node(id).core.status().epoch === of)
    expect(cluster.runFor(20_000, areIn(1)), describeNodes(cluster)).toBe(true)
    settle(cluster, [cluster.submit()], { nodes: members })
    const victim = members.find((node) => node !== leaderOf(cluster)) as Node
    const { id } = victim
    cluster.crash(victim)
    cluster.damage(victim, 3, victim.disk.safety)
    cluster.intercept = (_from, to, message) => (to === id && message.type === 'hybridAppend' ? [] : null)
    cluster.restart(cluster.node(id))
    orderMode(cluster, 'bft')
    expect(cluster.runFor(30_000, areIn(2)), describeNodes(cluster)).toBe(true)
    expect(cluster.rejected).toEqual([])
  })
})

describe('what nobody asked for', () => {
  it('is not kept, and makes no record too large', () => {
    const given = late()
    const { cluster, liar, victim } = given
    const told = cluster.intercept
    cluster.lie(liar.id)
    const pushed = [bigEntry(9 * MIB), bigEntry(9)].map(
      (entry): ProtocolMessage => ({ type: 'hybridEntries', epoch: epoch(0), entries: [entry] }),
    )
    cluster.intercept = (from, to, message) =>
      from === liar.id && message.type === 'hybridHistory' ? [message, ...pushed] : told(from, to, message)
    const records = watchAborts(cluster)
    orderMode(cluster, 'bft')
    const arrived = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
    expect(cluster.runFor(20_000, arrived), describeNodes(cluster)).toBe(true)
    expect(records.get(victim.id)?.length).toBeGreaterThan(1)
    for (const payload of [...records.values()].flat()) {
      expect(() => splitFrames([{ kind: 'abort', epoch: epoch(0), payload }])).not.toThrow()
      expect(decodeLeaving(payload).fetched.every(({ index }) => index < 500)).toBe(true)
    }
  })
})

describe('a member that lacks more than a record holds', () => {
  it('votes, and writes of it what fits', () => {
    const given = late(MIB)
    const { cluster, victim } = given
    cluster.intercept = (_from, to, message) => (to === victim.id && message.type === 'hybridAppend' ? [] : null)
    const records = watchAborts(cluster)
    orderMode(cluster, 'bft')
    const arrived = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
    expect(cluster.runFor(30_000, arrived), describeNodes(cluster)).toBe(true)
    const sizes = (records.get(victim.id) ?? []).map(({ length }) => length)
    expect(Math.max(...sizes)).toBeGreaterThan(2 * MIB)
    expect(Math.max(...sizes)).toBeLessThan(5 * MIB)
    settle(cluster, [cluster.submit()])
  })
})

describe('who has gone on', () => {
  it('gives of its log what belongs to the epoch that is asked about', () => {
    const cluster = hybridCluster({ count: 4, batchMax: 1 })
    settle(cluster, [cluster.submit()])
    orderMode(cluster, 'bft')
    const haveEntered = (): boolean => cluster.honest.every(({ core }) => core.status().epoch === 1)
    expect(cluster.runFor(20_000, haveEntered), describeNodes(cluster)).toBe(true)
    settle(cluster, [cluster.submit(), cluster.submit()])
    const [asks, asked] = cluster.honest as [Node, Node]
    const given: number[] = []
    cluster.onDeliver = (_from, to, message) => {
      if (message.type === 'hybridEntries' && to === asks.id) given.push(...message.entries.map((one) => one.epoch))
    }
    const upTo = asked.core.status().lastIndex
    expect(asked.disk.entry(upTo)?.epoch).toBe(1)
    cluster.inject(asks.id, asked.id, { type: 'hybridFetch', epoch: epoch(0), from: logIndex(1), upTo })
    cluster.runFor(100)
    expect(new Set(given)).toEqual(new Set([0]))
  })
})

describe('what was given', () => {
  const entry = (index: number, mark: number, previousChain: Uint8Array = new Uint8Array(32)): Entry =>
    bigEntry(mark, index, previousChain)

  it('is given on as rows that hold together, one of each branch, however it came', () => {
    const [five, other] = [entry(5, 1), entry(5, 2)]
    const six = entry(6, 3, five.chain)
    const seven = entry(7, 4, six.chain)
    const fetched = new FetchedEntries([seven, other, entry(6, 5, other.chain), five, six])
    expect(fetched.rows(logIndex(5), logIndex(7))).toEqual([[five, six, seven]])
    expect(fetched.rows(logIndex(6), logIndex(6)).map((row) => row.map(({ body }) => body.length))).toHaveLength(2)
    expect(fetched.rows(logIndex(1), logIndex(8))).toEqual([])
  })

  it('stays when it is given again, and makes room only for what is decided', () => {
    const five = entry(5, 1)
    const fetched = new FetchedEntries([five])
    fetched.add({ ...five, term: term(77) }, false)
    expect(fetched.at(five.chain)).toBe(five)
    const body = new Uint8Array(200 * MIB)
    expect(fetched.add({ ...entry(6, 2), body }, false)).toBe(true)
    expect(fetched.add({ ...entry(7, 3), body }, false)).toBe(false)
    expect(fetched.add({ ...entry(7, 3), body }, true)).toBe(true)
    fetched.retain([five])
    expect(fetched.add({ ...entry(7, 3), body }, false)).toBe(true)
  })
})

describe('terms', () => {
  const sign = { clusterId: CLUSTER_ID, configHash: epochConfigHash(sha256, CONFIG_HASH, replicasOf(4)) }
  const origin = { term: term(0), index: logIndex(10), hash: new Uint8Array(32).fill(7) }
  const of: RaftEpoch = { sha256, epoch: epoch(3), replicas: new Replicas(replicasOf(4)), sign, origin }
  const terms = (entries: readonly Entry[] | null) => entries?.map((entry) => entry.term as number)

  /** Entries after `first`, a number for the term that data says, `[n]` for what begins term n. */
  function row(first: number, ...labels: readonly (number | [number])[]): Entry[] {
    const entries: Entry[] = []
    for (const label of labels) {
      const index = logIndex(first + entries.length)
      const previousChain = entries.at(-1)?.chain ?? origin.hash
      const isMode = typeof label !== 'number'
      const own = term(isMode ? label[0] : label)
      const body = isMode ? encodeBody([termBody(own, index, previousChain)]) : new Uint8Array(0)
      const kind = isMode ? 'mode' : 'empty'
      const batchDigest = computeBatchDigest(sha256, kind, body)
      const fields = {
        ...sign,
        epoch: of.epoch,
        term: own,
        index,
        timestampMs: index,
        kind,
        batchDigest,
        previousChain,
      }
      entries.push(makeEntry(sha256, fields as Omit<EntryHeader, 'chain'>, body))
    }
    return entries
  }

  function termBody(own: ReturnType<typeof term>, index: number, hash: Uint8Array): Uint8Array {
    const candidate = nodeId('n1')
    const tip = { term: term(own - 1), index: logIndex(index - 1), hash }
    const statement = grantStatement(sha256, of.epoch, own, candidate, tip)
    const signers: number[] = []
    return encodeTerm({ candidate, tip, certificate: { statement, signers, signatures: [] } })
  }

  it('are those of the entry before, or of the certificate that begins one', () => {
    expect(terms(withTerms(of, term(2), row(15, 9, 9, [4], 1, 77), term(4)))).toEqual([2, 2, 4, 4, 4])
    expect(withTerms(of, term(2), row(15, 2, [4]), term(4))).toEqual(row(15, 2, [4]))
    expect(terms(withTerms(of, null, row(11, [1], 9), term(4)))).toEqual([1, 1])
  })

  it('are no higher than what follows lets them be where nobody knows', () => {
    expect(terms(withTerms(of, null, row(15, 2, 9, [4]), term(4)))).toEqual([2, 2, 4])
    expect(terms(withTerms(of, null, row(15, 9, 9, [4]), term(4)))).toEqual([3, 3, 4])
    expect(terms(withTerms(of, null, row(15, 9), term(4)))).toEqual([4])
  })

  it('that fall, end above the result or begin without a certificate are of no honest log', () => {
    expect(withTerms(of, term(5), row(15, [4]), term(9))).toBeNull()
    expect(withTerms(of, term(4), row(15, [4]), term(9))).toBeNull()
    expect(withTerms(of, term(2), row(15, [4]), term(3))).toBeNull()
    expect(withTerms(of, null, row(11, 1), term(3))).toBeNull()
  })
})

/** An entry by itself that is what it says. */
function bigEntry(bytes: number, index = 500, previousChain: Uint8Array = new Uint8Array(32)): Entry {
  const body = encodeBody([new Uint8Array(bytes)])
  const batchDigest = computeBatchDigest(sha256, 'empty', body)
  const configHash = epochConfigHash(sha256, CONFIG_HASH, replicasOf(4))
  const place = { epoch: epoch(0), term: term(1), index: logIndex(index), timestampMs: 1, kind: 'empty' } as const
  return makeEntry(sha256, { ...place, clusterId: CLUSTER_ID, configHash, batchDigest, previousChain }, body)
}

/** What each node writes of leaving the epoch, as it is written. */
function watchAborts(cluster: ByzantineCluster): Map<NodeId, Uint8Array[]> {
  const written = new Map<NodeId, Uint8Array[]>()
  for (const { id, core } of cluster.nodes.values()) {
    const step = core.step.bind(core)
    core.step = (input, now) => {
      const effects = step(input, now)
      for (const effect of effects) {
        if (effect.type !== 'store') continue
        for (const record of effect.records)
          if (record.kind === 'abort') written.set(id, [...(written.get(id) ?? []), record.payload])
      }
      return effects
    }
  }
  return written
}
