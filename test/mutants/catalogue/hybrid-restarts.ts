/** Planted bugs of the hybrid over restarts and jumps: what a crash in the middle, or damage, leaves on the disk. */
import type { Mutant } from '../mutant.js'

const HYBRID = 'src/consensus/hybrid'
const testOf = (name: string, test?: string) => ({
  file: `test/consensus/hybrid/${name}.test.ts`,
  ...(test === undefined ? {} : { name: test }),
})

export const HYBRID_RESTART_MUTANTS: readonly Mutant[] = [
  {
    id: 'hybrid-jump-base-first',
    title: 'the log begins anew behind a snapshot before the record that says why is written',
    pitfall: 'two steps of one write, the wrong one first',
    file: `${HYBRID}/write-merger.ts`,
    find: '  if (at < 0) return records\n',
    replace: '  if (at < 0 || at >= 0) return records\n',
    killedBy: { tests: [testOf('torn-jumps', 'afterBase')] },
  },
  {
    id: 'hybrid-jump-left-half',
    title: 'a start does not notice that the log never came to where its record says that it begins',
    pitfall: 'half a jump',
    file: `${HYBRID}/restarting.ts`,
    find: '  return isThere ? null : snapshot\n',
    replace: '  return isThere || !isThere ? null : snapshot\n',
    killedBy: { tests: [testOf('torn-jumps', 'longer branch that lost')] },
  },
  {
    id: 'hybrid-jump-without-its-snapshot',
    title: 'half a jump is done again from a snapshot that is not there any more',
    pitfall: 'half a jump',
    file: `${HYBRID}/restarting.ts`,
    find: 'missed !== null && isOnDisk(restored, missed)) return',
    replace: 'missed !== null && (isOnDisk(restored, missed) || missed.bytes > 0)) return',
    killedBy: { tests: [testOf('torn-jumps', 'the snapshot is gone')] },
  },
  {
    id: 'hybrid-late-answer-accuses',
    title: 'an offer that answers a question of an epoch that is over counts as unsound, and its sender as a liar',
    pitfall: 'late messages and honest members',
    file: `${HYBRID}/core.ts`,
    find: 'return of === epoch && isAhead(',
    replace: 'return of <= epoch && isAhead(',
    killedBy: { tests: [testOf('torn-jumps', 'to the beginning of an epoch of Raft')] },
  },
  {
    id: 'hybrid-stale-branch-executed',
    title: 'a damaged member takes all that is in its log for decided in a Byzantine epoch',
    pitfall: 'a truncation lost with the damage',
    file: `${HYBRID}/restarting.ts`,
    find: '  if (end === restored.lastIndex) return restored\n',
    replace: '  if (end <= restored.lastIndex) return restored\n',
    killedBy: { tests: [testOf('stale-branch', 'executes nothing of it')] },
  },
  {
    id: 'hybrid-leader-vouches-for-the-next-epoch',
    title: 'a damaged member whose log a leader called whole signs in the next epoch too, which it may have forgotten',
    pitfall: 'a repair in one epoch counts in another',
    file: `${HYBRID}/entering.ts`,
    find: '  if (state.forgotten !== null) state.mayVote = false\n',
    replace: "  if (state.forgotten !== null && mode === 'raft') state.mayVote = false\n",
    killedBy: { tests: [testOf('forgotten-epoch', 'does not sign in the epoch that it forgot')] },
  },
  {
    id: 'hybrid-second-history',
    title: 'a damaged member whose log a leader called whole gives another history of an epoch that it left before',
    pitfall: 'a repair in one epoch counts in another',
    file: `${HYBRID}/inner.ts`,
    find: '  return state.mayVote && state.forgotten === null && ',
    replace: '  return state.mayVote && ',
    killedBy: { tests: [testOf('forgotten-epoch', 'does not sign in the epoch that it forgot')] },
  },
  {
    id: 'hybrid-damage-never-over',
    title: 'a damaged member that is whole again is silent in the next epoch, whatever a quorum has shown since',
    pitfall: 'too careful to live',
    file: `${HYBRID}/forgetting.ts`,
    find: '  return entry.timestampMs > forgotten.sinceMs + 2 * CLOCK_BOUND_MS ? null : forgotten\n',
    replace: '  return entry.timestampMs > forgotten.sinceMs + 2e12 * CLOCK_BOUND_MS ? null : forgotten\n',
    killedBy: { tests: [testOf('forgotten-epoch', 'takes part in the next one where a quorum has shown')] },
  },
  {
    id: 'snapshot-told-before-committed',
    title: 'a full disk, or an order, tells the core of a snapshot of more than it knows to be committed',
    pitfall: 'a snapshot ahead of a damaged log',
    file: 'src/node/snapshot-keeper.ts',
    find: '    if (core.status().commitIndex < taken.base.index) return this.#retain()\n',
    replace: '    if (core.status().commitIndex < 0) return this.#retain()\n',
    killedBy: { tests: [{ file: 'test/node/snapshot-keeper.test.ts' }] },
  },
]
