/**
 * Shows the commit across data centres: what a leader commits is held by a quorum and in two zones, in each
 * half of a joint configuration; elections, reads and contact go by the plain quorum; and without the
 * setting nothing differs.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Member, type Membership, spanZones, zoneOf } from '../../src/consensus/membership.js'
import { nodeId } from '../../src/consensus/types.js'
import { isHeldApart } from '../../src/simulator/held-apart.js'
import { membersIn, SETTINGS } from './disk.js'
import { Engine, heartbeatReply, N1, N2, N3, of, sends } from './engine.js'

const N4 = nodeId('n4')
const N5 = nodeId('n5')
const PEERS = [N2, N3, N4, N5]
const TWO_ZONES = { commitZones: 2 } as const

/** n1 leads; nothing is acknowledged yet. */
function leader(members: Membership, settings: { commitZones?: 2 } = TWO_ZONES): Engine {
  const engine = new Engine({ members, settings })
  engine.elect(members.members.slice(1, Math.floor(members.members.length / 2) + 1).map(({ id }) => id))
  return engine
}

const commitOf = (engine: Engine) => engine.core.status().commitIndex

describe('a commit across data centres', () => {
  it('waits for a voter of a second zone, however many of the first hold it', () => {
    const engine = leader(membersIn('a', 'a', 'a', 'b', 'b'))
    engine.ack(N2, 1)
    expect(engine.ack(N3, 1)).not.toContainEqual(expect.objectContaining({ type: 'commit' }))
    expect(commitOf(engine)).toBe(0)
    expect(of(engine.ack(N4, 1), 'commit')).toEqual([{ type: 'commit', upTo: 1, assurance: 'quorum' }])
  })

  it('needs a quorum as well', () => {
    const engine = leader(membersIn('a', 'a', 'a', 'b', 'b'))
    engine.ack(N4, 1)
    expect(commitOf(engine)).toBe(0)
    engine.ack(N5, 1)
    expect(commitOf(engine)).toBe(1)
  })

  it('is that of any quorum where the setting is off', () => {
    const engine = leader(membersIn('a', 'a', 'a', 'b', 'b'), {})
    engine.ack(N2, 1)
    engine.ack(N3, 1)
    expect(commitOf(engine)).toBe(1)
  })

  it('takes a zone that nobody named for none', () => {
    for (const unsaid of ['', 'local', 'default']) {
      const engine = leader(membersIn('a', 'a', unsaid, 'b', 'b'))
      engine.ack(N2, 1)
      engine.ack(N3, 1)
      expect(commitOf(engine)).toBe(0)
    }
    const members = (...zones: string[]) => zones.map((zone) => ({ zone }))
    expect(spanZones(members('a', 'local', 'default'))).toBe(false)
    expect(spanZones(members('a', 'local', 'b'))).toBe(true)
    expect(zoneOf({ zone: 'a' })).toBe('a')
  })

  it('is of the own term by the lower of both counts', () => {
    const engine = leader(membersIn('a', 'a', 'b'))
    engine.propose()
    engine.stored(engine.writes.length)
    engine.ack(N2, 2)
    engine.ack(N3, 1)
    expect(commitOf(engine)).toBe(1)
  })

  it('agrees with a count of who holds what, whatever is acknowledged in whatever zones', () => {
    const zone = fc.constantFrom('a', 'b', 'c')
    const acks = fc.array(fc.record({ peer: fc.nat(3), index: fc.integer({ min: 1, max: 6 }) }), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(zone, { minLength: 5, maxLength: 5 }), acks, (zones, list) => {
        const members = membersIn(...zones)
        const engine = leader(members)
        for (let i = 0; i < 5; i++) engine.propose()
        engine.stored(engine.writes.length)
        const held = new Map([[N1, 6]])
        for (const { peer, index } of list) {
          const id = PEERS[peer] as typeof N1
          engine.ack(id, index)
          held.set(id, Math.max(held.get(id) ?? 0, index))
          const holds = (at: number) => (one: typeof N1) => (held.get(one) ?? 0) >= at
          const fits = (at: number) =>
            members.members.filter((member) => holds(at)(member.id)).length >= 3 && isHeldApart(members, holds(at))
          const expected = [6, 5, 4, 3, 2, 1].find(fits) ?? 0
          expect(commitOf(engine)).toBe(expected)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('what the plain quorum still decides', () => {
  it('reads are confirmed by a quorum in one zone, at what is committed', () => {
    const engine = leader(membersIn('a', 'a', 'a', 'b', 'b'))
    for (const peer of PEERS) engine.ack(peer, 1)
    engine.propose()
    engine.stored(engine.writes.length)
    engine.ack(N2, 2)
    engine.ack(N3, 2)
    expect(commitOf(engine)).toBe(1)
    engine.step({ type: 'read', readId: 1 as never, lease: false })
    const reply = heartbeatReply({ term: 1, readPosition: 1 })
    const released = [...engine.receive(N2, reply), ...engine.receive(N3, reply)]
    expect(of(released, 'readReady')).toEqual([{ type: 'readReady', readId: 1, index: 1 }])
  })

  it('a leader that hears a quorum of one zone goes on leading', () => {
    const engine = leader(membersIn('a', 'a', 'b'))
    for (let i = 0; i < 30; i++) {
      engine.tick()
      engine.receive(N2, heartbeatReply({ term: 1 }))
    }
    expect(engine.nowMs).toBeGreaterThan(3 * SETTINGS.electionTimeoutMaxMs)
    expect(engine.core.status()).toMatchObject({ role: 'leader', commitIndex: 0 })
  })
})

describe('a change of members', () => {
  const target = (members: readonly Member[]) =>
    members.map(({ wasVoter: _, ...member }) => ({ ...member, role: 'voter' as const }))

  it('is refused where the voters would stand in one zone', () => {
    const engine = leader(membersIn('a', 'a', 'b'))
    engine.ack(N3, 1)
    const change = {
      kind: 'changeMembership',
      planned: 0 as never,
      target: target(membersIn('a', 'a').members),
    } as const
    expect(of(engine.order(change), 'orderRefused')).toMatchObject([{ code: 'InvalidArgument' }])
    const plain = leader(membersIn('a', 'a', 'b'), {})
    plain.ack(N3, 1)
    expect(of(plain.order(change), 'orderRefused')).toEqual([])
  })

  it('is committed by two zones of the old voters and two of the new, never by those of the union', () => {
    const engine = leader(membersIn('a', 'a', 'b'))
    engine.ack(N3, 1)
    const next = membersIn('a', 'a', 'x', 'c').members.filter(({ id }) => id !== N3)
    engine.order({ kind: 'changeMembership', planned: 0 as never, target: target(next) })
    engine.stored(engine.writes.length)
    engine.ack(N2, 2)
    engine.ack(N4, 2)
    expect(commitOf(engine)).toBe(1)
    expect(sends(engine.ack(N3, 2), 'appendEntries').length).toBeGreaterThan(0)
    expect(commitOf(engine)).toBe(2)
  })
})
