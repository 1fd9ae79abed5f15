/** Planted bugs of snapshots, compaction and repair. */
import type { Mutant } from '../mutant.js'

const SNAPSHOTS = 'src/consensus/raft/snapshots.ts'
const REPAIR = 'src/consensus/raft/repair.ts'
const RANDOM_RUNS = { file: 'test/consensus/raft-simulation.test.ts' } as const
const FOLLOWER_TESTS = { file: 'test/consensus/raft-follower.test.ts' } as const

export const SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    id: 'old-snapshot-fetched',
    title: 'a snapshot of what is committed here already is fetched and installed',
    pitfall: 'older snapshot than commit installed',
    file: SNAPSHOTS,
    find: '  if (base.index <= raft.commitIndex || holds(raft, snapshot)) return',
    replace: '  if (raft.log.matches(base.index, base)) return',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'snapshot-drops-log',
    title: 'a log that holds the end of a snapshot is thrown away for it',
    pitfall: 'snapshot with equal index and other term',
    file: SNAPSHOTS,
    find: '    if (!holds(raft, snapshot)) {',
    replace: '    if (base.index > 0) {',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'snapshot-by-index',
    title: 'an entry of equal index and other term passes for the end of a snapshot',
    pitfall: 'snapshot with equal index and other term',
    file: SNAPSHOTS,
    find: '  if (!log.matches(base.index, base)) return false',
    replace: '  if (base.index > log.lastIndex) return false\n  if (base.index > 0) return true',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'compaction-beyond-snapshot',
    title: 'the log drops what no snapshot covers',
    pitfall: 'log dropped before snapshot durable',
    file: SNAPSHOTS,
    find: `  const record = memberships.at(compactTo.index)
  const base = { ...compactTo, membership: record.index === 0 ? null : record }`,
    replace: `  const record = memberships.at(raft.commitIndex)
  const entry = log.entry(raft.commitIndex) ?? compactTo
  const base = { ...compactTo, index: entry.index, epoch: entry.epoch, term: entry.term, chain: entry.chain, membership: record.index === 0 ? null : record }`,
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'membership-not-in-base',
    title: 'a compacted log forgets which members were in force',
    pitfall: 'configuration carried in snapshots',
    file: SNAPSHOTS,
    find: 'membership: record.index === 0 ? null : record }',
    replace: 'membership: null }',
    killedBy: { simulator: { nodes: 5, seeds: 60 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'snapshot-members-ignored',
    title: 'an installed snapshot leaves the members as they were',
    pitfall: 'configuration carried in snapshots',
    file: SNAPSHOTS,
    find: '  raft.memberships.reset(base.membership ?? raft.genesis)',
    replace: '',
    killedBy: { simulator: { nodes: 5, seeds: 60 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'offer-not-kept',
    title: 'a peer that fetches a snapshot is offered each newer one instead',
    pitfall: 'snapshot transfer loop',
    file: SNAPSHOTS,
    find: "if (peer.flow !== 'snapshot' || peer.offered === null || !leading.isActive(peer, raft)) peer.becomeSnapshot(newest)",
    replace: 'peer.becomeSnapshot(newest)',
    killedBy: { simulator: { nodes: 3, seeds: 30 }, tests: [RANDOM_RUNS] },
  },
  {
    id: 'repaired-too-early',
    title: 'a damaged node votes again as soon as it hears a leader',
    pitfall: 'torn tail against damaged middle',
    file: REPAIR,
    find: 'if (raft.agreedIndex < repairTarget || raft.writes.durableIndex < repairTarget) return',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [FOLLOWER_TESTS, RANDOM_RUNS] },
  },
  {
    id: 'repaired-before-durable',
    title: 'a damaged node counts as whole before what repaired it is durable',
    pitfall: 'vote sent before durable',
    file: REPAIR,
    find: 'if (raft.agreedIndex < repairTarget || raft.writes.durableIndex < repairTarget) return',
    replace: 'if (raft.agreedIndex < repairTarget) return',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [FOLLOWER_TESTS, RANDOM_RUNS] },
  },
  {
    id: 'never-repaired',
    title: 'a damaged node stays out for ever',
    pitfall: 'torn tail against damaged middle',
    file: REPAIR,
    find: '  raft.repairTarget ??= message.lastIndex',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 30 }, tests: [FOLLOWER_TESTS] },
  },
  {
    id: 'lost-tail-unnoticed',
    title: 'a node that lost what it had acknowledged goes on voting',
    pitfall: 'empty disk joins under an old id',
    file: 'src/consensus/raft/heartbeat.ts',
    find: '  if (commitIndex > raft.log.lastIndex) noteLostTail(raft)',
    replace: '  if (commitIndex > raft.log.lastIndex) return',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [FOLLOWER_TESTS] },
  },
]
