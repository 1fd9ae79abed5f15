/**
 * Attacks on one rule each, where leaving the rule out would lose what was answered: an answer that only
 * the leader knows to be certified survives a switch without that leader; without HELD nothing is told
 * where one phase is not safe; a candidate on another branch of the voters' term gets no vote from them,
 * though the liar votes for it.
 */
import { describe, expect, it } from 'vitest'
import { epochConfigHash, Replicas } from '../../../src/consensus/bft/replicas.js'
import { signBytes } from '../../../src/consensus/bft/statement.js'
import { contradicts, deservesVote } from '../../../src/consensus/hybrid/hardened/vote-rules.js'
import { type BareHeader, chainOf } from '../../../src/consensus/hybrid/headers.js'
import { grantStatement, type Position, type RaftEpoch } from '../../../src/consensus/hybrid/positions.js'
import { type Epoch, logIndex, type NodeId, type Term } from '../../../src/consensus/types.js'
import type { ByzantineCluster, Node } from '../bft/cluster.js'
import { replicasOf, signAs } from '../bft/keys.js'
import { leaderOf, orderMode, settle } from '../bft/steps.js'
import { CLUSTER_ID, CONFIG_HASH, sha256 } from '../disk.js'
import { hybridCluster } from './harness.js'
import { RaftLiar } from './liar.js'

function begun(count: number, seed: number): { cluster: ByzantineCluster; leader: Node } {
  const cluster = hybridCluster({ count, seed, batchMax: 1 })
  settle(cluster, [cluster.submit()])
  cluster.runFor(200)
  return { cluster, leader: leaderOf(cluster) }
}

describe('an answer', () => {
  it('that only the leader knows to be certified is in the result that the others select', () => {
    for (const count of [4, 5]) {
      const { cluster, leader } = begun(count, count)
      const others = [...cluster.nodes.values()].filter((node) => node !== leader)
      // From here on the leader's certificates reach nobody; its entries do.
      cluster.intercept = (from, _to, message) => {
        if (from !== leader.id) return null
        if (message.type === 'hybridAppend') return [{ ...message, commit: null, proof: null }]
        return message.type === 'hybridCommit' ? [] : null
      }
      const name = cluster.submit()
      settle(cluster, [name], { nodes: [leader] })
      expect(cluster.executedBy(name, others)).toBe(false)
      cluster.partition(
        [leader.id],
        others.map(({ id }) => id),
      )
      orderMode(cluster, 'bft', others)
      // Five members need four: the leader's history is missing, and the others are enough.
      settle(cluster, [name], { nodes: others })
      cluster.heal()
      settle(cluster, [cluster.submit()])
    }
  })

  it('rests on HELD where one phase is not enough', () => {
    const { cluster } = begun(6, 6)
    cluster.intercept = (_from, _to, message) => {
      if (message.type === 'hybridHeld') return []
      return message.type === 'hybridAck' ? [{ ...message, held: null }] : null
    }
    const name = cluster.submit()
    cluster.runFor(1500)
    expect([...cluster.nodes.values()].filter((node) => cluster.watch.isExecuted(node.id, name))).toEqual([])
    cluster.intercept = () => null
    settle(cluster, [name])
  })
})

describe('a member that lacks the result', () => {
  it('votes for no hand-over before it holds it in full', () => {
    const { cluster, leader } = begun(4, 9)
    const late = [...cluster.nodes.values()].find((node) => node !== leader) as Node
    cluster.intercept = (from, to, message) =>
      to === late.id && from === leader.id && message.type === 'hybridAppend' ? [] : null
    const name = cluster.submit()
    settle(cluster, [name], { nodes: [...cluster.nodes.values()].filter((node) => node !== late) })
    cluster.intercept = (_from, to, message) =>
      to === late.id && (message.type === 'hybridEntries' || message.type === 'hybridAppend') ? [] : null
    let votes = 0
    cluster.onDeliver = (from, _to, message) => {
      if (from === late.id && message.type === 'hybridHandOver' && message.message.type === 'pbftVote') votes++
    }
    orderMode(cluster, 'bft')
    cluster.runFor(3000)
    expect(votes).toBe(0)
    expect(late.core.status().mode).toBe('raft')
    cluster.intercept = () => null
    settle(cluster, [name, cluster.submit()])
  })
})

describe('a vote', () => {
  const sign = { clusterId: CLUSTER_ID, configHash: CONFIG_HASH }
  const origin = { term: 0 as Term, index: logIndex(0), hash: new Uint8Array(32) }
  const epoch: RaftEpoch = { sha256, epoch: 0 as Epoch, replicas: new Replicas(replicasOf(4)), sign, origin }
  const header = (mark: number): BareHeader => ({
    timestampMs: mark,
    kind: 'data',
    batchDigest: new Uint8Array(32).fill(mark),
  })
  const chain = (...marks: number[]): Position => {
    const hashes = chainOf(sha256, epoch.epoch, origin, marks.map(header))
    return { term: 1 as Term, index: logIndex(marks.length), hash: hashes.at(-1) ?? origin.hash }
  }
  const request = (term: number, ...marks: number[]) =>
    ({ tip: { ...chain(...marks), term }, headers: marks.map(header), commit: null, header: {} }) as never
  const voter = (position: Position, certified: Position = origin) => ({ position, certified })

  it("goes to who extends the voter's chain in its last term, or ends in a later one", () => {
    expect(deservesVote(epoch, request(1, 1, 2, 3), voter(chain(1, 2)))).toBe(true)
    expect(deservesVote(epoch, request(1, 1, 2), voter(chain(1, 2)))).toBe(true)
    expect(deservesVote(epoch, request(1, 1, 9), voter(chain(1, 2)))).toBe(false)
    expect(deservesVote(epoch, request(1, 1, 9, 3), voter(chain(1, 2)))).toBe(false)
    expect(deservesVote(epoch, request(1, 1), voter(chain(1, 2)))).toBe(false)
    expect(deservesVote(epoch, request(2, 9), voter(chain(1, 2)))).toBe(true)
  })

  it('never to who lacks what the voter knows to be certified', () => {
    expect(deservesVote(epoch, request(2, 1, 2, 3), voter(chain(1, 2), chain(1, 2)))).toBe(true)
    expect(deservesVote(epoch, request(2, 1, 9, 3), voter(chain(1, 2), chain(1, 2)))).toBe(false)
  })

  it('and who shows another history of the term than its leader gave the voter is a proof against that leader', () => {
    const own = (marks: number[]) => (index: number) =>
      chainOf(sha256, epoch.epoch, origin, marks.map(header))[index - 1]
    expect(contradicts(epoch, request(1, 1, 9), chain(1, 2, 3), own([1, 2, 3]))).toBe(true)
    expect(contradicts(epoch, request(1, 1, 2), chain(1, 2, 3), own([1, 2, 3]))).toBe(false)
    expect(contradicts(epoch, request(2, 1, 9), chain(1, 2, 3), own([1, 2, 3]))).toBe(false)
  })
})

describe('a candidate on another branch', () => {
  it('gets no vote from those who acknowledged what was answered, and nothing is lost', { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { cluster, leader } = begun(4, seed)
      cluster.lie(leader.id)
      const liar = new RaftLiar(leader.id, cluster.options.membership)
      const [knows, acked, victim] = cluster.honest as [Node, Node, Node]
      liar.fork([victim.id], leader.core.status().lastIndex + 1)
      cluster.intercept = (from, to, message) => {
        if (from !== leader.id) return null
        if (message.type === 'hybridGrant') return [yes(cluster, leader.id, to, message, asked.get(to))]
        if (message.type === 'hybridCommit') return to === knows.id ? null : []
        if (message.type !== 'hybridAppend') return null
        const bare = to === knows.id ? message : { ...message, commit: null, proof: null }
        return [to === victim.id ? liar.forked(bare) : bare]
      }
      const asked = new Map<NodeId, Parameters<typeof grantStatement>[4]>()
      cluster.onDeliver = (from, _to, message) => {
        if (message.type === 'hybridVoteRequest') asked.set(from, message.tip)
      }
      const name = cluster.submit()
      settle(cluster, [name], { nodes: [knows] })
      // Who knows is away, and the liar leads no more but votes for everybody.
      cluster.partition([knows.id], [leader.id, acked.id, victim.id])
      const silent = cluster.intercept
      cluster.intercept = (from, to, message) =>
        from === leader.id && (message.type === 'heartbeat' || message.type === 'hybridAppend')
          ? []
          : silent(from, to, message)
      let hasLed = false
      cluster.runFor(3000, () => {
        const { role, mode } = victim.core.status()
        hasLed ||= mode === 'raft' && role === 'leader'
        return false
      })
      expect(hasLed, `seed ${seed}: the other branch leads`).toBe(false)
      cluster.heal()
      cluster.intercept = () => null
      settle(cluster, [name, cluster.submit()])
    }
  })
})

/** A vote of the liar, whatever it was asked. */
function yes(
  cluster: ByzantineCluster,
  voter: NodeId,
  candidate: NodeId,
  message: Parameters<ByzantineCluster['intercept']>[2] & { type: 'hybridGrant' },
  tip: Parameters<typeof grantStatement>[4] | undefined,
) {
  if (tip === undefined) return message
  const { epoch, term } = message.reply
  const statement = grantStatement(sha256, epoch, term, candidate, tip)
  const configHash = epochConfigHash(sha256, CONFIG_HASH, cluster.options.membership)
  const signature = signAs(voter)(signBytes({ clusterId: CLUSTER_ID, configHash }, statement))
  return { ...message, reply: { ...message.reply, granted: true }, grant: { ...statement, signer: voter, signature } }
}
