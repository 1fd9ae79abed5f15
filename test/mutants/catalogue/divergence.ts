/** Planted bugs of the comparison of states: equal logs must give equal states, and who differs must be told. */
import type { Mutant } from '../mutant.js'

const DIVERGENCE = 'src/consensus/raft/divergence.ts'
const DIVERGENCE_TESTS = { file: 'test/consensus/raft-divergence.test.ts' } as const

export const DIVERGENCE_MUTANTS: readonly Mutant[] = [
  {
    id: 'minority-accuses',
    title: 'a leader that differs from one follower takes its own state for right without a majority',
    pitfall: 'state digest compared at checkpoints',
    file: DIVERGENCE,
    find: '  if (agree(raft, leading, index, own)) {',
    replace: '  if (own.length > 0) {',
    killedBy: { tests: [DIVERGENCE_TESTS] },
  },
  {
    id: 'divergence-never-told',
    title: 'a follower whose state differs from that of the majority is not told',
    pitfall: 'state digest compared at checkpoints',
    file: DIVERGENCE,
    find: '    else tell(raft, peer, index, own)\n',
    replace: '',
    killedBy: { tests: [DIVERGENCE_TESTS] },
  },
  {
    id: 'diverged-leader-leads',
    title: 'a leader whose state differs from that of the majority goes on leading',
    pitfall: 'state digest compared at checkpoints',
    file: DIVERGENCE,
    find: '} else if (!bytesEqual(own, stateDigest) && agree(raft, leading, index, stateDigest)) {',
    replace: '} else if (own.length === 0) {',
    killedBy: { tests: [DIVERGENCE_TESTS] },
  },
  {
    id: 'own-digest-not-kept',
    title: 'a node forgets the digests of its own state',
    pitfall: 'state digest compared at checkpoints',
    file: 'src/consensus/raft/core.ts',
    find: '      raft.digests.note(upTo, stateDigest)\n',
    replace: '',
    killedBy: { tests: [DIVERGENCE_TESTS] },
  },
  {
    id: 'told-node-goes-on',
    title: 'a node that is told of another state than its own says nothing',
    pitfall: 'state digest compared at checkpoints',
    file: DIVERGENCE,
    find: "if (own !== null && !bytesEqual(own, stateDigest)) raft.emit({ type: 'diverged', index, agreedIndex })",
    replace: '',
    killedBy: { tests: [DIVERGENCE_TESTS] },
  },
  {
    id: 'agreement-of-others',
    title: 'a node is told that its state was right where only others were seen to agree',
    pitfall: 'state digest compared at checkpoints',
    file: DIVERGENCE,
    find: 'Math.min(peer.digestsAgreed, index - 1)',
    replace: '(index - 1)',
    killedBy: { tests: [DIVERGENCE_TESTS] },
  },
]
