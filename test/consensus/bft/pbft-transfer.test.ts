/** Checkpoints, lagging replicas, and replicas whose state is wrong. */
import { describe, expect, it } from 'vitest'
import { decodeCertificate } from '../../../src/consensus/bft/certificate.js'
import { nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { pbftCluster } from './pbft-harness.js'

const [N1, N2, N3, N4] = ['n1', 'n2', 'n3', 'n4'].map(nodeId) as [never, never, never, never]

/** One request per slot, until the log has grown by so many entries. */
function grow(cluster: ByzantineCluster, entries: number, to = [N1, N2, N3]): void {
  for (let i = 0; i < entries; i++) {
    const name = cluster.submit(to)
    const executed = (): boolean =>
      cluster.executedBy(
        name,
        to.map((id) => cluster.node(id)),
      )
    expect(cluster.runFor(20_000, executed)).toBe(true)
  }
}

describe('checkpoints', () => {
  it('become stable at the multiples of the interval, certified by a quorum', () => {
    const cluster = pbftCluster()
    grow(cluster, 40)
    cluster.runFor(100)
    const stable = cluster.seen.flatMap(({ node, effect }) =>
      node === N1 && effect.type === 'checkpointStable' ? [effect] : [],
    )
    expect(stable.map(({ index }) => index)).toEqual([8, 16, 24, 32, 40])
    for (const { certificate } of stable) expect(decodeCertificate(certificate).signers).toHaveLength(3)
  })

  it('a primary whose window is full waits for the checkpoint, and goes on', () => {
    const cluster = pbftCluster()
    cluster.intercept = (_from, _to, message) =>
      message.type === 'pbftVote' && message.vote.type === 'checkpoint' ? [] : null
    const names = Array.from({ length: 100 }, () => cluster.submit())
    cluster.runFor(1500)
    expect(cluster.node('n1').core.status().lastIndex).toBe(16)
    cluster.intercept = () => null
    for (const id of ['n1', 'n2', 'n3', 'n4']) {
      cluster.crash(cluster.node(id))
      cluster.restart(cluster.node(id))
    }
    expect(cluster.runFor(30_000, () => names.every((name) => cluster.executedBy(name)))).toBe(true)
  })
})

describe('a replica that was away', () => {
  it('catches up by entries with their certificates', () => {
    const cluster = pbftCluster()
    grow(cluster, 5)
    cluster.crash(cluster.node('n4'))
    grow(cluster, 60)
    cluster.restart(cluster.node('n4'))
    const last = cluster.node('n1').core.status().lastIndex
    expect(cluster.runFor(5000, () => cluster.node('n4').executed >= last)).toBe(true)
    expect(cluster.counts.installs).toBe(0)
  })

  it('catches up by a snapshot, under load, though donors lie', () => {
    const cluster = pbftCluster({ count: 7 })
    const rest = ['n1', 'n2', 'n3', 'n5', 'n6', 'n7'].map(nodeId)
    grow(cluster, 5, rest as never)
    cluster.crash(cluster.node('n4'))
    grow(cluster, 40, rest as never)
    cluster.runFor(100)
    for (const id of rest) cluster.snapshot(cluster.node(id), 40)
    cluster.lie(nodeId('n6'), nodeId('n7'))
    for (const id of cluster.watch.liars) cluster.lyingDonors.add(id)
    cluster.restart(cluster.node('n4'))
    for (let i = 0; i < 30; i++) {
      cluster.submit()
      cluster.runFor(100)
    }
    const last = cluster.node('n1').core.status().lastIndex
    expect(cluster.runFor(20_000, () => cluster.node('n4').executed >= last)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
  })

  it('does not ask a donor again that lied about a snapshot', () => {
    const cluster = pbftCluster()
    grow(cluster, 5)
    cluster.crash(cluster.node('n4'))
    grow(cluster, 30)
    cluster.runFor(100)
    for (const id of [N1, N2, N3]) cluster.snapshot(cluster.node(id), 24)
    cluster.lie(N3)
    cluster.lyingDonors.add(N3)
    cluster.partition([N4], [N1, N2])
    cluster.restart(cluster.node('n4'))
    cluster.runFor(30_000)
    const asked = cluster.seen.filter(({ effect }) => effect.type === 'fetchSnapshot' && effect.from === N3)
    expect(asked).toHaveLength(1)
    cluster.heal()
    expect(cluster.runFor(5000, () => cluster.node('n4').executed >= 24)).toBe(true)
  })
})

describe('a snapshot that joins what a replica has decided already', () => {
  it('becomes the base of the log before the entries that follow it are written', () => {
    const cluster = pbftCluster()
    grow(cluster, 5)
    cluster.intercept = (_from, to, message) => {
      if (to !== N4) return null
      const isProposal = message.type === 'pbftPrePrepare' && message.vote.sequence < 16
      const isValue = message.type === 'pbftValue' && message.sequence < 16
      return isProposal || isValue || message.type === 'pbftDecided' ? [] : null
    }
    grow(cluster, 13)
    for (const id of [N1, N2, N3]) cluster.snapshot(cluster.node(id), 16)
    expect(cluster.runFor(5000, () => cluster.node('n4').executed >= 19)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
    const { firstIndex, lastIndex } = cluster.node('n4').core.status()
    expect({ firstIndex, lastIndex }).toEqual({ firstIndex: 17, lastIndex: 19 })
  })

  it('is still on offer while a newer one waits for its certificate', () => {
    const cluster = pbftCluster()
    grow(cluster, 5)
    cluster.crash(cluster.node('n4'))
    grow(cluster, 13)
    for (const id of [N1, N2, N3]) cluster.snapshot(cluster.node(id), 16)
    // The next checkpoint is executed, snapshotted, and signed by nobody that others hear.
    cluster.intercept = (_from, _to, message) =>
      message.type === 'pbftVote' && message.vote.type === 'checkpoint' ? [] : null
    grow(cluster, 8)
    for (const id of [N1, N2, N3]) cluster.snapshot(cluster.node(id), 24)
    cluster.restart(cluster.node('n4'))
    expect(cluster.runFor(5000, () => cluster.node('n4').executed >= 16)).toBe(true)
    expect(cluster.counts.installs).toBe(1)
  })
})

describe('the log of a replica', () => {
  it('does not begin behind what others can be given, though a newer snapshot and a later checkpoint would allow it', () => {
    const cluster = pbftCluster()
    grow(cluster, 20)
    for (const id of [N1, N2, N3]) cluster.snapshot(cluster.node(id), 16)
    expect(cluster.node('n1').core.status().firstIndex).toBe(17)
    grow(cluster, 10)
    // The checkpoint at 32 is signed by nobody that others hear.
    cluster.intercept = (_from, _to, message) =>
      message.type === 'pbftVote' && message.vote.type === 'checkpoint' ? [] : null
    grow(cluster, 4)
    const node = cluster.node('n1')
    cluster.snapshot(node, 32, 12)
    cluster.runFor(100)
    expect(node.core.status().firstIndex).toBe(17)
    cluster.intercept = () => null
    cluster.runFor(3000)
    expect(node.core.status().firstIndex).toBe(21)
  })
})

describe('a value that is fetched', () => {
  it.each(['another body', 'no body at all'])('is no other than the one decided, though a liar gives %s', (what) => {
    const cluster = pbftCluster()
    grow(cluster, 2)
    cluster.lie(N3)
    let lies = 0
    cluster.intercept = (from, to, message) => {
      if (to === N4 && (message.type === 'pbftPrePrepare' || message.type === 'pbftDecided')) return []
      // Nobody else has it to give.
      if (to === N4 && message.type === 'pbftValue' && from !== N3) return []
      if (from !== N3 || message.type !== 'pbftValue') return null
      lies++
      const { value } = message
      const body = Uint8Array.from(value.body)
      const at = what === 'another body' ? body.length - 1 : 3
      body[at] = (body[at] as number) ^ 1
      return [{ ...message, value: { ...value, body } }]
    }
    const name = cluster.submit([N1, N2, N3])
    expect(cluster.runFor(20_000, () => lies > 3)).toBe(true)
    expect(cluster.executedBy(name, [cluster.node('n4')])).toBe(false)
    cluster.intercept = () => null
    expect(cluster.runFor(20_000, () => cluster.executedBy(name, [cluster.node('n4')]))).toBe(true)
  })
})

describe('a state that is wrong', () => {
  it('one flipped byte is found at the next checkpoint, and replaced by certified state', () => {
    const cluster = pbftCluster()
    grow(cluster, 12)
    const node = cluster.node('n3')
    cluster.watch.corrupt.add(N3)
    node.state = Uint8Array.from(node.state, (byte, i) => (i === 0 ? byte ^ 1 : byte))
    grow(cluster, 12)
    cluster.runFor(200)
    const found = cluster.seen.find(({ node: id, effect }) => id === N3 && effect.type === 'diverged')
    expect(found?.effect).toMatchObject({ index: 16, agreedIndex: 8 })
    expect(node.core.mayPropose()).toBe(false)
    for (const id of ['n1', 'n2', 'n4']) cluster.snapshot(cluster.node(id), 16)
    expect(cluster.runFor(5000, () => cluster.counts.installs === 1)).toBe(true)
    cluster.watch.corrupt.delete(N3)
    grow(cluster, 12)
    const last = cluster.node('n1').core.status().lastIndex
    expect(cluster.runFor(2000, () => cluster.node('n3').executed >= last)).toBe(true)
  })
})
