/** All planted bugs, in the order in which they are reported. */
import type { Mutant } from '../mutant.js'
import { DIVERGENCE_MUTANTS } from './divergence.js'
import { ELECTION_MUTANTS } from './elections.js'
import { HOTSTUFF_MUTANTS } from './hotstuff.js'
import { HYBRID_MUTANTS } from './hybrid.js'
import { HYBRID_RESTART_MUTANTS } from './hybrid-restarts.js'
import { LEASE_MUTANTS } from './leases.js'
import { MEMBER_MUTANTS } from './members.js'
import { NODE_MUTANTS } from './node.js'
import { PBFT_MUTANTS } from './pbft.js'
import { READ_MUTANTS } from './reads.js'
import { REPLICATION_MUTANTS } from './replication.js'
import { SNAPSHOT_MUTANTS } from './snapshots.js'
import { STORAGE_MUTANTS } from './storage.js'
import { ZONE_MUTANTS } from './zones.js'

export const CATALOGUE: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...READ_MUTANTS,
  ...LEASE_MUTANTS,
  ...MEMBER_MUTANTS,
  ...ZONE_MUTANTS,
  ...SNAPSHOT_MUTANTS,
  ...DIVERGENCE_MUTANTS,
  ...STORAGE_MUTANTS,
  ...NODE_MUTANTS,
  ...PBFT_MUTANTS,
  ...HOTSTUFF_MUTANTS,
  ...HYBRID_MUTANTS,
  ...HYBRID_RESTART_MUTANTS,
]
