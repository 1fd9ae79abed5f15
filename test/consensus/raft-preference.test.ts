/**
 * Shows where leadership goes by itself: to a better zone, then to a higher priority, only to who has been
 * heard and caught up for a while, ever more rarely where it comes back; and that a cluster which prefers
 * nobody does nothing of it.
 */
import { describe, expect, it } from 'vitest'
import { HandOvers } from '../../src/consensus/raft/hand-overs.js'
import { DEFAULT_RAFT_LIMITS } from '../../src/consensus/raft/index.js'
import { type NodeId, nodeId } from '../../src/consensus/types.js'
import { membersIn, SETTINGS } from './disk.js'
import { Engine, type EngineOptions, heartbeatReply, N1, N2, N3, sends } from './engine.js'

const N4 = nodeId('n4')
const SETTLE_MS = DEFAULT_RAFT_LIMITS.preferenceTimeouts * SETTINGS.electionTimeoutMaxMs

/** n1 leads in zone a; n2 stands in b, n3 in c, n4 in a. */
function leader(options: Pick<EngineOptions, 'settings' | 'priorities'>): Engine {
  const engine = new Engine({ members: membersIn('a', 'b', 'c', 'a'), ...options })
  engine.elect([N2, N3])
  return engine
}

/** Time passes while `heard` answer and acknowledge everything; whom this leader told to campaign, and after how long. */
function told(engine: Engine, heard: readonly NodeId[], forMs: number): { readonly to: NodeId; readonly ms: number }[] {
  const from = engine.nowMs
  const found: { to: NodeId; ms: number }[] = []
  while (engine.nowMs - from < forMs) {
    const effects = [...engine.tick()]
    for (const id of heard) {
      const term = engine.core.status().term
      effects.push(...engine.receive(id, heartbeatReply({ term })))
      effects.push(...engine.ack(id, engine.core.status().lastIndex))
    }
    for (const { to } of sends(effects, 'timeoutNow')) found.push({ to, ms: engine.nowMs - from })
  }
  return found
}

const IN_B = { settings: { preferredZones: ['b'] } }

describe('a leader that is not the preferred one', () => {
  it('hands over to the preferred zone once somebody there was whole for a while', () => {
    const engine = leader(IN_B)
    const [first] = told(engine, [N2, N3, N4], SETTLE_MS + 500)
    expect(first?.to).toBe(N2)
    expect(first?.ms).toBeGreaterThanOrEqual(SETTLE_MS)
  })

  it('stays where the cluster prefers nobody, and where it is as good as the best', () => {
    expect(told(leader({}), [N2, N3, N4], 3 * SETTLE_MS)).toEqual([])
    expect(told(leader({ settings: { preferredZones: ['a', 'b'] } }), [N2, N3, N4], 3 * SETTLE_MS)).toEqual([])
    expect(
      told(
        leader({
          priorities: new Map([
            [N1, 5],
            [N2, 5],
          ]),
        }),
        [N2, N3, N4],
        3 * SETTLE_MS,
      ),
    ).toEqual([])
  })

  it('goes by the order of the zones before priorities, and by priorities within a zone', () => {
    const both = leader({ settings: { preferredZones: ['c', 'b'] }, priorities: new Map([[N2, 100]]) })
    expect(told(both, [N2, N3, N4], SETTLE_MS + 500)[0]?.to).toBe(N3)
    const alone = leader({
      priorities: new Map([
        [N2, 3],
        [N3, 1],
        [N4, 7],
      ]),
    })
    expect(told(alone, [N2, N3, N4], SETTLE_MS + 500)[0]?.to).toBe(N4)
  })

  it('takes the second best zone while the best is not heard', () => {
    const engine = leader({ settings: { preferredZones: ['b', 'c'] } })
    expect(told(engine, [N3, N4], 2 * SETTLE_MS)[0]?.to).toBe(N3)
  })

  it('begins to count anew where the preferred one was gone in between', () => {
    const engine = leader(IN_B)
    expect(told(engine, [N2, N3, N4], SETTLE_MS / 2)).toEqual([])
    expect(told(engine, [N3, N4], 2 * SETTINGS.electionTimeoutMaxMs)).toEqual([])
    const [first] = told(engine, [N2, N3, N4], 2 * SETTLE_MS)
    expect(first?.ms).toBeGreaterThanOrEqual(SETTLE_MS)
  })

  it('does not hand over before an entry of its term is committed', () => {
    const engine = leader({ settings: { ...IN_B.settings, commitZones: 2 } })
    const from = engine.nowMs
    while (engine.nowMs - from < 2 * SETTLE_MS) {
      const effects = engine.tick()
      for (const id of [N2, N3, N4]) effects.push(...engine.receive(id, heartbeatReply({ term: 1 })))
      effects.push(...engine.ack(N4, 1))
      expect(sends(effects, 'timeoutNow')).toEqual([])
    }
    expect(engine.core.status()).toMatchObject({ role: 'leader', commitIndex: 0 })
  })

  it('stays while a second zone is missing, without which the next one could answer no reads', () => {
    const settings = { commitZones: 2, preferredZones: ['b'] } as const
    const engine = new Engine({ members: membersIn('a', 'b', 'b'), settings })
    engine.elect([N2])
    for (const id of [N2, N3]) engine.ack(id, 1)
    expect(told(engine, [N2, N3], SETTLE_MS + 500)[0]?.to).toBe(N2)
    const alone = new Engine({ members: membersIn('a', 'a', 'b'), settings, priorities: new Map([[N2, 9]]) })
    alone.elect([N2])
    for (const id of [N2, N3]) alone.ack(id, 1)
    expect(alone.core.status().commitIndex).toBe(1)
    expect(told(alone, [N2], 2 * SETTLE_MS)).toEqual([])
  })

  it('asks one that does not take over ever more rarely', () => {
    const times = told(leader(IN_B), [N2, N3, N4], 40 * SETTLE_MS).map(({ ms }) => ms)
    const gaps = times.slice(1).map((ms, at) => ms - (times[at] as number))
    expect(gaps.length).toBeGreaterThanOrEqual(3)
    for (const [at, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(2 ** (at + 1) * SETTLE_MS)
  })
})

describe('the wait before a hand-over', () => {
  it('doubles up to a bound, and is forgotten after a long rest', () => {
    const handOvers = new HandOvers()
    expect(handOvers.waitMs(100, 0)).toBe(100)
    for (let i = 0; i < 20; i++) handOvers.note(1000)
    expect(handOvers.waitMs(100, 1000)).toBe(6_400)
    expect(handOvers.waitMs(100, 1000 + 12_800)).toBe(6_400)
    expect(handOvers.waitMs(100, 1001 + 12_800)).toBe(100)
  })
})

describe('an order to hand over to whomever', () => {
  it('goes to the most preferred of those that have caught up', () => {
    const engine = leader({
      priorities: new Map([
        [N3, 1],
        [N2, 9],
      ]),
    })
    for (let i = 0; i < 100; i++) engine.propose()
    engine.stored(engine.writes.length)
    engine.ack(N2, 1)
    engine.ack(N3, 101)
    engine.ack(N4, 101)
    const effects = engine.order({ kind: 'transferLeadership', target: null })
    expect(sends(effects, 'timeoutNow').map(({ to }) => to)).toEqual([N3])
  })
})
