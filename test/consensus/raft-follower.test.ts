/** Shows what a follower does with appends and heartbeats: what it takes, removes, refuses and acknowledges. */
import { describe, expect, it } from 'vitest'
import { logIndex, term } from '../../src/consensus/types.js'
import { append, appendOf, Engine, entriesOf, heartbeat, N2, N3, of, sends } from './engine.js'

const LOG = entriesOf([1, 1, 1, 1])

describe('appends', () => {
  it('are written, then acknowledged: the ack names the write', () => {
    const engine = new Engine({ term: 1 })
    const effects = engine.receive(N2, appendOf(LOG, 1, 2, { term: 1 }))
    const [store] = of(effects, 'store')
    expect(store).toMatchObject({ term: 1, index: 2, records: [{ kind: 'entries', entries: LOG.slice(0, 2) }] })
    expect(sends(effects, 'appendEntriesReply')).toMatchObject([
      { to: N2, after: store?.writeId, message: { success: true, prevIndex: 0, matchIndex: 2 } },
    ])
  })

  it('that are there already wait for the write that holds them, or for none', () => {
    const engine = new Engine({ term: 1 })
    const first = of(engine.receive(N2, appendOf(LOG, 1, 2, { term: 1 })), 'store')[0]?.writeId
    const second = of(engine.receive(N2, appendOf(LOG, 3, 4, { term: 1 })), 'store')[0]?.writeId
    const again = (from: number, to: number) =>
      sends(engine.receive(N2, appendOf(LOG, from, to, { term: 1 })), 'appendEntriesReply')[0]?.after
    expect(again(1, 2)).toBe(first)
    expect(again(2, 3)).toBe(second)
    engine.stored()
    expect(again(1, 2)).toBeUndefined()
    expect(again(1, 4)).toBe(second)
    engine.stored()
    expect(again(1, 4)).toBeUndefined()
  })

  it('acknowledge what the request covered, never what the log holds beyond it', () => {
    const engine = new Engine({ log: LOG, term: 1 })
    const effects = engine.receive(N2, appendOf(LOG, 2, 2, { term: 1 }))
    expect(sends(effects, 'appendEntriesReply')[0]?.message.matchIndex).toBe(2)
    expect(
      sends(engine.receive(N2, appendOf(LOG, 3, 2, { term: 1 })), 'appendEntriesReply')[0]?.message.matchIndex,
    ).toBe(2)
  })

  it('that arrive late, shorter than the log, truncate nothing', () => {
    const engine = new Engine({ term: 1 })
    engine.receive(N2, appendOf(LOG, 1, 4, { term: 1 }))
    const effects = engine.receive(N2, appendOf(LOG, 1, 2, { term: 1 }))
    expect(of(effects, 'store')).toEqual([])
    expect(engine.core.status().lastIndex).toBe(4)
  })

  it('truncate at the first real conflict only, in the same write as the new entries', () => {
    const engine = new Engine({ log: entriesOf([1, 1, 1, 2, 2]), term: 2, commit: 2 })
    const theirs = entriesOf([1, 1, 1, 3])
    const effects = engine.receive(N2, appendOf(theirs, 2, 4, { term: 3 }))
    expect(of(effects, 'store')[0]?.records).toEqual([
      { kind: 'hardState', hardState: { epoch: 0, term: 3, votedFor: null } },
      { kind: 'truncate', from: 4 },
      { kind: 'entries', entries: [theirs[3]] },
    ])
    expect(engine.core.status().lastIndex).toBe(4)
  })

  it('never truncate what is committed: that stops the process', () => {
    const engine = new Engine({ log: LOG, term: 1, commit: 3 })
    expect(() => engine.receive(N2, appendOf(entriesOf([1, 1, 2]), 3, 3, { term: 2 }))).toThrow(/truncated/)
  })

  it('commit no further than they cover, and no further than is durable here', () => {
    const engine = new Engine({ term: 1 })
    const effects = engine.receive(N2, appendOf(LOG, 1, 2, { term: 1, commitIndex: logIndex(9) }))
    expect(engine.core.status().commitIndex).toBe(2)
    expect(of(effects, 'commit')).toEqual([])
    expect(of(engine.stored(), 'commit')).toEqual([{ type: 'commit', upTo: 2, assurance: 'quorum' }])
  })

  it('commit nothing of a tail that they do not cover, though the log holds it', () => {
    const engine = new Engine({ log: entriesOf([1, 1, 1]), term: 2 })
    engine.receive(N2, appendOf(entriesOf([1, 1]), 2, 2, { term: 2, commitIndex: logIndex(3) }))
    expect(engine.core.status().commitIndex).toBe(2)
  })

  it('are refused with a hint that skips a whole term', () => {
    const engine = new Engine({ log: entriesOf([1, 1, 4, 4, 4]), term: 4 })
    const gap = engine.receive(N2, append({ term: 5, prevIndex: logIndex(9), prevTerm: term(5) }))
    expect(sends(gap, 'appendEntriesReply')[0]?.message).toMatchObject({
      success: false,
      prevIndex: 9,
      matchIndex: 0,
      hintIndex: 5,
      hintTerm: 4,
    })
    const conflict = engine.receive(N2, append({ term: 5, prevIndex: logIndex(4), prevTerm: term(3) }))
    expect(sends(conflict, 'appendEntriesReply')[0]?.message).toMatchObject({
      success: false,
      hintIndex: 2,
      hintTerm: 1,
    })
    expect(of(conflict, 'store')).toEqual([])
  })

  it('that no correct leader sends are ignored without an answer', () => {
    const reject = (change: (message: ReturnType<typeof append>) => unknown) => {
      const engine = new Engine({ term: 1 })
      engine.receive(N2, appendOf(LOG, 1, 1, { term: 1 }))
      const good = appendOf(LOG, 2, 3, { term: 1 })
      expect(engine.receive(N2, { ...good, ...(change(good) as object) })).toEqual([])
      expect(engine.core.status().lastIndex).toBe(1)
    }
    const [, second, third] = LOG as [unknown, (typeof LOG)[0], (typeof LOG)[0]]
    reject(() => ({ entries: [third, second] }))
    reject(() => ({ entries: [second, { ...third, term: term(0) }] }))
    reject(() => ({ entries: [second, { ...third, term: term(2) }] }))
    reject(() => ({ entries: [second, { ...third, timestampMs: 5 }] }))
    reject(() => ({ entries: [second, { ...third, clusterId: new Uint8Array(16) }] }))
    reject(() => ({ entries: [entriesOf([1, 1], 1)[1]] }))
    reject(() => ({ epoch: 1 }))
  })

  it('a completion of before a truncation does not count for what replaced it', () => {
    const engine = new Engine({ term: 1 })
    engine.receive(N2, appendOf(LOG, 1, 3, { term: 1 }))
    const theirs = entriesOf([2, 2, 2])
    const effects = engine.receive(N3, appendOf(theirs, 1, 3, { term: 2, commitIndex: logIndex(3) }))
    const replaced = of(effects, 'store')[0]?.writeId
    expect(of(engine.stored(), 'commit')).toEqual([])
    const again = engine.receive(N3, appendOf(theirs, 1, 3, { term: 2 }))
    expect(sends(again, 'appendEntriesReply')[0]?.after).toBe(replaced)
    expect(of(engine.stored(), 'commit')).toMatchObject([{ upTo: 3 }])
  })

  it('a completion that is unknown is ignored, one that contradicts the write stops the process', () => {
    const engine = new Engine({ term: 1 })
    engine.receive(N2, appendOf(LOG, 1, 2, { term: 1 }))
    const [write] = engine.writes as [(typeof engine.writes)[0]]
    const { writeId, epoch, index } = write
    expect(() => engine.step({ type: 'stored', writeId, epoch, term: term(9), index })).toThrow(/as it was made/)
    engine.stored()
    expect(engine.step({ type: 'stored', writeId, epoch, term: term(1), index })).toEqual([])
  })
})

describe('heartbeats', () => {
  it('are answered at once, echo the read position, and carry the commit index', () => {
    const engine = new Engine({ log: LOG, term: 1 })
    const message = heartbeat({
      term: 1,
      commitIndex: logIndex(3),
      readPosition: 8,
      commitChain: LOG[2]?.chain ?? null,
    })
    const effects = engine.receive(N2, message)
    expect(sends(effects, 'heartbeatReply')[0]).toMatchObject({ message: { readPosition: 8 } })
    expect(sends(effects, 'heartbeatReply')[0]).not.toHaveProperty('after')
    expect(of(effects, 'commit')).toMatchObject([{ upTo: 3 }])
  })

  it('stop the process when the committed histories differ', () => {
    const other = entriesOf([1, 1, 1], 7)[2]?.chain ?? null
    const engine = new Engine({ log: LOG, term: 1 })
    expect(() => engine.receive(N2, heartbeat({ term: 1, commitIndex: logIndex(3), commitChain: other }))).toThrow(
      /diverged/,
    )
  })
})

describe('a restart', () => {
  it('goes on from the restored term, vote, log and commit index, and reports that commit first', () => {
    const engine = new Engine({ log: LOG, term: 5, commit: 3 })
    expect(engine.core.status()).toMatchObject({ role: 'follower', term: 5, lastIndex: 4, commitIndex: 3 })
    expect(of(engine.step({ type: 'tick' }), 'commit')).toMatchObject([{ upTo: 3 }])
  })
})

describe('a damaged node', () => {
  // What is left of its log may hold entries whose removal was among what it lost.
  const left = entriesOf([1, 1, 1, 1])
  const theirs = entriesOf([1, 1, 2, 2, 2, 2])

  it('does not stop when the leader still counts on what it lost', () => {
    const engine = new Engine({ log: left, term: 2, commit: 2, mayVote: false })
    const effects = engine.receive(N2, heartbeat({ term: term(2), commitIndex: logIndex(6) }))
    expect(of(effects, 'commit')).toMatchObject([{ upTo: 2 }])
    expect(sends(effects, 'heartbeatReply')).toHaveLength(1)
  })

  it('takes nothing for committed that no append has shown to be what the leader has', () => {
    const engine = new Engine({ log: left, term: 2, commit: 2, mayVote: false })
    engine.receive(N2, heartbeat({ term: term(2), commitIndex: logIndex(4), commitChain: theirs[3]?.chain ?? null }))
    expect(engine.core.status().commitIndex).toBe(2)
    engine.receive(N2, appendOf(theirs, 3, 6, { term: 2, commitIndex: logIndex(3) }))
    expect(engine.core.status().commitIndex).toBe(3)
    engine.receive(N2, heartbeat({ term: term(2), commitIndex: logIndex(5) }))
    expect(engine.core.status().commitIndex).toBe(5)
  })

  it('starts to look again under the next leader', () => {
    const engine = new Engine({ log: left, term: 2, commit: 2, mayVote: false })
    engine.receive(N2, appendOf(theirs, 3, 6, { term: 2, commitIndex: logIndex(3) }))
    engine.receive(N3, heartbeat({ term: term(3), commitIndex: logIndex(6) }))
    expect(engine.core.status().commitIndex).toBe(3)
  })
})
