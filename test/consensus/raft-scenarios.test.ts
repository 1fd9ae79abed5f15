/** Shows whole stories on a simulated cluster: the partitions and deadlocks that have stopped real systems. */
import { describe, expect, it } from 'vitest'
import { epoch, nodeId, term } from '../../src/consensus/types.js'
import { entriesOf } from './engine.js'
import { Cluster } from './harness.js'

type ClusterNode = ReturnType<Cluster['node']>

function elected(cluster: Cluster, withinMs = 5000): ClusterNode {
  expect(
    cluster.runFor(withinMs, () => cluster.leader() !== undefined),
    'a leader is elected',
  ).toBe(true)
  cluster.runFor(500)
  return cluster.leader() as ClusterNode
}

/** Proposes on whoever leads until a proposal of this call is committed. */
function commits(cluster: Cluster, withinMs = 5000): void {
  const before = cluster.committed.length
  const until = cluster.nowMs + withinMs
  while (cluster.nowMs < until && cluster.committed.length === before) {
    const leader = cluster.leader()
    if (leader !== undefined) cluster.propose(leader)
    cluster.runFor(100)
  }
  expect(cluster.committed.length, 'something commits').toBeGreaterThan(before)
}

function restartWith(cluster: Cluster, id: string, terms: readonly number[], currentTerm: number): void {
  const node = cluster.node(id)
  cluster.crash(node)
  node.disk.entries = entriesOf(terms)
  node.disk.hardState = { epoch: epoch(0), term: term(currentTerm), votedFor: null }
  node.disk.executed = 0
  cluster.restart(node)
}

describe('PreVote does not deadlock', () => {
  it('two nodes of very different terms: the longer log has the lower term', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new Cluster({ seed, voters: 3 })
      cluster.crash(cluster.node('n3'))
      restartWith(cluster, 'n1', [1, 1, 3], 3)
      restartWith(cluster, 'n2', [1, 1], 9)
      expect(elected(cluster).id).toBe('n1')
      commits(cluster)
    }
  })

  it('a follower that is stuck in a higher term frees itself through its answers to the leader', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new Cluster({ seed, voters: 3 })
      elected(cluster)
      commits(cluster)
      const stuck = [...cluster.nodes.values()].find((node) => node !== cluster.leader()) as ClusterNode
      restartWith(cluster, stuck.id, [], 50)
      cluster.runFor(2000)
      commits(cluster)
      expect(cluster.node(stuck.id).core.status().lastIndex).toBe(cluster.leader()?.core.status().lastIndex)
    }
  })
})

describe('a live leader is not disturbed', () => {
  it('by a node that comes back from a long partition', () => {
    const cluster = new Cluster({ seed: 3, voters: 3 })
    const leader = elected(cluster)
    const { term: before } = leader.core.status()
    const lost = [...cluster.nodes.values()].find((node) => node !== leader) as ClusterNode
    const others = [...cluster.nodes.keys()].filter((id) => id !== lost.id)
    cluster.partition([lost.id], others)
    cluster.runFor(20_000)
    expect(lost.core.status().term).toBe(before)
    cluster.heal()
    cluster.runFor(3000)
    expect(cluster.leader()).toBe(leader)
    expect(leader.core.status().term).toBe(before)
  })

  it('by a node that hears everybody but the leader', () => {
    const cluster = new Cluster({ seed: 5, voters: 5 })
    const leader = elected(cluster)
    const deaf = [...cluster.nodes.values()].find((node) => node !== leader) as ClusterNode
    cluster.cut.add(`${leader.id}>${deaf.id}`)
    const { term: before } = leader.core.status()
    cluster.runFor(10_000)
    expect(cluster.leader()).toBe(leader)
    expect(leader.core.status().term).toBe(before)
    commits(cluster)
  })

  it('by a node that can only send, or only receive', () => {
    for (const direction of ['send', 'receive']) {
      const cluster = new Cluster({ seed: 6, voters: 3 })
      const leader = elected(cluster)
      const odd = [...cluster.nodes.values()].find((node) => node !== leader) as ClusterNode
      for (const id of cluster.nodes.keys()) {
        cluster.cut.add(direction === 'send' ? `${id}>${odd.id}` : `${odd.id}>${id}`)
      }
      cluster.runFor(10_000)
      expect(cluster.leader()).toBe(leader)
      commits(cluster)
    }
  })
})

describe('a leader that is no use gives way', () => {
  it('connected to one follower of four only: the others elect one of theirs (the partial partition of 2020)', () => {
    const cluster = new Cluster({ seed: 7, voters: 5 })
    const old = elected(cluster)
    const [keep, ...rest] = [...cluster.nodes.keys()].filter((id) => id !== old.id)
    cluster.partition([old.id], rest)
    cluster.runFor(5000, () => cluster.leader() !== undefined && cluster.leader() !== old)
    expect(keep).toBeDefined()
    expect(cluster.leader()?.id).not.toBe(old.id)
    commits(cluster)
    expect(old.core.status().role).not.toBe('leader')
  })

  it('that can send but not receive: it hears no quorum and stops, so its followers may choose again', () => {
    const cluster = new Cluster({ seed: 8, voters: 3 })
    const old = elected(cluster)
    for (const id of cluster.nodes.keys()) cluster.cut.add(`${id}>${old.id}`)
    cluster.runFor(5000, () => cluster.leader() !== undefined && cluster.leader() !== old)
    expect(cluster.leader()?.id).not.toBe(old.id)
    commits(cluster)
  })

  it('with nobody left: it steps down, and what it holds uncommitted stays bounded', () => {
    const cluster = new Cluster({ seed: 9, voters: 3, limits: { uncommittedBytesMax: 2000 } })
    const leader = elected(cluster)
    const committed = cluster.committed.length
    cluster.partition(
      [leader.id],
      [...cluster.nodes.keys()].filter((id) => id !== leader.id),
    )
    for (let i = 0; i < 100; i++) cluster.propose(leader, 200)
    expect(leader.core.status().lastIndex - committed).toBeLessThanOrEqual(6)
    cluster.runFor(1000)
    expect(leader.core.status().role).not.toBe('leader')
  })
})

describe('stories from start to end', () => {
  it('figure 8: an entry on a majority is overwritten as long as no entry of the new term committed it', () => {
    const cluster = new Cluster({ seed: 10, voters: 5 })
    // (c) of the figure: n1 has spread its entry of term 2 to a majority, n5 holds one of term 3.
    for (const id of ['n1', 'n2', 'n3']) restartWith(cluster, id, [1, 2], 4)
    restartWith(cluster, 'n4', [1], 4)
    restartWith(cluster, 'n5', [1, 3], 4)
    // (d): n5 can win with n4 and whoever of the others is behind in term, and must be allowed to.
    for (const id of ['n1', 'n2']) cluster.crash(cluster.node(id))
    expect(elected(cluster).id).toBe('n5')
    for (const id of ['n1', 'n2']) restartWith(cluster, id, [1, 2], 4)
    commits(cluster)
    cluster.runFor(2000)
    for (const node of cluster.nodes.values()) expect(node.disk.entries[1]?.term).toBe(3)
  })

  it('a paused leader comes back: its reads are refused, not answered from the past', () => {
    const cluster = new Cluster({ seed: 11, voters: 3 })
    const old = elected(cluster)
    commits(cluster)
    // Stands still: nothing reaches it, nothing leaves, a read is already in its hands.
    const others = [...cluster.nodes.keys()].filter((id) => id !== old.id)
    cluster.partition([old.id], others)
    cluster.read(old)
    const refused = cluster.counts.refusedReads
    cluster.runFor(3000, () => cluster.leader() !== undefined && cluster.leader() !== old)
    commits(cluster)
    cluster.heal()
    cluster.step(old, { type: 'paused', pausedMs: 3000 })
    cluster.runFor(1000)
    expect(cluster.counts.refusedReads).toBeGreaterThan(refused)
    expect(cluster.counts.reads).toBe(0)
  })

  it('leadership moves to the named node without waiting for an election timeout', () => {
    const cluster = new Cluster({ seed: 12, voters: 3 })
    const leader = elected(cluster)
    const target = [...cluster.nodes.keys()].find((id) => id !== leader.id) as ClusterNode['id']
    cluster.step(leader, { type: 'order', orderId: 1, order: { kind: 'transferLeadership', target } })
    expect(cluster.runFor(100, () => cluster.leader()?.id === target)).toBe(true)
    commits(cluster)
  })

  it('a follower that was away for long catches up from the disk of the leader', () => {
    const cluster = new Cluster({ seed: 13, voters: 3, learners: 1, limits: { tailEntriesMax: 4 } })
    elected(cluster)
    cluster.crash(cluster.node('n4'))
    for (let i = 0; i < 50; i++) commits(cluster)
    cluster.restart(cluster.node('n4'))
    const done = () => cluster.node('n4').commit === cluster.committed.length
    expect(cluster.runFor(5000, done)).toBe(true)
    expect(cluster.counts.loads).toBeGreaterThan(5)
    expect(cluster.node(nodeId('n4')).core.status().role).toBe('learner')
  })

  it('all nodes crash at once and nothing committed is lost', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const cluster = new Cluster({ seed, voters: 3 })
      elected(cluster)
      for (let i = 0; i < 5; i++) commits(cluster)
      for (const node of cluster.nodes.values()) cluster.crash(node)
      for (const node of cluster.nodes.values()) cluster.restart(node)
      elected(cluster)
      commits(cluster)
    }
  })
})
