/** Planted bugs of data centres: commits that one of them could take along, and leaders that do not come home. */
import type { Mutant } from '../mutant.js'

const ZONE_TESTS = { file: 'test/consensus/raft-zones.test.ts' } as const
const PREFERENCE_TESTS = { file: 'test/consensus/raft-preference.test.ts' } as const

export const ZONE_MUTANTS: readonly Mutant[] = [
  {
    id: 'zones-plain-quorum',
    title: 'a cluster that wants two zones commits with any quorum',
    pitfall: 'acknowledged entries in one data centre',
    file: 'src/consensus/raft/commit.ts',
    find: '      : zoneCommittedIndex(quorum, matchOf, memberships.zoneOf)',
    replace: '      : committedIndex(quorum, matchOf)',
    killedBy: {
      simulator: { nodes: 5, seeds: 40 },
      tests: [{ ...ZONE_TESTS, name: 'waits for a voter of a second zone' }],
    },
  },
  {
    id: 'zones-over-the-union',
    title: 'in a joint configuration the zones of both halves are counted together',
    pitfall: 'quorum over the union of a joint configuration',
    file: 'src/consensus/quorum.ts',
    find: 'return outgoing.length === 0 ? incoming : Math.min(incoming, zoneQuorumIndex(configuration, outgoing, ackOf, zoneOf))',
    replace:
      'return outgoing.length === 0 ? incoming : zoneQuorumIndex(configuration, [...voters, ...outgoing], ackOf, zoneOf)',
    killedBy: { tests: [{ ...ZONE_TESTS, name: 'never by those of the union' }] },
  },
  {
    id: 'zones-unsaid-count',
    title: 'a member of whom nobody said where it stands counts as a second zone',
    pitfall: 'acknowledged entries in one data centre',
    file: 'src/consensus/membership.ts',
    find: 'return UNSAID_ZONES.includes(zone) ? null : zone',
    replace: 'return zone',
    killedBy: { tests: [{ ...ZONE_TESTS, name: 'takes a zone that nobody named for none' }] },
  },
  {
    id: 'zones-given-up-unsaid',
    title: 'members are changed to voters in one zone, although two have to hold what is committed',
    pitfall: 'acknowledged entries in one data centre',
    file: 'src/consensus/raft/changes.ts',
    find: 'commitZones !== null && !spanZones(votersOf(target))',
    replace: 'commitZones !== null && !spanZones(change.target) && change.target.length === 0',
    killedBy: { tests: [{ ...ZONE_TESTS, name: 'is refused where the voters would stand in one zone' }] },
  },
  {
    id: 'leader-stays-away',
    title: 'a leader outside the preferred zone never hands over',
    pitfall: 'leader stays outside the preferred data centre',
    file: 'src/consensus/raft/timers.ts',
    find: '  handToBetter(raft, leading, nowMs)',
    replace: '',
    killedBy: {
      simulator: { nodes: 5, seeds: 40 },
      tests: [{ ...PREFERENCE_TESTS, name: 'hands over to the preferred zone' }],
    },
  },
  {
    id: 'leader-goes-at-once',
    title: 'a preferred node is handed leadership the moment it is heard',
    pitfall: 'leadership flaps between data centres',
    file: 'src/consensus/raft/hand-back.ts',
    find: '  if (nowMs - leading.heir.sinceMs < raft.handOvers.waitMs(shortestMs, nowMs)) return',
    replace: '',
    killedBy: { tests: [{ ...PREFERENCE_TESTS, name: 'begins to count anew' }] },
  },
  {
    id: 'leader-flaps',
    title: 'a preferred node that does not take over is asked again and again',
    pitfall: 'leadership flaps between data centres',
    file: 'src/consensus/raft/hand-back.ts',
    find: '  raft.handOvers.note(nowMs)',
    replace: '',
    killedBy: { tests: [{ ...PREFERENCE_TESTS, name: 'ever more rarely' }] },
  },
  {
    id: 'preferred-before-caught-up',
    title: 'a transfer to whomever goes to a preferred node that lacks entries',
    pitfall: 'leadership flaps between data centres',
    file: 'src/consensus/raft/transfer.ts',
    find: 'return hasCaughtUp(raft, peer) ? rank : -1',
    replace: 'return rank',
    killedBy: { tests: [{ ...PREFERENCE_TESTS, name: 'goes to the most preferred of those that have caught up' }] },
  },
]
