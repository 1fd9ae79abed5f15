/** Planted bugs of the node loop and the state machine: order of durability, apply and answer; sessions. */
import type { Mutant } from '../mutant.js'

export const NODE_MUTANTS: readonly Mutant[] = [
  {
    id: 'held-messages-leave',
    title: 'the node sends at once what had to wait for the disk',
    pitfall: 'vote sent before durable',
    file: 'src/node/log-writer.ts',
    find: '    if (effect.after === undefined || effect.after <= this.#durable) return true',
    replace: '    if (effect.after === undefined || effect.after >= 0) return true',
    killedBy: { simulator: { nodes: 3, seeds: 100 } },
  },
  {
    id: 'apply-before-commit',
    title: 'the node applies and answers what is only on its own disk',
    pitfall: 'answer before commit',
    file: 'src/node/loop.ts',
    find: 'const upTo = Math.min(this.#commitIndex, this.#writer.durableIndex) as LogIndex',
    replace: 'const upTo = this.#writer.durableIndex',
    killedBy: { simulator: { nodes: 3, seeds: 10 } },
  },
  {
    id: 'unknown-reported-as-failed',
    title: 'a leader that steps down says that what it had proposed did not happen',
    pitfall: 'time-out reported as failure',
    file: 'src/node/answers.ts',
    find: "refuse(waiting, { code: 'LeadershipLost', outcomeUnknown: true, leader })",
    replace: "refuse(waiting, { code: 'LeadershipLost', outcomeUnknown: false, leader })",
    killedBy: { simulator: { nodes: 3, seeds: 150 } },
  },
  {
    id: 'duplicates-run-again',
    title: 'a request that a client sends again is executed again',
    pitfall: 'client retry runs twice',
    file: 'src/workflow/machine.ts',
    find: '    if (kept !== undefined) {',
    replace: '    if (kept !== undefined && sequence < 0) {',
    killedBy: {
      simulator: { nodes: 3, seeds: 30 },
      tests: [{ file: 'test/workflow/sessions.test.ts', name: 'a retry is answered with the first result' }],
    },
  },
  {
    id: 'stale-sequence-runs',
    title: 'a late duplicate of what its client has acknowledged is executed',
    pitfall: 'client retry runs twice',
    file: 'src/workflow/machine.ts',
    find: '    if (sequence < session.ackedBelow) return refusals.SEQUENCE_STALE',
    replace: '',
    killedBy: {
      simulator: { nodes: 3, seeds: 50 },
      tests: [{ file: 'test/workflow/sessions.test.ts', name: 'what is acknowledged is forgotten' }],
    },
  },
  {
    id: 'session-results-not-kept',
    title: 'results are forgotten at a restart: a duplicate then runs again',
    pitfall: 'client retry runs twice',
    file: 'src/workflow/session-window.ts',
    find: '      state.put(this.#stateKey + u64Key(number), encodeChunk(chunk))',
    replace: '',
    killedBy: {
      simulator: { nodes: 3, seeds: 50 },
      tests: [{ file: 'test/workflow/exactly-once.test.ts', name: 'checkpoint and restart at any entries' }],
    },
  },
  {
    id: 'closed-session-lives',
    title: 'a closed session takes requests again',
    pitfall: 'eviction silently re-registers',
    file: 'src/workflow/machine.ts',
    find: '    if (session.closed) return refusals.SESSION_EXPIRED',
    replace: '',
    killedBy: { tests: [{ file: 'test/workflow/sessions.test.ts', name: 'a closed session is expired at once' }] },
  },
]
