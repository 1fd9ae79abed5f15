/** Planted bugs of linearizable reads, in the core and in the node. */
import type { Mutant } from '../mutant.js'

const READS = 'src/consensus/raft/reads.ts'
const READ_TESTS = 'test/consensus/raft-reads.test.ts'

export const READ_MUTANTS: readonly Mutant[] = [
  {
    id: 'read-before-first-commit',
    title: 'a new leader serves reads before it has committed an entry of its term',
    pitfall: 'read served before the first commit of the term',
    file: READS,
    find: '  if (!hasCommittedInTerm(raft, leading)) {',
    replace: '  if (leading.firstIndex < 0) {',
    killedBy: {
      simulator: { nodes: 3, seeds: 60 },
      tests: [{ file: READ_TESTS, name: 'holds reads until the first commit of its term' }],
    },
  },
  {
    id: 'read-without-quorum',
    title: 'a leader serves reads without asking whether it still leads',
    pitfall: 'stale read after a paused leader resumes',
    file: READS,
    find: '  if (committedIndex(raft.quorum, leading.readPositionOf) >= leading.readPosition) {',
    replace: '  if (leading.readPosition > 0) {',
    killedBy: { simulator: { nodes: 3, seeds: 100 } },
  },
  {
    id: 'read-by-older-echo',
    title: 'an echo of an older round releases the reads of the next',
    pitfall: 'retried read id',
    file: READS,
    find: '    if (read.position > confirmed) break',
    replace: '',
    killedBy: {
      simulator: { nodes: 3, seeds: 60 },
      tests: [{ file: READ_TESTS, name: 'older echoes do not release them' }],
    },
  },
  {
    id: 'read-id-reused',
    title: 'reads that a follower forwards carry the same id every time',
    pitfall: 'retried read id',
    file: 'src/consensus/raft/state.ts',
    find: 'return this.#nextRunId++',
    replace: 'return this.#nextRunId',
    killedBy: { simulator: { nodes: 3, seeds: 100 }, tests: [{ file: READ_TESTS, name: 'never uses an id again' }] },
  },
  {
    id: 'read-outlives-leader',
    title: 'a leader that steps down serves the reads that waited for its confirmation',
    pitfall: 'read released after a leader change',
    file: 'src/consensus/raft/roles.ts',
    find: "if (from === null) raft.emit({ type: 'readRefused', readId, code: 'LeadershipLost', leader: null })",
    replace: "if (from === null) raft.emit({ type: 'readReady', readId, index: raft.commitIndex })",
    killedBy: {
      simulator: { nodes: 3, seeds: 60 },
      tests: [{ file: READ_TESTS, name: 'refuses every waiting read when it steps down' }],
    },
  },
  {
    id: 'follower-answers-read',
    title: 'a node that does not lead answers a forwarded read with its own commit index',
    pitfall: 'read released after a leader change',
    file: READS,
    find: '  reply(raft, from, message.readId, 0 as LogIndex)',
    replace: '  reply(raft, from, message.readId, raft.commitIndex)',
    killedBy: {
      simulator: { nodes: 5, seeds: 100 },
      tests: [{ file: READ_TESTS, name: 'a node that never led refuses it' }],
    },
  },
  {
    id: 'read-before-apply',
    title: 'a confirmed read is served before its index is applied',
    pitfall: 'stale read',
    file: 'src/node/reads.ts',
    find: 'if (read.index <= applied) this.#finish',
    replace: 'if (read.index <= applied + 5) this.#finish',
    killedBy: { simulator: { nodes: 3, seeds: 100 } },
  },
  {
    id: 'query-without-read-index',
    title: 'a linearizable query is answered from local state',
    pitfall: 'stale read',
    file: 'src/node/reads.ts',
    find: '    collecting.push(callback)',
    replace: '    callback(null)',
    killedBy: { simulator: { nodes: 3, seeds: 50 } },
  },
]
