/**
 * Shows over random histories with governing operations among all others what replication rests on:
 * replay, slices and restarts give equal digests and answers, a snapshot gives equal bytes again, and
 * any interleaving of retries applies once.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import type { Entry } from '../../src/consensus/entry.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import type { KeyPair } from '../../src/crypto/keys.js'
import type { CaseState, Operation } from '../../src/workflow/operations.js'
import type { DoctrineRule, Policy, RuleConstraint } from '../../src/workflow/policies/policy.js'
import { NO_QUOTAS } from '../../src/workflow/policies/quotas.js'
import { apply, approve, approved, caseId, retract, rule, setClient, signers } from './governance-harness.js'
import {
  applyEntry,
  create,
  digestsOf,
  entryOf,
  get,
  keyOf,
  MapState,
  move,
  newMachine,
  put,
  requestOf,
  START_MS,
} from './harness.js'

const id = fc.constantFrom('p', 'q', 'r', 's')
const which = fc.nat({ max: 4 }).map(caseId)
const constraint: fc.Arbitrary<RuleConstraint> = fc.oneof(
  fc.record({
    type: fc.constant('ApprovalChain' as const),
    requiredSigners: fc.integer({ min: 1, max: 2 }),
    roles: fc.constant(['operator' as const]),
  }),
  fc.constant({ type: 'SegregationOfDuties' as const, incompatibleRoles: ['creator' as const, 'completer' as const] }),
  fc.record({
    type: fc.constant('ResourceLimit' as const),
    resource: fc.constantFrom('cases' as const, 'openCases' as const),
    max: fc.nat({ max: 4 }),
  }),
  fc.constant({ type: 'TimeWindow' as const, startHour: 22, endHour: 23, days: ['Tue' as const] }),
  fc.constant({ type: 'Schema' as const, schema: { required: ['b'] } }),
)
const someRule: fc.Arbitrary<DoctrineRule> = fc
  .record({
    constraint,
    enforcement: fc.constantFrom('Mandatory' as const, 'Warning' as const, 'Advisory' as const),
    guard: fc.boolean(),
  })
  .map(({ constraint: one, ...fields }) => rule(one, fields))
const policy: fc.Arbitrary<Policy> = fc.oneof(
  fc.record({
    type: fc.constant('Capacity' as const),
    maxConcurrency: fc.integer({ min: 1, max: 3 }),
    maxParallelism: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    type: fc.constant('FailureRate' as const),
    maxErrorPpm: fc.constantFrom(0, 10_000),
    window: fc.integer({ min: 1, max: 3 }),
    coolDownMs: fc.constantFrom(0, 60_000),
  }),
  fc.constantFrom<Policy>(
    { type: 'Bottom' },
    { type: 'GuardStrictness', level: 'Tighten' },
    { type: 'GuardStrictness', level: 'Relax' },
  ),
  someRule,
)
const plain: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(which, fc.constantFrom('{"a":1}', '{"b":1}')).map(([one, data]) => create(one, data)),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom<CaseState>('running', 'suspended', 'completed', 'failed', 'cancelled'), which)
      .map(([to, one]) => move(to, one)),
  },
  { weight: 2, arbitrary: fc.constantFrom(put('k', 'v'), get('k')) },
)
const governing: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(id, policy).map(([name, one]) => apply(name, one)) },
  { weight: 3, arbitrary: id.map(retract) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat({ max: 1 }), fc.constantFrom('operator' as const, 'reader' as const))
      .map(([n, role]) => setClient(`signer-${n}`, (signers[n] as KeyPair).publicKey, role)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('signer-0', 'the-reader', 'the-admin')
      .map((clientId): Operation => ({ type: 'RemoveClient', clientId })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('signer-0', 'signer-1', 'the-reader'), fc.nat({ max: 2 })).map(
      ([clientId, n]): Operation => ({
        type: 'RotateClientKey',
        clientId,
        publicKey: (signers[n] as KeyPair).publicKey,
        proof: null,
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.option(fc.nat({ max: 6 })), fc.option(fc.nat({ max: 3 }))).map(
      ([operationsPerMinuteMax, openCasesMax]): Operation => ({
        type: 'SetQuota',
        ...NO_QUOTAS,
        operationsPerMinuteMax,
        openCasesMax,
      }),
    ),
  },
  { weight: 2, arbitrary: which.map((one): Operation => ({ type: 'PurgeCases', caseIds: [one] })) },
)
/** Signing is slow: all approved operations there are, made once. */
const APPROVED = [create(caseId(1)), move('running', caseId(1)), put('k', 'v')].flatMap((operation) =>
  ['p', 'q'].flatMap((policyId) => {
    const [first, second] = [1, 2].map((n) => approve(operation, policyId, START_MS + n * 200_000, signers[n - 1]))
    return [approved(operation, first as never), approved(operation, first as never, second as never)]
  }),
)

const SESSIONS = ['writer', 'admin', 'operator', 'reader']
const OPENING = SESSIONS.map((client) => requestOf([{ type: 'OpenSession', ordered: false }], { client }))

const request = fc
  .record({
    who: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 4, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.nat({ max: 3 }) },
    ),
    sequence: fc.nat({ max: 60 }),
    operations: fc.array(
      fc.oneof(
        { weight: 4, arbitrary: plain },
        { weight: 4, arbitrary: governing },
        { weight: 1, arbitrary: fc.constantFrom(...APPROVED) },
      ),
      { minLength: 1, maxLength: 8 },
    ),
  })
  .map(({ who, sequence, operations }) =>
    requestOf(operations, {
      session: { index: 1, offset: who },
      sequence: sequence + 1,
      client: SESSIONS[who] as string,
    }),
  )

const log: fc.Arbitrary<Entry[]> = fc
  .array(fc.record({ requests: fc.array(request, { minLength: 1, maxLength: 4 }), waitMs: fc.nat({ max: 90_000 }) }), {
    minLength: 1,
    maxLength: 15,
  })
  .map((steps) => {
    let nowMs = START_MS
    const entries = [entryOf(1, nowMs, encodeBody(OPENING))]
    for (const { requests, waitMs } of steps) {
      nowMs += waitMs
      entries.push(entryOf(entries.length + 1, nowMs, encodeBody(requests)))
    }
    return entries
  })

/** Applies a log; restarts on a copy of the state, as from a snapshot, behind the entries that `restartAfter` picks. */
function run(entries: readonly Entry[], slice = 1_000, restartAfter: (index: number) => boolean = () => false) {
  let state = new MapState()
  let machine = newMachine(state)
  const answers: string[] = []
  for (const entry of entries) {
    for (const { ordinal, results } of applyEntry(machine, entry, slice))
      answers.push(`${entry.index} ${ordinal} ${toHex(results)}`)
    if (restartAfter(entry.index)) {
      machine.checkpoint()
      state = new MapState(state.pairs)
      machine = newMachine(state, entry.index)
    }
  }
  machine.checkpoint()
  return { ...digestsOf(state), answers, pairs: state.range('', '\xff') }
}

test('replay, slices and snapshots give equal answers, digests and bytes', () => {
  fc.assert(
    fc.property(log, fc.integer({ min: 1, max: 7 }), fc.infiniteStream(fc.boolean()), (entries, slice, coin) => {
      const coins = [...coin.take(entries.length)]
      const once = run(entries)
      expect(run(entries)).toEqual(once)
      expect(run(entries, slice, (index) => coins[index - 1] === true)).toEqual(once)
    }),
    { numRuns: 120 },
  )
})

test('the logs above reach what they are about', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(log, (entries) => {
      for (const answer of run(entries).answers) {
        const text = Buffer.from(answer.split(' ')[2] as string, 'hex').toString('latin1')
        for (const [code] of text.matchAll(
          /PolicyViolation|PolicyNotFound|ApprovalRequired|InvalidApproval|QuotaExceeded|PolicyExceedsDoctrine|Refused/g,
        ))
          seen.add(code)
      }
    }),
    { numRuns: 150, seed: 7 },
  )
  expect([...seen].sort()).toEqual([
    'ApprovalRequired',
    'InvalidApproval',
    'PolicyExceedsDoctrine',
    'PolicyNotFound',
    'PolicyViolation',
    'QuotaExceeded',
    'Refused',
  ])
})

test('any interleaving of retries applies each governing operation once', () => {
  // Each replaces the policy of one id by the next: run twice, or late, an older one would come back.
  const count = 8
  const requests = Array.from({ length: count }, (_, n) =>
    requestOf([apply('p', { type: 'Capacity', maxConcurrency: n + 1, maxParallelism: 1 })], {
      session: { index: 1, offset: 0 },
      sequence: n + 1,
      client: 'admin',
    }),
  )
  const open = encodeBody([requestOf([{ type: 'OpenSession', ordered: true }], { client: 'admin' })])
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat({ max: count - 1 }), { minLength: 1, maxLength: 4 }), { maxLength: 20 }),
      (plan) => {
        const state = new MapState()
        const machine = newMachine(state)
        applyEntry(machine, entryOf(1, START_MS, open))
        for (const numbers of [...plan, requests.map((_, n) => n), ...plan]) {
          const body = encodeBody(numbers.map((number) => requests[number] as Uint8Array))
          applyEntry(machine, entryOf(machine.appliedIndex + 1, START_MS, body))
        }
        expect(machine.governance.policies.effective.capacity?.maxConcurrency).toBe(count)
        expect(machine.roleOf(keyOf('admin'))).toBe('admin')
      },
    ),
    { numRuns: 60 },
  )
})
