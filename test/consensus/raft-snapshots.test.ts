/** Shows how snapshots shorten the log, how a leader offers them, and what a follower makes of an offer. */
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import type { SnapshotOffer } from '../../src/consensus/snapshot.js'
import { logIndex, nodeId, term } from '../../src/consensus/types.js'
import { member, members } from './disk.js'
import {
  appendOf,
  Engine,
  entriesOf,
  heartbeat,
  heartbeatReply,
  installSnapshot,
  installSnapshotReply,
  N2,
  N3,
  of,
  preVoteReply,
  requestVoteReply,
  sends,
  snapshotAt,
} from './engine.js'

const at = (log: readonly Entry[], index: number): Entry => log[index - 1] as Entry

/** The node's own snapshot after `index` is durable, and its log may begin after `compactTo`. */
function take(engine: Engine, index: number, compactTo: number | null): { offer: SnapshotOffer; effects: Effect[] } {
  const entry = engine.disk.entry(index)
  if (entry === undefined) throw new Error(`there is no entry ${index}`)
  const offer = snapshotAt(entry)
  const kept = compactTo === null ? undefined : engine.disk.entry(compactTo)
  engine.disk.snapshot = offer
  const effects = engine.step({
    type: 'snapshotTaken',
    snapshot: offer,
    compactTo: kept === undefined ? null : snapshotAt(kept).base,
  })
  return { offer, effects }
}

/** n1 leads term 2 with six entries, committed by n2; n3 has said nothing. */
function leader(): Engine {
  const engine = new Engine({ log: entriesOf([1, 1, 1, 1, 1]), term: 1, commit: 5 })
  engine.elect([N2])
  engine.ack(N2, 6)
  return engine
}

/** n3 refuses whatever it is asked, until the leader's log has nothing left that could fit. */
function fallBehind(engine: Engine): Effect[] {
  let prevIndex = logIndex(5)
  for (let asked = 0; asked < 5; asked++) {
    const effects = engine.ack(N3, 0, { success: false, prevIndex })
    const probe = sends(effects, 'appendEntries').find(({ to }) => to === N3)
    if (probe === undefined) return effects
    prevIndex = probe.message.prevIndex
  }
  throw new Error('the leader goes on asking')
}

describe('an own snapshot', () => {
  it('lets the log begin later, by a record that names the members in force', () => {
    const joined = { joint: false, members: [...members(3).members, member(nodeId('n4'), 'learner')] }
    const engine = leader()
    const target = joined.members.map(({ wasVoter: _, ...one }) => ({
      ...one,
      role: one.role === 'voter' ? ('voter' as const) : ('learner' as const),
    }))
    engine.order({ kind: 'changeMembership', planned: logIndex(0), target })
    engine.stored()
    engine.ack(N2, 7)
    engine.propose()
    engine.stored()
    engine.ack(N2, 8)
    const { effects } = take(engine, 8, 7)
    const [record] = of(effects, 'store')[0]?.records ?? []
    expect(record).toMatchObject({ kind: 'base', base: { index: 7, membership: { index: 7, membership: joined } } })
    expect(engine.core.status()).toMatchObject({ firstIndex: 8, lastIndex: 8, membership: { index: 7 } })
    expect(engine.core.membershipAt(logIndex(7)).membership).toEqual(joined)
  })

  it('that keeps the log changes nothing on disk', () => {
    const engine = leader()
    expect(of(take(engine, 6, null).effects, 'store')).toEqual([])
    expect(engine.core.status().firstIndex).toBe(1)
  })

  it('never lets go of what it does not cover, or what is not durable', () => {
    const engine = leader()
    const entry = engine.core.entry(logIndex(6)) as Entry
    const covers = snapshotAt(engine.core.entry(logIndex(5)) as Entry)
    const step = () => engine.step({ type: 'snapshotTaken', snapshot: covers, compactTo: snapshotAt(entry).base })
    expect(step).toThrow(/only what a snapshot covers leaves the log/)
  })

  it('of what is not committed is a defect', () => {
    const engine = leader()
    engine.propose()
    const entry = engine.core.entry(logIndex(7)) as Entry
    const step = () => engine.step({ type: 'snapshotTaken', snapshot: snapshotAt(entry), compactTo: null })
    expect(step).toThrow(/a snapshot holds what is committed/)
  })
})

describe('a leader whose log no longer holds what a peer needs', () => {
  it('offers its newest snapshot, and nothing else until the peer has it', () => {
    const engine = leader()
    const { offer } = take(engine, 6, 4)
    const effects = fallBehind(engine)
    expect(sends(effects, 'installSnapshot')).toMatchObject([{ to: N3, message: { snapshot: offer } }])
    expect(engine.core.status().peers[1]).toMatchObject({ id: N3, flow: 'snapshot', offered: offer })
    const proposed = engine.propose()
    expect(sends(proposed, 'appendEntries').map(({ to }) => to)).toEqual([N2])
  })

  it('repeats the offer with the heartbeats, the same one while the peer is heard', () => {
    const engine = leader()
    const { offer } = take(engine, 5, 4)
    fallBehind(engine)
    take(engine, 6, 5)
    const repeated = engine.receive(N3, heartbeatReply({ term: 2 }))
    expect(sends(repeated, 'installSnapshot').map(({ message }) => message.snapshot)).toEqual([offer])
  })

  it('that has no snapshot after damage makes the peer wait until it has taken one', () => {
    const engine = new Engine({ log: entriesOf([1, 1, 1, 1, 1]), term: 1, commit: 5, dropped: 4 })
    engine.elect([N2])
    engine.ack(N2, 6)
    const before = [...fallBehind(engine), ...engine.receive(N3, heartbeatReply({ term: 2 }))]
    expect(sends(before, 'installSnapshot')).toEqual([])
    const { offer } = take(engine, 6, null)
    const after = engine.receive(N3, heartbeatReply({ term: 2 }))
    expect(sends(after, 'installSnapshot')).toMatchObject([{ to: N3, message: { snapshot: offer } }])
  })

  it('goes on from where the snapshot ends', () => {
    const engine = leader()
    take(engine, 5, 5)
    fallBehind(engine)
    const effects = engine.receive(N3, installSnapshotReply({ term: 2, matchIndex: logIndex(5) }))
    expect(sends(effects, 'appendEntries')).toMatchObject([{ to: N3, message: { prevIndex: 5 } }])
    expect(sends(effects, 'appendEntries')[0]?.message.entries.map(({ index }) => index)).toEqual([6])
    engine.ack(N3, 6)
    expect(engine.core.status().peers[1]).toMatchObject({ flow: 'replicate', matchIndex: 6, offered: null })
  })

  it('counts an installed snapshot for the commit', () => {
    const engine = new Engine({ log: entriesOf([1, 1, 1, 1, 1]), term: 1, commit: 5 })
    engine.elect([N2])
    engine.ack(N2, 6)
    engine.propose()
    engine.stored()
    take(engine, 6, 6)
    fallBehind(engine)
    engine.receive(N3, installSnapshotReply({ term: 2, matchIndex: logIndex(7) }))
    expect(engine.core.status().commitIndex).toBe(7)
  })

  it('believes no answer that names what does not exist, or that nobody asked for', () => {
    const engine = leader()
    take(engine, 6, 4)
    fallBehind(engine)
    engine.receive(N3, installSnapshotReply({ term: 2, matchIndex: logIndex(99) }))
    expect(engine.core.status().peers[1]).toMatchObject({ flow: 'snapshot', matchIndex: 0 })
    engine.receive(N2, installSnapshotReply({ term: 2, matchIndex: logIndex(6) }))
    expect(engine.core.status().peers[0]).toMatchObject({ id: N2, flow: 'replicate', matchIndex: 6 })
  })

  it('offers the newest one instead of a file that is gone', () => {
    const engine = leader()
    const { offer: gone } = take(engine, 5, 4)
    fallBehind(engine)
    const { offer } = take(engine, 6, 5)
    engine.step({ type: 'snapshotGone', id: offer.id })
    expect(engine.core.status().peers[1]).toMatchObject({ id: N3, offered: gone })
    engine.step({ type: 'snapshotGone', id: gone.id })
    const again = engine.receive(N3, heartbeatReply({ term: 2 }))
    expect(sends(again, 'installSnapshot').map(({ message }) => message.snapshot)).toEqual([offer])
  })
})

describe('an offered snapshot', () => {
  const theirs = entriesOf([1, 1, 2, 2, 2])
  const learned = { index: logIndex(4), membership: members(4) }

  it('beyond the log is fetched; once here the log begins after it, with its members, and the state follows', () => {
    const engine = new Engine({ log: entriesOf([1]), term: 1 })
    const offer = snapshotAt(at(theirs, 5), learned)
    expect(of(engine.receive(N2, installSnapshot(offer, 2)), 'fetchSnapshot')).toMatchObject([
      { from: N2, snapshot: offer },
    ])
    engine.disk.snapshot = offer
    const effects = engine.step({ type: 'snapshotFetched', snapshot: offer })
    const [store] = of(effects, 'store')
    expect(store?.records).toEqual([{ kind: 'base', base: offer.base }])
    expect(of(effects, 'restoreState')).toEqual([{ type: 'restoreState', snapshot: offer, after: store?.writeId }])
    expect(of(effects, 'commit')).toEqual([])
    expect(engine.core.status()).toMatchObject({ firstIndex: 6, lastIndex: 5, commitIndex: 5, membership: learned })
  })

  it('is acknowledged when the log begins after it on disk, not before', () => {
    const engine = new Engine({ log: entriesOf([1]), term: 1 })
    const offer = snapshotAt(at(theirs, 5))
    expect(sends(engine.receive(N2, installSnapshot(offer, 2)), 'installSnapshotReply')).toEqual([])
    engine.disk.snapshot = offer
    engine.step({ type: 'snapshotFetched', snapshot: offer })
    const [early] = sends(engine.receive(N2, installSnapshot(offer, 2)), 'installSnapshotReply')
    expect(early).toMatchObject({ message: { matchIndex: 5 }, after: engine.writes.at(-1)?.writeId })
    engine.stored(engine.writes.length)
    const [late] = sends(engine.receive(N2, installSnapshot(offer, 2)), 'installSnapshotReply')
    expect(late).not.toHaveProperty('after')
    const next = entriesOf([1, 1, 2, 2, 2, 2])
    const taken = engine.receive(N2, appendOf(next, 6, 6, { term: 2 }))
    expect(sends(taken, 'appendEntriesReply')[0]?.message).toMatchObject({ success: true, matchIndex: 6 })
  })

  it('that the log holds is not fetched: it commits, and what follows stays', () => {
    const engine = new Engine({ log: theirs, term: 2, commit: 2 })
    const effects = engine.receive(N2, installSnapshot(snapshotAt(at(theirs, 4)), 2))
    expect(of(effects, 'fetchSnapshot')).toEqual([])
    expect(sends(effects, 'installSnapshotReply')[0]?.message).toMatchObject({ matchIndex: 4 })
    expect(engine.core.status()).toMatchObject({ commitIndex: 4, lastIndex: 5, firstIndex: 1 })
    const fetched = engine.step({ type: 'snapshotFetched', snapshot: snapshotAt(at(theirs, 4)) })
    expect(fetched).toEqual([])
  })

  it('of an equal index and another term takes the place of the log', () => {
    const own = entriesOf([1, 1, 1, 1, 1, 1])
    const engine = new Engine({ log: own, term: 2, commit: 2 })
    const offer = snapshotAt(at(theirs, 5))
    expect(of(engine.receive(N2, installSnapshot(offer, 2)), 'fetchSnapshot')).toHaveLength(1)
    engine.disk.snapshot = offer
    engine.step({ type: 'snapshotFetched', snapshot: offer })
    expect(engine.core.status()).toMatchObject({ firstIndex: 6, lastIndex: 5 })
  })

  it('that says who is no voter any more ends its campaign: votes that come late are for nothing', () => {
    const without = {
      index: logIndex(4),
      membership: { joint: false, members: [member(N2, 'voter'), member(N3, 'voter')] },
    }
    for (const isReal of [false, true]) {
      const engine = new Engine({ log: entriesOf([1]), term: 2 })
      const offer = snapshotAt(at(theirs, 5), without)
      engine.receive(N2, installSnapshot(offer, 2))
      const [asked] = sends(engine.tick(), 'preVote')
      const round = asked?.message.round ?? 0
      const granted = preVoteReply({ term: term(3), round, granted: true })
      if (isReal) engine.receive(N3, granted)
      expect(engine.core.status().role).toBe(isReal ? 'candidate' : 'preCandidate')
      engine.disk.snapshot = offer
      const effects = engine.step({ type: 'snapshotFetched', snapshot: offer })
      expect(of(effects, 'roleChanged')).toMatchObject([{ role: 'learner' }])
      engine.stored(engine.writes.length)
      engine.receive(N3, isReal ? requestVoteReply({ term: term(3), granted: true }) : granted)
      expect(engine.core.status()).toMatchObject({ role: 'learner', term: isReal ? 3 : 2 })
    }
  })

  it('of what is committed here already is answered and never fetched', () => {
    const engine = new Engine({ log: theirs, term: 2, commit: 5 })
    const effects = engine.receive(N2, installSnapshot(snapshotAt(at(theirs, 3)), 2))
    expect(of(effects, 'fetchSnapshot')).toEqual([])
    expect(sends(effects, 'installSnapshotReply')[0]?.message).toMatchObject({ matchIndex: 3 })
    expect(engine.core.status()).toMatchObject({ commitIndex: 5, lastIndex: 5 })
  })

  it('that comes after the log has overtaken it is dropped, though the log no longer holds its end', () => {
    const engine = new Engine({ log: theirs, term: 2, commit: 5 })
    take(engine, 5, 4)
    engine.stored()
    expect(engine.step({ type: 'snapshotFetched', snapshot: snapshotAt(at(theirs, 2)) })).toEqual([])
    expect(engine.core.status()).toMatchObject({ firstIndex: 5, lastIndex: 5, commitIndex: 5 })
  })

  it('by a leader of the past is answered with the present term', () => {
    const engine = new Engine({ log: theirs, term: 7 })
    const effects = engine.receive(N2, installSnapshot(snapshotAt(at(theirs, 5)), 2))
    expect(effects).toMatchObject([{ type: 'send', to: N2, message: { type: 'installSnapshotReply', term: 7 } }])
    expect(sends(effects, 'installSnapshotReply')[0]?.message.matchIndex).toBe(0)
  })

  it('restores nothing that was written before it: the old write of a dropped tail counts for nothing', () => {
    const own = entriesOf([1])
    const engine = new Engine({ log: own, term: 1 })
    engine.receive(N2, appendOf(entriesOf([1, 1, 1]), 2, 3, { term: 1 }))
    const other = entriesOf([1, 2, 2])
    const offer = snapshotAt(at(other, 2))
    engine.receive(N3, installSnapshot(offer, 2))
    engine.disk.snapshot = offer
    engine.step({ type: 'snapshotFetched', snapshot: offer })
    engine.stored(1)
    // The write of the dropped tail is done, that of the base is not.
    const [reply] = sends(engine.receive(N3, installSnapshot(offer, 2)), 'installSnapshotReply')
    expect(reply?.after).toBe(engine.writes.at(-1)?.writeId)
  })
})

describe('a heartbeat after an installed snapshot', () => {
  it('is compared at the end of the snapshot too', () => {
    const theirs = entriesOf([2, 2])
    const engine = new Engine({ term: 2 })
    const offer = snapshotAt(at(theirs, 2))
    engine.receive(N2, installSnapshot(offer, 2))
    engine.disk.snapshot = offer
    engine.step({ type: 'snapshotFetched', snapshot: offer })
    const diverged = heartbeat({ term: 2, commitIndex: logIndex(2), commitChain: new Uint8Array(32).fill(1) })
    expect(() => engine.receive(N2, diverged)).toThrow(/diverged/)
  })
})
