/**
 * Shows that policies govern the operations that follow them: every kind of the lattice, who may apply
 * them, what is rejected and how, and that nobody can lock the governing out.
 */
import { describe, expect, test } from 'vitest'
import { FINISHED_WINDOW_MAX, POLICIES_MAX } from '../../src/workflow/policies/limits.js'
import { NO_QUOTAS } from '../../src/workflow/policies/quotas.js'
import { apply, capacity, caseId, detailsOf, GOVERNING, GovernedStory, retract, rule } from './governance-harness.js'
import { CASE_ID, codeOf, codesOf, create, get, move, put, Story } from './harness.js'

const SPEC_A = 'aaaaaaaa-0000-4000-8000-000000000000'
const SPEC_B = 'bbbbbbbb-0000-4000-8000-000000000000'

describe('who may', () => {
  test.each(['reader', 'writer', 'operator'])('a client with the role %s may not govern', (client) => {
    const story = new Story()
    const governing = GOVERNING.filter(({ type }) => type !== 'Approved' && type !== 'PurgeCases')
    const results = story.submit(story.open(client), governing, client)
    expect(new Set(codesOf(results))).toEqual(new Set(['NotPermitted']))
  })

  test('an approved operation needs the role of the operation inside', () => {
    const story = new Story()
    const [wrapped] = GOVERNING.filter(({ type }) => type === 'Approved')
    expect(codesOf(story.submit(story.open('reader'), [wrapped as never], 'reader'))).toEqual(['NotPermitted'])
    expect(codesOf(story.submit(story.open('writer'), [wrapped as never], 'writer'))).toEqual(['ok'])
  })
})

describe('Capacity', () => {
  test('limits the running cases, in all and of one specification', () => {
    const story = new GovernedStory()
    story.govern(apply('p', capacity(3, 2)))
    expect([story.run(1, SPEC_A), story.run(2, SPEC_A)]).toEqual(['ok', 'ok'])
    expect(story.run(3, SPEC_A)).toBe('PolicyViolation')
    expect(detailsOf(story.do(move('running', caseId(3))))).toEqual({
      kind: 'Capacity',
      bound: 'maxParallelism',
      max: 2,
      running: 2,
    })
    expect(story.run(4, SPEC_B)).toBe('ok')
    expect(story.run(5, SPEC_B)).toBe('PolicyViolation')
    expect(detailsOf(story.do(move('running', caseId(5))))).toMatchObject({ bound: 'maxConcurrency', running: 3 })
    expect(story.finish(1)).toBe('ok')
    expect(story.code(move('running', caseId(5)))).toBe('ok')
  })

  test('counts cases that ran before it, and a suspended one no longer', () => {
    const story = new GovernedStory()
    for (const n of [1, 2, 3]) expect(story.run(n)).toBe('ok')
    story.govern(apply('p', capacity(3)))
    expect(story.run(4)).toBe('PolicyViolation')
    expect(story.code(move('suspended', caseId(1)))).toBe('ok')
    expect(story.code(move('running', caseId(4)))).toBe('ok')
    expect(story.code(move('running', caseId(1)))).toBe('PolicyViolation')
  })

  test('leaves to apply what apply refuses', () => {
    const story = new GovernedStory()
    story.govern(apply('p', capacity(1)))
    story.run(1)
    expect(story.code(move('running', caseId(1)))).toBe('InvalidStateTransition')
    expect(story.code(move('running', caseId(9)))).toBe('CaseNotFound')
  })
})

describe('FailureRate', () => {
  const policy = { type: 'FailureRate', maxErrorPpm: 10_000, window: 10, coolDownMs: 1_000 } as const

  test('stops new cases while too many of the last failed, until the cool-down is over', () => {
    const story = new GovernedStory()
    story.govern(apply('p', policy))
    for (let n = 0; n < 9; n++) {
      story.run(n)
      story.finish(n)
    }
    story.run(9)
    expect(story.code(create(caseId(10)))).toBe('ok')
    story.finish(9, true)
    expect(detailsOf(story.do(create(caseId(11))))).toEqual({
      kind: 'FailureRate',
      window: 10,
      maxErrorPpm: 10_000,
      failed: 1,
      finished: 10,
      retryAfterMs: 1_000,
    })
    expect(story.code(move('running', caseId(10)))).toBe('ok')
    story.nowMs += 1_000
    expect(story.code(create(caseId(11)))).toBe('ok')
    expect(story.finish(10, true)).toBe('ok')
    expect(story.code(create(caseId(12)))).toBe('PolicyViolation')
  })

  test('forgets failures that are older than its window, and remembers them over a restart', () => {
    const story = new GovernedStory()
    story.run(0)
    story.finish(0, true)
    story.govern(apply('p', policy))
    story.restart()
    expect(story.code(create(caseId(1)))).toBe('PolicyViolation')
    story.govern(retract('p'))
    for (let n = 1; n <= 10; n++) {
      story.run(n)
      story.finish(n)
    }
    story.govern(apply('p', policy))
    expect(story.code(create(caseId(20)))).toBe('ok')
  })

  test('looks back as far as the largest window', () => {
    const story = new GovernedStory()
    for (let n = 0; n <= FINISHED_WINDOW_MAX; n++) {
      story.run(n)
      story.finish(n, n === 0)
    }
    expect(story.machine.cases.finished.failures(FINISHED_WINDOW_MAX)).toEqual({ failed: 0, finished: 1_000 })
    expect(story.machine.cases.finished.size).toBe(FINISHED_WINDOW_MAX)
  })
})

test('Bottom lets nothing through but what governs', () => {
  const story = new GovernedStory()
  story.govern(apply('stop', { type: 'Bottom' }))
  for (const operation of [create(), move('running'), put('k', 'v'), get('k')]) {
    expect(story.code(operation)).toBe(operation.type === 'UpdateCaseState' ? 'CaseNotFound' : 'PolicyViolation')
  }
  story.open('writer')
  story.govern({ type: 'SetQuota', ...NO_QUOTAS }, apply('p', capacity(1)), retract('stop'))
  expect(story.code(create())).toBe('ok')
})

test('the effective policy is the meet of those in force, published with its sources', () => {
  const story = new GovernedStory()
  expect(story.query('policy.effective')).toMatchObject({ id: 'top', policies: 0, capacity: null, latency: null })
  story.govern(
    apply('b', { type: 'Latency', targetP99Ms: 50, strictness: 'Soft' }),
    apply('a', {
      type: 'Conjunction',
      policies: [
        { type: 'Latency', targetP99Ms: 90, strictness: 'Hard' },
        { type: 'Capacity', maxConcurrency: 8, maxParallelism: 4 },
      ],
    }),
    apply('c', rule({ type: 'ResourceLimit', resource: 'cases', max: 9 })),
  )
  const effective = story.query('policy.effective')
  expect(effective).toMatchObject({
    id: 'latency:50:hard+capacity:8:4',
    bottom: false,
    latency: { targetP99Ms: 50, strictness: 'Hard' },
    capacity: { maxConcurrency: 8, maxParallelism: 4 },
    guardStrictness: null,
    failureRates: [],
    policies: 3,
    rules: ['c'],
    sources: [
      { policyId: 'a', id: 'latency:90:hard+capacity:8:4' },
      { policyId: 'b', id: 'latency:50:soft' },
    ],
    doctrine: { targetP99MsMax: 100, maxErrorPpmMax: 10_000, maxConcurrencyMax: 256, maxParallelismMax: 64 },
    runningCases: 0,
    newCasesBlockedForMs: null,
  })
  story.restart()
  expect(story.query('policy.effective')).toEqual(effective)
})

test('policies are listed page by page, with who applied them and where', () => {
  const story = new GovernedStory()
  for (const id of ['b', 'a', 'c']) story.govern(apply(id, capacity(5)))
  const first = story.query('policy.list', { limit: 2 }) as { policies: { policyId: string }[]; cursor: string }
  expect(first.policies).toMatchObject([
    { policyId: 'a', policy: { type: 'Capacity', maxConcurrency: 5 }, actor: 'the-admin', index: 4, position: 0 },
    { policyId: 'b', index: 3 },
  ])
  expect(story.query('policy.list', { limit: 2, cursor: first.cursor })).toMatchObject({
    policies: [{ policyId: 'c' }],
    cursor: null,
  })
})

describe('rejections of policies', () => {
  const code = (operation: Parameters<GovernedStory['asAdmin']>[0]) => codeOf(new GovernedStory().asAdmin(operation))

  test('what exceeds the doctrine is rejected as it is, in a conjunction too', () => {
    const story = new GovernedStory()
    const excess = capacity(257)
    expect(detailsOf(story.asAdmin(apply('p', excess)))).toEqual({ field: 'maxConcurrency', value: 257, bound: 256 })
    const latency = { type: 'Latency', targetP99Ms: 101, strictness: 'Soft' } as const
    expect(code(apply('p', { type: 'Conjunction', policies: [latency] }))).toBe('PolicyExceedsDoctrine')
    expect(code(apply('p', { type: 'GuardStrictness', level: 'Relax' }))).toBe('PolicyExceedsDoctrine')
    expect(story.query('policy.list')).toEqual({ policies: [], cursor: null })
  })

  test('a policy that is not there cannot be retracted', () => {
    expect(code(retract('p'))).toBe('PolicyNotFound')
  })

  test('a rule of a type that nobody registered is rejected', () => {
    const custom = rule({ type: 'Custom', ruleType: 'moon.phase', params: {} })
    expect(code(apply('p', custom))).toBe('UnknownRuleType')
  })

  test('there is a bound on their number; one of them can still be replaced', () => {
    const story = new GovernedStory()
    for (let n = 0; n < POLICIES_MAX; n++) story.govern(apply(`p${n}`, capacity(5)))
    expect(codeOf(story.asAdmin(apply('more', capacity(5))))).toBe('InvalidOperation')
    expect(codeOf(story.asAdmin(apply('p0', capacity(4))))).toBe('ok')
  })
})

test('applying again replaces, and says so', () => {
  const story = new GovernedStory()
  const replaced = (result: ReturnType<GovernedStory['asAdmin']>) =>
    result.outcome.ok ? result.outcome.payload[0] : null
  expect(replaced(story.asAdmin(apply('p', capacity(5))))).toBe(0)
  expect(replaced(story.asAdmin(apply('p', capacity(6))))).toBe(1)
  expect(story.query('policy.effective')).toMatchObject({ capacity: { maxConcurrency: 6 } })
})

test('policies belong to the data of the cluster, and leave nothing behind when they are retracted', () => {
  const story = new GovernedStory()
  const before = story.digests().dataDigest
  story.govern(apply('p', capacity(5)))
  expect(story.digests().dataDigest).not.toBe(before)
  story.govern(retract('p'))
  expect(story.digests().dataDigest).toBe(before)
  expect(story.code(create(CASE_ID))).toBe('ok')
})
