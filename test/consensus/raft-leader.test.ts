/** Shows how a leader replicates and commits: windows, refusals, loads, back-pressure, timestamps. */

import { describe, expect, it } from 'vitest'
import { DEFAULT_RAFT_LIMITS } from '../../src/consensus/raft/config.js'
import { type LogIndex, logIndex, nodeId, term } from '../../src/consensus/types.js'
import { members } from './disk.js'
import { append, appendReply, Engine, entriesOf, heartbeatReply, N1, N2, N3, of, sends } from './engine.js'

/** A leader of term 2 with log [1, 1, 2]; both peers have acknowledged everything. */
function leader(options: ConstructorParameters<typeof Engine>[0] = {}): Engine {
  const engine = new Engine({ log: entriesOf([1, 1]), term: 1, ...options })
  engine.elect(options.members === undefined ? [N2] : [N2, N3])
  engine.ack(N2, engine.core.status().lastIndex)
  engine.ack(N3, engine.core.status().lastIndex)
  return engine
}

const reject = (given: Parameters<typeof appendReply>[0]) => appendReply({ success: false, ...given })

describe('proposals', () => {
  it('become one entry, written and sent in parallel, the same message object to every peer', () => {
    const engine = leader()
    const effects = engine.propose(64, 77)
    expect(effects.map(({ type }) => type)).toEqual(['store', 'send', 'send', 'proposed'])
    const [first, second] = sends(effects, 'appendEntries')
    expect(first?.message).toBe(second?.message)
    expect(first).not.toHaveProperty('after')
    expect(first?.message).toMatchObject({ prevIndex: 3, prevTerm: 2, commitIndex: 3, term: 2 })
    expect(of(effects, 'proposed')).toEqual([{ type: 'proposed', proposalId: 77, index: 4, term: 2 }])
  })

  it('are refused elsewhere, with the leader if it is known', () => {
    const engine = new Engine()
    expect(of(engine.propose(), 'refused')).toMatchObject([{ code: 'NoLeader', leader: null }])
    engine.receive(N2, append({ term: 1 }))
    expect(of(engine.propose(), 'refused')).toMatchObject([{ code: 'NotLeader', leader: N2 }])
  })

  it('are refused while too much is uncommitted; a single one always passes, and commits make room', () => {
    const engine = leader({ limits: { uncommittedBytesMax: 1000 } })
    expect(of(engine.propose(5000), 'proposed')).toHaveLength(1)
    expect(of(engine.propose(1), 'refused')).toMatchObject([{ code: 'ResourceExhausted', leader: N1 }])
    engine.stored()
    engine.ack(N2, 4)
    expect(of(engine.propose(100), 'proposed')).toHaveLength(1)
    expect(of(engine.propose(100), 'proposed')).toHaveLength(1)
    expect(of(engine.propose(1000), 'refused')).toHaveLength(1)
  })

  it('count what a new leader has inherited uncommitted', () => {
    const engine = new Engine({ log: entriesOf([1, 1]), term: 1, limits: { uncommittedBytesMax: 600 } })
    engine.elect()
    expect(of(engine.propose(200), 'refused')).toHaveLength(1)
    engine.ack(N2, 3)
    expect(of(engine.propose(200), 'proposed')).toHaveLength(1)
  })
})

describe('commit', () => {
  it('needs a quorum of durable copies; the own one counts when its write is durable', () => {
    const engine = leader({ members: members(5) })
    engine.propose()
    engine.ack(N2, 4)
    engine.ack(N3, 4)
    expect(engine.core.status().commitIndex).toBe(3)
    expect(of(engine.stored(), 'commit')).toEqual([{ type: 'commit', upTo: 4, assurance: 'quorum' }])
  })

  it('by the others alone is reported only when the entry is durable here too', () => {
    const engine = leader()
    engine.propose()
    engine.ack(N2, 4)
    expect(of(engine.ack(N3, 4), 'commit')).toEqual([])
    expect(engine.core.status().commitIndex).toBe(4)
    expect(of(engine.stored(), 'commit')).toMatchObject([{ upTo: 4 }])
  })

  it('figure 8: an entry of an older term commits only along with one of the own term', () => {
    const engine = new Engine({ log: entriesOf([1, 2]), term: 3, commit: 1 })
    engine.elect()
    engine.ack(N2, 2)
    engine.ack(N3, 2)
    expect(engine.core.status().commitIndex).toBe(1)
    engine.ack(N2, 3)
    expect(engine.core.status().commitIndex).toBe(3)
  })

  it('ignores acks of an older term, failures, learners, and acks of what does not exist', () => {
    const n4 = nodeId('n4')
    const engine = new Engine({ log: entriesOf([1, 1]), term: 1, members: members(4, [n4]) })
    engine.elect()
    engine.ack(N2, 3)
    engine.propose()
    engine.stored()
    engine.receive(N2, appendReply({ term: 1, success: true, matchIndex: logIndex(4) }))
    engine.receive(N2, appendReply({ term: 2, success: false, matchIndex: logIndex(4), prevIndex: logIndex(1) }))
    engine.ack(n4, 4)
    engine.ack(N2, 400)
    expect(engine.core.status().commitIndex).toBe(3)
    engine.ack(N2, 4)
    expect(engine.core.status().commitIndex).toBe(4)
  })

  it('counts an ack once and never moves a match back', () => {
    const engine = leader({ members: members(5) })
    engine.propose()
    engine.stored()
    engine.ack(N2, 4)
    engine.ack(N2, 4)
    engine.ack(N2, 2)
    expect(engine.core.status().commitIndex).toBe(3)
    expect(engine.core.status().peers[0]).toMatchObject({ id: N2, matchIndex: 4 })
  })

  it('reaches idle followers by a message of its own after a moment', () => {
    const engine = leader()
    engine.propose()
    engine.stored()
    engine.ack(N2, 4)
    engine.ack(N3, 4)
    expect(engine.core.deadline()).toBe(engine.nowMs + DEFAULT_RAFT_LIMITS.commitPushDelayMs)
    const pushed = sends(engine.tick(), 'appendEntries')
    expect(pushed.map(({ to, message }) => [to, message.entries.length, message.commitIndex])).toEqual([
      [N2, 0, 4],
      [N3, 0, 4],
    ])
  })

  it('travels with the next proposal when there is one: no message of its own', () => {
    const engine = leader()
    engine.tick()
    engine.propose()
    engine.stored()
    engine.ack(N2, 4)
    engine.ack(N3, 4)
    expect(sends(engine.propose(), 'appendEntries').map(({ message }) => message.commitIndex)).toEqual([4, 4])
    expect(sends(engine.tick(), 'appendEntries')).toEqual([])
  })
})

describe('flow', () => {
  it('probes with one message per heartbeat, then streams', () => {
    const engine = new Engine({ log: entriesOf([1, 1]), term: 1 })
    engine.elect()
    expect(sends(engine.propose(), 'appendEntries')).toEqual([])
    expect(sends(engine.receive(N2, heartbeatReply({ term: 2 })), 'appendEntries')).toHaveLength(1)
    expect(sends(engine.propose(), 'appendEntries')).toEqual([])
    const [rest] = sends(engine.ack(N2, 3), 'appendEntries')
    expect(rest?.message.entries.map(({ index }) => index)).toEqual([4, 5])
    expect(sends(engine.propose(), 'appendEntries').map(({ to }) => to)).toEqual([N2])
  })

  it('stops at the window, by messages and by bytes, and goes on with every ack', () => {
    const engine = leader({ limits: { windowMessagesMax: 2 } })
    const sent = () => sends(engine.propose(), 'appendEntries').length
    expect([sent(), sent(), sent()]).toEqual([2, 2, 0])
    const [next] = sends(engine.ack(N2, 4), 'appendEntries')
    expect(next?.message.entries.map(({ index }) => index)).toEqual([6])
    const bytes = leader({ limits: { windowBytesMax: 1000 } })
    expect(sends(bytes.propose(1500), 'appendEntries')).toHaveLength(2)
    expect(sends(bytes.propose(10), 'appendEntries')).toEqual([])
  })

  it('cuts messages by bytes and entries', () => {
    const engine = leader({ limits: { messageEntriesMax: 2, windowMessagesMax: 1 } })
    for (let i = 0; i < 4; i++) engine.propose()
    const [next] = sends(engine.ack(N2, 4), 'appendEntries')
    expect(next?.message.entries.map(({ index }) => index)).toEqual([5, 6])
  })

  it('recovers a window whose messages were all lost: a heartbeat reply frees one append', () => {
    const engine = leader({ limits: { windowMessagesMax: 2 } })
    for (let i = 0; i < 3; i++) engine.propose()
    const [probe] = sends(engine.receive(N2, heartbeatReply({ term: 2 })), 'appendEntries')
    expect(probe?.message).toMatchObject({ prevIndex: 5, entries: [] })
    const refused = reject({ term: 2, prevIndex: logIndex(5), hintIndex: logIndex(3), hintTerm: term(2) })
    const [again] = sends(engine.receive(N2, refused), 'appendEntries')
    expect(again?.message).toMatchObject({ prevIndex: 3 })
    expect(again?.message.entries.map(({ index }) => index)).toEqual([4, 5, 6])
  })

  it('finds out about lost messages without new proposals', () => {
    const engine = leader()
    engine.propose()
    const [probe] = sends(engine.receive(N2, heartbeatReply({ term: 2 })), 'appendEntries')
    expect(probe?.message).toMatchObject({ prevIndex: 4, entries: [] })
  })

  it('goes back by whole terms, on both sides', () => {
    // Ours: 1 1 1 5 5 5 5; the follower: 1 1 1 4 4 4 4 4 4 4.
    const engine = new Engine({ log: entriesOf([1, 1, 1, 5, 5, 5, 5]), term: 6 })
    engine.elect()
    const hint = reject({ term: 7, prevIndex: logIndex(7), hintIndex: logIndex(7), hintTerm: term(4) })
    const [next] = sends(engine.receive(N2, hint), 'appendEntries')
    expect(next?.message).toMatchObject({ prevIndex: 3, prevTerm: 1 })
  })

  it('looks anew at a peer that refuses what it has acknowledged, and counts on that no longer', () => {
    const engine = leader()
    const { matchIndex } = engine.core.status().peers[0] as { matchIndex: number }
    const [probe] = sends(
      engine.receive(
        N2,
        reject({ term: 2, prevIndex: logIndex(matchIndex), hintIndex: logIndex(1), hintTerm: term(1) }),
      ),
      'appendEntries',
    )
    expect(probe?.message).toMatchObject({ prevIndex: 1 })
    expect(engine.core.status().peers[0]).toMatchObject({ flow: 'probe', matchIndex: 1 })
  })

  it('ignores refusals that are old: not of the probe that is out', () => {
    const engine = leader()
    engine.propose()
    engine.receive(N2, reject({ term: 2, prevIndex: logIndex(9), hintIndex: logIndex(3), hintTerm: term(2) }))
    expect(engine.core.status().peers[0]?.flow).toBe('probe')
    expect(
      engine.receive(N2, reject({ term: 2, prevIndex: logIndex(8), hintIndex: logIndex(3), hintTerm: term(2) })),
    ).toEqual([])
  })

  it('starts over for one refusal per heartbeat reply, so that a link that reorders multiplies nothing', () => {
    const engine = leader()
    const refuse = (index: number) =>
      sends(
        engine.receive(N2, reject({ term: 2, prevIndex: logIndex(index), hintIndex: logIndex(3), hintTerm: term(2) })),
        'appendEntries',
      )
    const flow = () => engine.core.status().peers[0]?.flow
    engine.propose()
    engine.propose()
    expect(refuse(4)).toHaveLength(1)
    engine.ack(N2, 3)
    expect(flow()).toBe('replicate')
    expect(refuse(4)).toEqual([])
    expect(flow()).toBe('replicate')
    engine.receive(N2, heartbeatReply({ term: 2 }))
    expect(refuse(4)).toHaveLength(1)
    // What it refuses of what it acknowledged is believed at once all the same.
    expect(refuse(2)).toEqual([])
    expect(engine.core.status().peers[0]).toMatchObject({ matchIndex: 1 })
  })
})

describe('a peer behind the entries in memory', () => {
  const far = () => {
    const engine = new Engine({ log: entriesOf(Array<number>(20).fill(1)), term: 1, tailMax: 2, commit: 20 })
    engine.elect()
    return engine
  }
  const meet = (index: number) =>
    reject({ term: 2, prevIndex: logIndex(20), hintIndex: logIndex(index), hintTerm: term(1) })
  const loaded = (engine: Engine, from: number, to: number) =>
    engine.step({ type: 'loaded', peer: N2, from: logIndex(from), entries: engine.disk.entries.slice(from - 1, to) })

  it('is probed without entries, then loaded for, one load at a time, until memory takes over', () => {
    const engine = far()
    const [probe] = sends(engine.receive(N2, meet(4)), 'appendEntries')
    expect(probe?.message).toMatchObject({ prevIndex: 4, entries: [] })
    expect(of(engine.all, 'load')).toEqual([])
    expect(of(engine.ack(N2, 4), 'load')).toMatchObject([{ peer: N2, from: 5 }])
    expect(of(engine.receive(N2, heartbeatReply({ term: 2 })), 'load')).toEqual([])
    const effects = loaded(engine, 5, 10)
    expect(sends(effects, 'appendEntries')[0]?.message).toMatchObject({ prevIndex: 4 })
    expect(sends(effects, 'appendEntries')[0]?.message.entries).toHaveLength(6)
    expect(of(effects, 'load')).toMatchObject([{ peer: N2, from: 11 }])
    const rest = sends(loaded(engine, 11, 18), 'appendEntries')
    expect(rest.map(({ message }) => message.entries.at(-1)?.index)).toEqual([18, 21])
  })

  it('gets nothing of a load that is outdated or not the log of this leader', () => {
    const engine = far()
    engine.receive(N2, meet(4))
    engine.ack(N2, 4)
    expect(loaded(engine, 9, 12)).toEqual([])
    const foreign = entriesOf(Array<number>(8).fill(2)).slice(4)
    const effects = engine.step({ type: 'loaded', peer: N2, from: logIndex(5), entries: foreign })
    expect(sends(effects, 'appendEntries')).toEqual([])
    expect(of(effects, 'load')).toMatchObject([{ from: 5 }])
    // Meanwhile the peer has got further by other means: what comes is not needed any more.
    engine.ack(N2, 20)
    expect(sends(loaded(engine, 5, 8), 'appendEntries')).toEqual([])
  })

  it('memory keeps what is not durable or not executed, and lets go of the rest', () => {
    const engine = leader({ limits: { tailEntriesMax: 2 }, commit: 2 })
    for (let i = 0; i < 6; i++) engine.propose()
    expect(engine.core.entry(logIndex(1))).toBeDefined()
    engine.stored(6)
    engine.ack(N2, 9)
    expect(engine.core.entry(logIndex(1))).toBeDefined()
    engine.step({ type: 'executed', upTo: logIndex(7), stateDigest: null, resultRoot: null })
    expect(engine.core.entry(logIndex(7))).toBeUndefined()
    expect(engine.core.entry(logIndex(8))?.index).toBe(8)
  })
})

describe('timestamps', () => {
  const stampOf = (engine: Engine): number => {
    const record = of(engine.propose(), 'store')[0]?.records[0]
    return record?.kind === 'entries' ? (record.entries[0]?.timestampMs ?? 0) : 0
  }
  const clocks = (engine: Engine, ...offsets: number[]) => {
    const index: LogIndex = engine.core.status().lastIndex
    ;[N2, N3].forEach((peer, i) => engine.ack(peer, index, { wallMs: engine.now().wallMs + (offsets[i] as number) }))
  }

  it('follow the own clock as long as it is near the quorum', () => {
    const engine = leader({ wallMs: 5_000_000 })
    clocks(engine, -400, -450)
    expect(stampOf(engine)).toBe(Math.floor(engine.now().wallMs))
  })

  it('are held to the median plus 500 ms when the own clock runs ahead', () => {
    const engine = leader({ wallMs: 5_000_000 })
    // Elected with replies that put the others an hour behind.
    clocks(engine, -3_600_000, -3_599_000)
    const stamp = stampOf(engine)
    expect(stamp).toBeLessThanOrEqual(Math.max(Math.ceil(engine.now().wallMs - 3_599_000 + 500), 5_000_500))
  })

  it('never go back when the own clock does', () => {
    const engine = leader({ wallMs: 5_000_000 })
    clocks(engine, 0, 0)
    const before = stampOf(engine)
    engine.wallMs -= 100_000
    expect(stampOf(engine)).toBe(before)
  })
})
