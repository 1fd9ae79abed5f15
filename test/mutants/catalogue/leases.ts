/** Planted bugs of lease reads. */
import type { Mutant } from '../mutant.js'

const LEASE = 'src/consensus/raft/lease.ts'
const LEASE_TESTS = { file: 'test/consensus/raft-leases.test.ts' } as const

export const LEASE_MUTANTS: readonly Mutant[] = [
  {
    id: 'lease-outlives-transfer',
    title: 'a lease holds on after its leader told another to campaign',
    pitfall: 'lease not ended by TimeoutNow',
    file: 'src/consensus/raft/transfer.ts',
    find: '  leading.leaseEnded = true',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'lease-outlives-pause',
    title: 'a lease holds on after the process stood still',
    pitfall: 'pause does not expire the lease',
    file: 'src/consensus/raft/timers.ts',
    find: '  leading.leaseRounds.length = 0',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'lease-without-drift',
    title: 'a lease lasts as long as if all clocks went equally fast',
    pitfall: 'lease reads with a declared clock-drift bound',
    file: LEASE,
    find: 'return nowMs < round.sentMs + electionTimeoutMinMs - leaseDriftMs',
    replace: 'return nowMs < round.sentMs + electionTimeoutMinMs',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'lease-from-receipt',
    title: 'a lease lasts for the longest election timeout, not the shortest',
    pitfall: 'lease reads with a declared clock-drift bound',
    file: LEASE,
    find: 'return nowMs < round.sentMs + electionTimeoutMinMs - leaseDriftMs',
    replace: 'return nowMs < round.sentMs + 3 * electionTimeoutMinMs',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'lease-unconfirmed',
    title: 'a lease counts from a round that no quorum has answered',
    pitfall: 'stale read after a paused leader resumes',
    file: LEASE,
    find: 'if (round === undefined || round.position > confirmed) return false',
    replace: 'if (round === undefined) return false',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'lease-before-first-commit',
    title: 'a new leader serves lease reads before the first commit of its term',
    pitfall: 'read served before the first commit of the term',
    file: LEASE,
    find: '  if (!hasCommittedInTerm(raft, leading)) return false',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'restarted-node-votes',
    title: 'with leases on, a restarted node votes at once',
    pitfall: 'a restarted node grants no vote for one maximum election timeout plus drift',
    file: 'src/consensus/raft/election.ts',
    find: 'if (!raft.mayVote || raft.now.monotonicMs < raft.voteEmbargoMs) return false',
    replace: 'if (!raft.mayVote) return false',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [LEASE_TESTS] },
  },
  {
    id: 'restarted-node-follows-candidates',
    title: 'with leases on, a restarted node gives up the term in which it may have given a lease',
    pitfall: 'a restarted node grants no vote for one maximum election timeout plus drift',
    file: 'src/consensus/raft/roles.ts',
    find: 'if (raft.leading !== null || raft.now.monotonicMs < raft.voteEmbargoMs) return true',
    replace: 'if (raft.leading !== null) return true',
    killedBy: { tests: [LEASE_TESTS] },
  },
]
