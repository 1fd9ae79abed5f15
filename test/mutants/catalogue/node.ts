/** Planted bugs of the node loop and the state machine: order of durability, apply and answer; sessions. */
import type { Mutant } from '../mutant.js'

const LOOP = 'src/node/loop.ts'
const EXECUTION = 'src/node/execution.ts'
const START_TESTS = { file: 'test/node/start.test.ts' } as const
const ENDING_TESTS = { file: 'test/node/endings.test.ts' } as const
const EXECUTION_TESTS = { file: 'test/node/execution.test.ts' } as const

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
    find: 'const upTo = Math.min(this.#commitIndex, this.#parts.writer.durableIndex) as LogIndex',
    replace: 'const upTo = this.#parts.writer.durableIndex',
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
  {
    id: 'unknown-while-starting',
    title: 'a node that is still starting takes its clients for strangers',
    pitfall: 'time-out reported as failure',
    file: 'src/node/start.ts',
    find: "if (node === undefined) return 'Unreachable'",
    replace: "if (node === undefined) return 'UnknownKey'",
    killedBy: { tests: [START_TESTS] },
  },
  {
    id: 'failed-stop-is-clean',
    title: 'a stop that failed is reported as a clean one',
    pitfall: 'fsync error retried',
    file: 'src/node/start.ts',
    find: '          onFatal(error)\n          return',
    replace: '          reportStopped(null)\n          return',
    killedBy: { tests: [START_TESTS] },
  },
  {
    id: 'load-failure-lost',
    title: 'a defect while entries are handed to the core after a read from disk is lost with its promise',
    pitfall: 'a defect in a promise goes unnoticed',
    file: LOOP,
    find: "        this.#step({ type: 'loaded', peer, from, entries })\n        this.#wake()\n      })\n      .catch((error: unknown) => this.#fail(error))",
    replace:
      "        this.#step({ type: 'loaded', peer, from, entries })\n        this.#wake()\n      })\n      .catch(() => {})",
    killedBy: { tests: [ENDING_TESTS] },
  },
  {
    id: 'stopped-node-turns',
    title: 'a turn that was due when the node was stopped still happens',
    pitfall: 'ack of an old term or a previous incarnation counted',
    file: LOOP,
    find: '      if (this.#stopped) return\n      try {',
    replace: '      try {',
    killedBy: { tests: [ENDING_TESTS] },
  },
  {
    id: 'old-machine-runs-on',
    title: 'the machine of before goes on over the state that a snapshot brought',
    pitfall: 'client retry runs twice',
    file: EXECUTION,
    find: '    this.#machine = makeMachine(index, await state.range(SYSTEM_FROM, SYSTEM_TO))\n',
    replace: '',
    killedBy: { tests: [EXECUTION_TESTS] },
  },
  {
    id: 'sessions-not-restored',
    title: 'a machine that follows a snapshot begins without the sessions in it',
    pitfall: 'client retry runs twice',
    file: EXECUTION,
    find: '    this.#machine = makeMachine(index, await state.range(SYSTEM_FROM, SYSTEM_TO))\n',
    replace: '    this.#machine = makeMachine(index, [])\n',
    killedBy: { tests: [EXECUTION_TESTS] },
  },
  {
    id: 'old-digests-go-on',
    title: 'the digests of before go on over the state that a snapshot brought',
    pitfall: 'state digest compared at checkpoints',
    file: EXECUTION,
    find: `    this.#applier = this.#makeApplier(this.#machine)
    this.#digests = new Digests(this.#options, this.#options.onDigest)`,
    replace: '    this.#applier = this.#makeApplier(this.#machine)',
    killedBy: { tests: [EXECUTION_TESTS] },
  },
  {
    id: 'snapshot-inside-entry',
    title: 'a snapshot is taken in the middle of an entry',
    pitfall: 'applied index not atomic with state',
    file: EXECUTION,
    find: 'return !this.isRestoring && !this.#applier.isInsideEntry',
    replace: 'return !this.isRestoring',
    killedBy: { simulator: { nodes: 3, seeds: 60 }, tests: [EXECUTION_TESTS] },
  },
]
