/**
 * Donors of a snapshot that lie faster than others speak: whoever held the place of the donor in vain stands back
 * for as long as all liars together could hold it, so that an honest one gets its turn.
 */
import { describe, expect, it } from 'vitest'
import type { PbftMessage } from '../../../src/consensus/bft/pbft/messages.js'
import { type NodeId, nodeId } from '../../../src/consensus/types.js'
import type { ByzantineCluster } from './cluster.js'
import { pbftCluster } from './pbft-harness.js'

const LATE = nodeId('n4')
const TURN_MS = 1000
const INDEX = 24

type Offer = Extract<PbftMessage, { type: 'pbftOffer' }>

/** n4 lacks what the logs of the others begin behind. Also an honest offer that reached it, before it was cut off. */
function late(count: number): { readonly cluster: ByzantineCluster; readonly offer: Offer } {
  const cluster = pbftCluster({ count, batchMax: 1, limits: { transferTimeoutMs: TURN_MS } })
  const others = [...cluster.nodes.keys()].filter((id) => id !== LATE)
  const grow = (): void => {
    const name = cluster.submit(others)
    const nodes = others.map((id) => cluster.node(id))
    expect(cluster.runFor(20_000, () => cluster.executedBy(name, nodes))).toBe(true)
  }
  grow()
  cluster.crash(cluster.node(LATE))
  for (let at = 0; at < INDEX + 6; at++) grow()
  cluster.runFor(100)
  for (const id of others) cluster.snapshot(cluster.node(id), INDEX)
  let offer: Offer | null = null
  cluster.intercept = (_from, to, message) => {
    if (to !== LATE || message.type !== 'pbftOffer') return null
    offer = message
    return []
  }
  cluster.restart(cluster.node(LATE))
  expect(cluster.runFor(5000, () => offer !== null)).toBe(true)
  cluster.intercept = () => null
  return { cluster, offer: offer as unknown as Offer }
}

/** Each of these offers a snapshot every millisecond, so long or until an honest one was installed. */
function flood(
  { cluster, offer }: ReturnType<typeof late>,
  ms: number,
  liars: readonly NodeId[],
  vary: (offer: Offer, turn: number) => Offer = (same) => same,
): void {
  for (let turn = 0; turn < ms && cluster.counts.installs === 0; turn++) {
    for (const liar of liars) cluster.inject(liar, LATE, vary(offer, turn))
    cluster.runFor(1)
  }
}

describe('donors that flood a lagging replica with offers', () => {
  it('do not hand each other the place of the donor, though they give nothing', () => {
    const start = late(7)
    const liars = ['n6', 'n7'].map(nodeId)
    start.cluster.lie(...liars)
    // They offer, and no piece of it ever comes.
    for (const id of liars) start.cluster.crash(start.cluster.node(id))
    flood(start, 20 * TURN_MS, liars)
    expect(start.cluster.counts.installs).toBe(1)
  })

  it('are not asked at once for the next wrong snapshot after one', () => {
    const start = late(4)
    const liar = nodeId('n3')
    start.cluster.lie(liar)
    start.cluster.lyingDonors.add(liar)
    const another = ({ snapshot, ...offer }: Offer, turn: number): Offer => {
      const id = Uint8Array.from(snapshot.id, (byte, at) => (at < 2 ? (turn >> (8 * at)) & 255 : byte))
      return { ...offer, snapshot: { ...snapshot, id } }
    }
    const { cluster } = start
    const asked = (): number =>
      cluster.seen.filter(({ effect }) => effect.type === 'fetchSnapshot' && effect.from === liar).length
    // While nobody else offers anything.
    cluster.intercept = (_from, _to, message) => (message.type === 'pbftOffer' ? [] : null)
    flood(start, TURN_MS / 10, [liar], another)
    const before = asked()
    expect(before).toBeGreaterThan(0)
    flood(start, TURN_MS / 2, [liar], another)
    expect(asked()).toBe(before)
    cluster.intercept = () => null
    flood(start, TURN_MS, [liar], another)
    expect(cluster.counts.installs).toBe(1)
  })

  it('are asked again later, where nobody else offers one', () => {
    const start = late(4)
    const { cluster, offer } = start
    const donor = nodeId('n3')
    cluster.lyingDonors.add(donor)
    cluster.intercept = (from, to, message) =>
      to === LATE && message.type === 'pbftOffer' && from !== donor ? [] : null
    cluster.inject(donor, LATE, { ...offer, snapshot: { ...offer.snapshot, id: new Uint8Array(32) } })
    cluster.runFor(100)
    cluster.lyingDonors.delete(donor)
    expect(cluster.runFor(5 * TURN_MS, () => cluster.counts.installs === 1)).toBe(true)
  })
})
