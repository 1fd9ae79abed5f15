/** Shows that linearizable reads wait for what they must and are never released on old evidence. */
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/consensus/core.js'
import { epoch, logIndex, type NodeId, nodeId, type ReadId, readId, term } from '../../src/consensus/types.js'
import { members } from './disk.js'
import { append, Engine, entriesOf, heartbeatReply, N1, N2, N3, of, sends } from './engine.js'

const read = (engine: Engine, id: number): Effect[] => engine.step({ type: 'read', readId: readId(id), lease: false })
const confirm = (engine: Engine, from: NodeId, readPosition: number) =>
  engine.receive(from, heartbeatReply({ term: engine.core.status().term, readPosition }))
const ids = (effects: readonly Effect[]) => of(effects, 'readReady').map((effect) => effect.readId)

/** A leader whose term has a commit at index 1. */
function leader(options: ConstructorParameters<typeof Engine>[0] = {}): Engine {
  const engine = new Engine(options)
  engine.elect((options.members?.members.length ?? 3) > 3 ? [N2, N3] : [N2])
  engine.ack(N2, 1)
  engine.ack(N3, 1)
  return engine
}

describe('on a leader', () => {
  it('a read starts a round at once and is released by a quorum with the commit index of its arrival', () => {
    const engine = leader()
    const effects = read(engine, 5)
    expect(sends(effects, 'heartbeat').map(({ to, message }) => [to, message.readPosition])).toEqual([
      [N2, 1],
      [N3, 1],
    ])
    engine.propose()
    engine.stored()
    engine.ack(N2, 2)
    expect(engine.core.status().commitIndex).toBe(2)
    expect(of(confirm(engine, N2, 1), 'readReady')).toEqual([{ type: 'readReady', readId: 5, index: 1 }])
    expect(ids(confirm(engine, N3, 1))).toEqual([])
  })

  it('reads that arrive during a round share the next one; older echoes do not release them', () => {
    const engine = leader()
    read(engine, 1)
    expect(sends([...read(engine, 2), ...read(engine, 3)], 'heartbeat')).toEqual([])
    const effects = confirm(engine, N2, 1)
    expect(ids(effects)).toEqual([1])
    expect(sends(effects, 'heartbeat').map(({ message }) => message.readPosition)).toEqual([3, 3])
    expect(ids(confirm(engine, N3, 1))).toEqual([])
    expect(ids(confirm(engine, N3, 3))).toEqual([2, 3])
  })

  it('appends carry positions and their acks confirm them', () => {
    const engine = leader()
    read(engine, 1)
    read(engine, 2)
    expect(sends(engine.propose(), 'appendEntries')[0]?.message.readPosition).toBe(2)
    expect(ids(engine.ack(N2, 2, { readPosition: 2 }))).toEqual([1, 2])
  })

  it('needs the same quorum as a commit: no learner, no echo of what was never sent', () => {
    const n6 = nodeId('n6')
    const engine = leader({ members: members(6, [n6]) })
    read(engine, 1)
    expect(ids(confirm(engine, N2, 1))).toEqual([])
    expect(ids(confirm(engine, N2, 1))).toEqual([])
    expect(ids(confirm(engine, n6, 1))).toEqual([])
    expect(ids(confirm(engine, N3, 99))).toEqual([])
    expect(ids(confirm(engine, N3, 1))).toEqual([1])
  })

  it('holds reads until the first commit of its term, then gives them that commit index', () => {
    const engine = new Engine()
    engine.elect()
    expect(read(engine, 1)).toEqual([])
    expect(ids(confirm(engine, N2, 0))).toEqual([])
    const effects = engine.ack(N2, 1)
    expect(sends(effects, 'heartbeat')).toHaveLength(2)
    expect(of(confirm(engine, N2, 1), 'readReady')).toEqual([{ type: 'readReady', readId: 1, index: 1 }])
  })

  it('refuses every waiting read when it steps down; late echoes release nothing', () => {
    const engine = leader()
    read(engine, 1)
    read(engine, 2)
    const effects = engine.receive(N3, append({ term: 2 }))
    expect(of(effects, 'readRefused').map(({ readId: id, code }) => [id, code])).toEqual([
      [1, 'LeadershipLost'],
      [2, 'LeadershipLost'],
    ])
    expect(engine.receive(N2, heartbeatReply({ term: 1, readPosition: 2 }))).toEqual([])
  })

  it('after losing and winning again, echoes of the first term confirm nothing of the second', () => {
    const engine = leader()
    read(engine, 1)
    engine.receive(N3, append({ term: 2 }))
    engine.stored(engine.writes.length)
    engine.elect()
    engine.ack(N2, 2)
    read(engine, 1)
    expect(engine.receive(N2, heartbeatReply({ term: 1, readPosition: 1 }))).toEqual([])
    expect(ids(confirm(engine, N2, 1))).toEqual([1])
  })

  it('alone in its cluster it answers at once', () => {
    const engine = new Engine({ members: members(1) })
    engine.tick()
    engine.stored()
    expect(read(engine, 1)).toEqual([])
    expect(ids(engine.stored())).toEqual([1])
    expect(of(read(engine, 2), 'readReady')).toEqual([{ type: 'readReady', readId: 2, index: 1 }])
  })

  it('a lost round is repeated by the next heartbeat', () => {
    const engine = leader()
    read(engine, 1)
    const next = [...engine.tick(), ...engine.tick()]
    expect(sends(next, 'heartbeat').map(({ message }) => message.readPosition)).toEqual([1, 1])
  })

  it('is bounded: too many waiting reads are refused', () => {
    const engine = leader({ limits: { pendingReadsMax: 2 } })
    read(engine, 1)
    read(engine, 2)
    expect(of(read(engine, 3), 'readRefused')).toMatchObject([{ readId: 3, code: 'ResourceExhausted' }])
  })
})

describe('on a follower', () => {
  const follower = () => {
    const engine = new Engine()
    engine.receive(N2, append({ term: 1 }))
    engine.stored()
    return engine
  }
  const reply = (id: ReadId, index: number, of_ = 1) =>
    ({ type: 'readIndexReply', epoch: 0, term: of_, readId: id, index: logIndex(index) }) as never

  it('a read is forwarded under an id of its own and released by the answer, once', () => {
    const engine = follower()
    const [request] = sends(read(engine, 8), 'readIndexRequest')
    expect(request?.to).toBe(N2)
    const wireId = request?.message.readId as ReadId
    expect(engine.receive(N2, reply((wireId + 1) as ReadId, 4))).toEqual([])
    expect(of(engine.receive(N2, reply(wireId, 4)), 'readReady')).toEqual([{ type: 'readReady', readId: 8, index: 4 }])
    expect(engine.receive(N2, reply(wireId, 4))).toEqual([])
  })

  it('never uses an id again, not even for the same read', () => {
    const engine = follower()
    const wireIds = [read(engine, 8), read(engine, 8)].map(
      (effects) => sends(effects, 'readIndexRequest')[0]?.message.readId,
    )
    expect(wireIds[0]).not.toBe(wireIds[1])
  })

  it('uses other ids after a restart, so that an answer to its earlier life is not taken', () => {
    const wireIdOf = (seed: number) => {
      const engine = new Engine({ seed })
      engine.receive(N2, append({ term: 1 }))
      return sends(read(engine, 1), 'readIndexRequest')[0]?.message.readId as ReadId
    }
    const starts = [1, 2, 3, 4].map(wireIdOf)
    for (const a of starts) for (const b of starts) if (a !== b) expect(Math.abs(a - b)).toBeGreaterThan(1e6)
    expect(new Set(starts).size).toBe(4)
  })

  it('whose answers are lost make room for newer ones', () => {
    const engine = new Engine({ limits: { pendingReadsMax: 2 } })
    engine.receive(N2, append({ term: 1 }))
    read(engine, 1)
    read(engine, 2)
    const effects = read(engine, 3)
    expect(of(effects, 'readRefused')).toMatchObject([{ readId: 1, code: 'ResourceExhausted' }])
    expect(sends(effects, 'readIndexRequest')).toHaveLength(1)
  })

  it('is refused when the leader refuses, changes, or is unknown', () => {
    const engine = follower()
    const wireId = sends(read(engine, 1), 'readIndexRequest')[0]?.message.readId as ReadId
    expect(of(engine.receive(N2, reply(wireId, 0)), 'readRefused')).toMatchObject([{ readId: 1, code: 'NotLeader' }])
    const late = sends(read(engine, 2), 'readIndexRequest')[0]?.message.readId as ReadId
    const effects = engine.receive(N3, append({ term: 2 }))
    expect(of(effects, 'readRefused')).toMatchObject([{ readId: 2, code: 'LeadershipLost' }])
    expect(engine.receive(N2, reply(late, 9))).toEqual([])
    expect(of(read(new Engine(), 1), 'readRefused')).toMatchObject([{ code: 'NoLeader', leader: null }])
  })

  it('the leader answers a forwarded read like its own, and refuses it when it leads no more', () => {
    const engine = leader()
    const request = (id: number) =>
      engine.receive(N3, { type: 'readIndexRequest', epoch: 0, term: 1, readId: readId(id) } as never)
    request(70)
    const [answer] = sends(confirm(engine, N2, 1), 'readIndexReply')
    expect(answer).toMatchObject({ to: N3, message: { readId: 70, index: 1 } })
    request(71)
    const [refused] = sends(engine.receive(N2, append({ term: 2 })), 'readIndexReply')
    expect(refused).toMatchObject({ to: N3, message: { readId: 71, index: 0, term: 1 } })
    expect(sends(request(72), 'readIndexReply')[0]?.message).toMatchObject({ readId: 72, index: 0, term: 2 })
    expect(engine.core.status().leader).not.toBe(N1)
  })

  it('a node that never led refuses it, whatever it knows to be committed', () => {
    const engine = new Engine({ log: entriesOf([1]), term: 1, commit: 1 })
    const request = { type: 'readIndexRequest', epoch: epoch(0), term: term(1), readId: readId(7) } as const
    expect(sends(engine.receive(N3, request), 'readIndexReply')[0]?.message).toMatchObject({ readId: 7, index: 0 })
  })
})
