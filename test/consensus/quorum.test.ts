/** Shows that quorum arithmetic is right: by table, for every size up to 100, and against brute-force models. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  byzantineFaults,
  byzantineQuorum,
  committedIndex,
  hasQuorum,
  majority,
  voteResult,
  zoneCommittedIndex,
} from '../../src/consensus/quorum.js'
import { type NodeId, nodeId } from '../../src/consensus/types.js'

const ids = (count: number): NodeId[] => Array.from({ length: count }, (_, i) => nodeId(`n${i}`))

/** Highest index that some majority holds entirely, by trying every index. */
function modelMajorityIndex(acks: readonly number[]): number {
  for (let index = Math.max(...acks); index > 0; index--) {
    if (acks.filter((ack) => ack >= index).length * 2 > acks.length) return index
  }
  return 0
}

describe('quorum sizes', () => {
  it('any two majorities share a member and a smaller group is not one, for n = 1 … 100', () => {
    for (let n = 1; n <= 100; n++) {
      expect(2 * majority(n)).toBeGreaterThan(n)
      expect(2 * (majority(n) - 1)).toBeLessThanOrEqual(n)
    }
  })

  it('Byzantine quorums intersect in an honest member, and the honest ones alone suffice, for n = 1 … 100', () => {
    for (let n = 1; n <= 100; n++) {
      const f = byzantineFaults(n)
      const q = byzantineQuorum(n)
      expect(3 * f + 1).toBeLessThanOrEqual(n)
      expect(3 * (f + 1) + 1).toBeGreaterThan(n)
      expect(2 * q - n).toBeGreaterThanOrEqual(f + 1)
      expect(2 * (q - 1) - n).toBeLessThan(f + 1)
      expect(q).toBeLessThanOrEqual(n - f)
    }
    expect([1, 3, 4, 6, 7, 10].map(byzantineFaults)).toEqual([0, 0, 1, 1, 2, 3])
    expect([1, 3, 4, 6, 7, 10].map(byzantineQuorum)).toEqual([1, 2, 3, 4, 5, 7])
  })
})

describe('committed index', () => {
  it('equals the brute-force model, joint configurations included', () => {
    const acks = fc.array(fc.nat(12), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(acks, acks, fc.boolean(), fc.nat(9), (first, second, joint, shared) => {
        // The halves of a joint configuration overlap: their first members are the same.
        const all = [...first, ...second]
        const voters = ids(first.length)
        const start = Math.max(0, first.length - shared)
        const outgoing = joint ? ids(all.length).slice(start) : []
        const ackOf = (id: NodeId) => all[Number(id.slice(1))] as number
        const expected = Math.min(
          modelMajorityIndex(voters.map(ackOf)),
          joint ? modelMajorityIndex(outgoing.map(ackOf)) : Number.POSITIVE_INFINITY,
        )
        expect(committedIndex({ voters, outgoing }, ackOf)).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })

  it('needs both halves of a joint configuration, never a majority of their union', () => {
    const [a, b, c, d, e] = ids(5) as [NodeId, NodeId, NodeId, NodeId, NodeId]
    const configuration = { voters: [a, b, c], outgoing: [c, d, e] }
    const held = new Set([a, b, c])
    expect(committedIndex(configuration, (id) => (held.has(id) ? 7 : 0))).toBe(0)
    held.add(d)
    expect(committedIndex(configuration, (id) => (held.has(id) ? 7 : 0))).toBe(7)
    expect(hasQuorum(configuration, (id) => id !== c)).toBe(true)
    expect(hasQuorum(configuration, (id) => id !== d && id !== e)).toBe(false)
  })
})

describe('committed index across data centres', () => {
  // Acknowledged indexes, zones ('_' is none), what may commit.
  it.each([
    ['100 101 99', 'a a b', 99],
    ['100 101 99', 'a a a', 100],
    ['100 101 99', 'b a a', 100],
    ['100 101 99', '_ a a', 99],
    ['100 101 99', '_ _ _', 99],
    ['100 101 99', '_ a b', 99],
    ['5', 'a', 5],
    ['10 10 0', 'a a b', 0],
    ['10 10 0', 'a b c', 10],
    ['9 8 7 6 5', 'a a a b c', 6],
    ['9 8 7 6 5', 'a b a a a', 7],
    ['9 9 9 9 2', 'a a a a b', 2],
  ])('%s in zones %s commits %i', (acks, zones, expected) => {
    const indexes = acks.split(' ').map(Number)
    const zoneList = zones.split(' ')
    const voters = ids(indexes.length)
    const at = (id: NodeId) => Number(id.slice(1))
    const zoneOf = (id: NodeId) => (zoneList[at(id)] === '_' ? null : (zoneList[at(id)] as string))
    const ackOf = (id: NodeId) => indexes[at(id)] as number
    expect(zoneCommittedIndex({ voters, outgoing: [] }, ackOf, zoneOf)).toBe(expected)
  })

  it('what commits is on a majority, and after the loss of any one zone still on a survivor', () => {
    const voter = fc.record({ ack: fc.nat(12), zone: fc.constantFrom('a', 'b', 'c') })
    fc.assert(
      fc.property(fc.array(voter, { minLength: 2, maxLength: 9 }), (list) => {
        const voters = ids(list.length)
        const of = (id: NodeId) => list[Number(id.slice(1))] as (typeof list)[number]
        const index = zoneCommittedIndex(
          { voters, outgoing: [] },
          (id) => of(id).ack,
          (id) => of(id).zone,
        )
        const holders = list.filter(({ ack }) => ack >= index)
        expect(holders.length * 2).toBeGreaterThan(list.length)
        const zones = new Set(list.map(({ zone }) => zone))
        if (zones.size > 1) expect(new Set(holders.map(({ zone }) => zone)).size).toBeGreaterThan(1)
        // Not needlessly low either: one more would break one of the two.
        const more = list.filter(({ ack }) => ack >= index + 1)
        const fine =
          more.length * 2 > list.length && (zones.size === 1 || new Set(more.map(({ zone }) => zone)).size > 1)
        expect(fine).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  it('takes each half of a joint configuration by itself', () => {
    const [a, b, c, d] = ids(4) as [NodeId, NodeId, NodeId, NodeId]
    const acks = new Map([
      [a, 9],
      [b, 8],
      [c, 7],
      [d, 3],
    ])
    const zones = new Map([
      [a, 'x'],
      [b, 'y'],
      [c, 'x'],
      [d, 'y'],
    ])
    const ackOf = (id: NodeId) => acks.get(id) as number
    const zoneOf = (id: NodeId) => zones.get(id) as string
    expect(zoneCommittedIndex({ voters: [a, b, c], outgoing: [] }, ackOf, zoneOf)).toBe(8)
    expect(zoneCommittedIndex({ voters: [a, b, c], outgoing: [a, c, d] }, ackOf, zoneOf)).toBe(3)
  })
})

describe('votes', () => {
  it('are won by a majority, lost when one is out of reach, and ignore who is no voter', () => {
    const vote = fc.constantFrom(true, false, undefined)
    fc.assert(
      fc.property(fc.array(vote, { minLength: 1, maxLength: 9 }), (list) => {
        const voters = ids(list.length)
        const votes = new Map<NodeId, boolean>([
          [nodeId('stranger'), true],
          [nodeId('learner'), true],
        ])
        list.forEach((given, i) => {
          if (given !== undefined) votes.set(voters[i] as NodeId, given)
        })
        const yes = list.filter((given) => given === true).length
        const no = list.filter((given) => given === false).length
        const needed = Math.floor(list.length / 2) + 1
        const expected = yes >= needed ? 'won' : list.length - no < needed ? 'lost' : 'pending'
        expect(voteResult({ voters, outgoing: [] }, votes)).toBe(expected)
      }),
    )
  })

  it('need both halves of a joint configuration', () => {
    const [a, b, c, d, e] = ids(5) as [NodeId, NodeId, NodeId, NodeId, NodeId]
    const configuration = { voters: [a, b, c], outgoing: [c, d, e] }
    const votes = new Map<NodeId, boolean>([
      [a, true],
      [b, true],
    ])
    expect(voteResult(configuration, votes)).toBe('pending')
    expect(voteResult(configuration, new Map([...votes, [d, false], [e, false]]))).toBe('lost')
    expect(voteResult(configuration, new Map([...votes, [d, true], [e, true]]))).toBe('won')
  })
})
