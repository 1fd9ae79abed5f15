/**
 * Shows that a cluster file survives a round trip unchanged and that every kind of mistake in one is
 * refused with `InvalidClusterFile` and the place of the mistake.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import { formatClusterFile, parseClusterFile } from '../../src/cluster/cluster-file.js'
import { CLIENT_ROLES, type ClusterConfiguration, DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import { nodeId } from '../../src/consensus/types.js'
import { formatPublicKey } from '../../src/crypto/key-encoding.js'

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const three = [1, 2, 3].map((n) => ({
  id: nodeId(`n${n}`),
  publicKey: key(n),
  address: `127.0.0.1:${4000 + n}`,
  zone: 'local',
}))
const sample: ClusterConfiguration = {
  clusterId: new Uint8Array(16).map((_, i) => i * 7),
  protocol: 'raft',
  genesis: three,
  members: three,
  clients: [{ id: 'admin', publicKey: key(9), role: 'admin' }],
  settings: DEFAULT_SETTINGS,
}
const good = formatClusterFile(sample)

describe('cluster file', () => {
  it('gives back the configuration it was made from', () => {
    expect(parseClusterFile(good)).toEqual(sample)
  })

  it('round-trips any valid configuration', () => {
    const name = fc.stringMatching(/^[a-z0-9-]{1,64}$/)
    const configurations = fc
      .record({
        clusterId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
        names: fc.uniqueArray(name, { minLength: 2, maxLength: 31 }),
        /** How many of the names are there from the beginning, and the first of them that is still there. */
        genesis: fc.integer({ min: 1, max: 31 }),
        gone: fc.nat(30),
        drift: fc.option(fc.integer({ min: 1, max: 2_000 })),
        zone: fc.string({ minLength: 1, maxLength: 64 }),
        role: fc.constantFrom(...CLIENT_ROLES),
        heartbeat: fc.integer({ min: 1, max: 1_000 }),
      })
      .map(({ clusterId, names, genesis, gone, zone, role, heartbeat, drift }): ClusterConfiguration => {
        const all = names.map((id, i) => ({ id: nodeId(id), publicKey: key(i), address: `[::1]:${1 + i}`, zone }))
        return {
          clusterId,
          protocol: 'raft',
          genesis: all.slice(0, genesis),
          members: all.slice(Math.min(gone, genesis, all.length - 1)),
          clients: [{ id: 'c', publicKey: key(200), role }],
          settings: {
            ...DEFAULT_SETTINGS,
            electionTimeoutMinMs: 2 * heartbeat,
            electionTimeoutMaxMs: 3 * heartbeat,
            heartbeatIntervalMs: heartbeat,
            leaseDriftMs: drift === null ? null : Math.min(drift, 2 * heartbeat - 1),
          },
        }
      })
    fc.assert(
      fc.property(configurations, (one) => {
        expect(parseClusterFile(formatClusterFile(one))).toEqual(one)
      }),
      { numRuns: 50 },
    )
  })

  it('takes the defaults for absent settings and zones', () => {
    const short = good.replace(/settings:[\s\S]*$/, '').replaceAll(/ +zone: local\n/g, '')
    const parsed = parseClusterFile(short)
    expect(parsed.settings).toEqual(DEFAULT_SETTINGS)
    expect(parsed.members[0]?.zone).toBe('default')
  })

  const apart = good.replace('zone: local', 'zone: a').replace('zone: local', 'zone: b')
  it('takes what it says of zones and priorities, and writes it again', () => {
    const text = `${apart.replace('zone: a', 'zone: a\n    priority: 7')}  commitZones: 2\n  preferredZones: [b, a]\n`
    const parsed = parseClusterFile(text)
    expect(parsed.settings).toMatchObject({ commitZones: 2, preferredZones: ['b', 'a'] })
    expect(parsed.members.map(({ priority }) => priority)).toEqual([7, undefined, undefined])
    expect(parseClusterFile(formatClusterFile(parsed))).toEqual(parsed)
  })

  const swap = (from: string | RegExp, to: string) => good.replace(from, to)
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['an empty file', '', /empty/],
    ['a list at the top', '- 1\n', /mapping/],
    ['broken YAML', 'version: [1\n', /cluster\.yaml:2:1/],
    ['an unknown key', swap('protocol:', 'protocoll: x\nprotocol:'), /5:1: protocoll is not known here/],
    ['a duplicate key', swap('protocol:', 'version: 1\nprotocol:'), /unique/],
    ['another version', swap('version: 1', 'version: 2'), /3:10: version is not 1/],
    ['a cluster id that is no UUID', swap(/clusterId: .*/, 'clusterId: abc'), /is not a UUID/],
    ['an unknown protocol', swap('protocol: raft', 'protocol: paxos'), /one of raft, pbft/],
    ['a missing list', swap(/clients:\n(?: .*\n)*/, ''), /lacks clients/],
    ['no members', swap(/members:\n(?: .*\n)*/, 'members: []\n'), /1 to 256 items, not 0/],
    ['a bad address', swap('127.0.0.1:4001', '127.0.0.1'), /members\[0\]\.address is wrong/],
    ['a port out of range', swap('127.0.0.1:4001', '127.0.0.1:70000'), /host:port/],
    ['a short key', swap(/publicKey: .*/, 'publicKey: AAAA'), /32 bytes in base64/],
    ['a duplicate id', swap('id: n2', 'id: n1'), /already used at/],
    ['a duplicate address', swap('127.0.0.1:4002', '127.0.0.1:4001'), /already used at/],
    ['a bad id', swap('id: n2', 'id: N_2'), /a-z, 0-9/],
    ['an id that is a number', swap('id: n2', 'id: 2'), /has to be a text/],
    ['an unknown role', swap('role: admin', 'role: root'), /one of reader/],
    ['a role that is an alias', swap('role: admin', 'role: *x'), /has to be a text/],
    ['a heartbeat over half the time-out', swap('heartbeatIntervalMs: 50', 'heartbeatIntervalMs: 100'), /at most half/],
    ['a negative setting', swap('heartbeatIntervalMs: 50', 'heartbeatIntervalMs: -1'), /integer of 1/],
    ['a fraction', swap('heartbeatIntervalMs: 50', 'heartbeatIntervalMs: 1.5'), /integer of 1/],
    ['a drift that leaves no lease', `${good}  leaseDriftMs: 150\n`, /leaseDriftMs below electionTimeoutMinMs/],
    ['a drift of nothing', `${good}  leaseDriftMs: 0\n`, /integer of 1/],
    ['a flag that is no truth value', swap('zone: local', 'zone: local\n    joined: maybe'), /true or false/],
    [
      'only members that joined',
      good.replaceAll('zone: local', 'zone: local\n    joined: true'),
      /at the beginning, not 0/,
    ],
    ['only members that left', good.replaceAll('zone: local', 'zone: local\n    removed: true'), /now, not 0/],
    [
      'the key of a member that left',
      `${good.replace('zone: local', 'zone: local\n    removed: true')}`.replace(/AwMD[^\n]*/, formatPublicKey(key(1))),
      /public key that is already used/,
    ],
    ['two zones where nobody said which', `${good}  commitZones: 2\n`, /members in at least 2 zones for commitZones/],
    ['three zones', `${apart}  commitZones: 3\n`, /integer of 2 to 2/],
    ['a preferred zone where nobody stands', `${apart}  preferredZones: [c]\n`, /prefer the zone "c"/],
    ['a priority out of range', swap('zone: local', 'zone: local\n    priority: 101'), /integer of 0 to 100/],
    [
      'zones of another protocol',
      `${apart.replace('protocol: raft', 'protocol: pbft')}  commitZones: 2\n`,
      /commitZones and preferredZones in raft only/,
    ],
    [
      'priorities of another protocol',
      swap('zone: local', 'zone: local\n    priority: 1').replace('protocol: raft', 'protocol: hybrid'),
      /priorities, which are for raft/,
    ],
    ['swapped time-outs', swap('electionTimeoutMaxMs: 300', 'electionTimeoutMaxMs: 100'), /below electionTimeoutMaxMs/],
  ]
  for (const [what, text, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(text).not.toBe(good)
      let error: unknown
      try {
        parseClusterFile(text)
      } catch (caught) {
        error = caught
      }
      expect(hasCode(error, 'InvalidClusterFile'), String(error)).toBe(true)
      expect((error as Error).message).toMatch(message)
    })
  }

  it('refuses any damaged file with a typed error, never another one', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.string({ maxLength: 4 }), fc.nat(8), (at, insert, cut) => {
        try {
          parseClusterFile(good.slice(0, at) + insert + good.slice(at + cut))
        } catch (error) {
          expect(hasCode(error, 'InvalidClusterFile'), String(error)).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })
})
