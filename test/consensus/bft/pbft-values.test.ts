/**
 * The values that one slot may hold: in every view in which it was not decided somebody may have proposed another
 * one. A replica remembers a bounded number of them, and votes for the newest all the same.
 */
import { describe, expect, it } from 'vitest'
import type { Certificate } from '../../../src/consensus/bft/certificate.js'
import type { Value } from '../../../src/consensus/bft/pbft/messages.js'
import { Slot } from '../../../src/consensus/bft/pbft/slots.js'
import { epoch, logIndex, nodeId } from '../../../src/consensus/types.js'
import { sha256 } from '../disk.js'
import { pbftCluster } from './pbft-harness.js'

const MAX = 4
const LIAR = nodeId('n3')
const digest = (n: number): Uint8Array => sha256(Uint8Array.of(n))
const value = (n: number): Value => ({ timestampMs: n, kind: 'data', batchDigest: digest(n), body: Uint8Array.of(n) })

function certificate(type: 'prepare' | 'commit', view: number, n: number): Certificate {
  const statement = {
    mode: 'pbft',
    type,
    epoch: epoch(0),
    view,
    sequence: 1,
    digest: digest(n),
    extra: digest(0),
  } as const
  return { statement, signers: [], signatures: [] }
}

/** A slot that accepted the values `from` to `to`, each in a view of its own. */
function through(slot: Slot, from: number, to: number): Slot {
  for (let n = from; n <= to; n++) {
    slot.resetView()
    slot.addValue(digest(n), value(n))
    slot.accept(digest(n), MAX)
  }
  return slot
}

const held = (slot: Slot): number[] => [...slot.values.values()].map(({ timestampMs }) => timestampMs)

describe('the values of a slot', () => {
  it('are those of the newest views', () => {
    expect(held(through(new Slot(logIndex(1)), 1, 9))).toEqual([6, 7, 8, 9])
  })

  it('stay where a certificate needs them, however old they are', () => {
    const slot = through(new Slot(logIndex(1)), 1, 3)
    slot.raise(certificate('prepare', 2, 2))
    slot.decided = certificate('commit', 3, 3)
    expect(held(through(slot, 4, 20))).toEqual([2, 3, 19, 20])
  })

  it('are as new as the newest view that ordered them', () => {
    const slot = through(new Slot(logIndex(1)), 1, 4)
    slot.resetView()
    slot.accept(digest(1), MAX)
    expect(held(through(slot, 5, 6))).toEqual([4, 1, 5, 6])
  })
})

/** n3 helps views along and votes for nothing, while n4 is away: each view proposes a value that nobody can decide. */
function manyViews() {
  const cluster = pbftCluster({
    settings: { requestTimeoutMs: 40, requestTimeoutMaxMs: 40 },
    limits: { valuesPerSlotMax: MAX },
  })
  cluster.lie(LIAR)
  expect(cluster.runFor(5000, () => cluster.honest.every((node) => node.executed >= 1))).toBe(true)
  const ofSlots = ['pbftPrePrepare', 'pbftValue', 'pbftCertificate', 'pbftDecided']
  cluster.intercept = (from, to, message) => {
    const isOfSlots =
      ofSlots.includes(message.type) || (message.type === 'pbftVote' && message.vote.type !== 'checkpoint')
    return isOfSlots && (from === LIAR || to === LIAR) ? [] : null
  }
  cluster.crash(cluster.node('n4'))
  const name = cluster.submit(['n1', 'n2', 'n3'].map(nodeId))
  const isFar = (): boolean => (cluster.node('n1').core.status().view ?? 0) > 5 * MAX
  expect(cluster.runFor(60_000, isFar)).toBe(true)
  return { cluster, name }
}

describe('a slot that many views did not decide', () => {
  it.each([
    { what: 'as soon as there is a quorum', restarted: [] },
    { what: 'after a restart too', restarted: ['n1', 'n2'] },
  ])('is decided by fresh proposals $what', ({ restarted }) => {
    const { cluster, name } = manyViews()
    // From here on the liar is silent, and the other three are a quorum.
    cluster.intercept = (from) => (from === LIAR ? [] : null)
    for (const id of restarted) cluster.crash(cluster.node(id))
    for (const id of ['n4', ...restarted]) cluster.restart(cluster.node(id))
    expect(cluster.runFor(60_000, () => cluster.executedBy(name))).toBe(true)
  })
})
