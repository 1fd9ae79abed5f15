/**
 * Shows the doctrine rules: each kind of constraint, the three levels of enforcement and guards, when and
 * for whom a rule speaks, and approvals with real signatures, each used once.
 */
import { describe, expect, test } from 'vitest'
import type { KeyPair } from '../../src/crypto/keys.js'
import { APPROVAL_VALIDITY_MS_MAX } from '../../src/workflow/policies/limits.js'
import type { Approval } from '../../src/workflow/policies/operation.js'
import type { RuleConstraint } from '../../src/workflow/policies/policy.js'
import { isWithin } from '../../src/workflow/policies/time-window.js'
import {
  apply,
  approve,
  approved,
  caseId,
  detailsOf,
  GovernedStory,
  retract,
  rule,
  setClient,
  signers,
} from './governance-harness.js'
import { CASE_ID, codeOf, create, get, move, put, SPEC_ID, START_MS } from './harness.js'

const MINUTE_MS = 60_000
const NO_CASES: RuleConstraint = { type: 'ResourceLimit', resource: 'cases', max: 0 }

describe('enforcement', () => {
  test('only Mandatory blocks; Warning and Advisory are recorded in the result', () => {
    const story = new GovernedStory()
    story.govern(
      apply('w', rule(NO_CASES, { enforcement: 'Warning' })),
      apply('a', rule(NO_CASES, { enforcement: 'Advisory' })),
    )
    expect(story.do(create()).outcome).toEqual({
      ok: true,
      payload: new Uint8Array(0),
      warnings: [
        { policyId: 'a', enforcement: 'Advisory' },
        { policyId: 'w', enforcement: 'Warning' },
      ],
      warningsLeftOut: 0,
    })
    story.govern(apply('m', rule(NO_CASES)))
    expect(detailsOf(story.do(create(caseId(2))))).toEqual({
      kind: 'ResourceLimit',
      policyId: 'm',
      problem: 'cases would be 2',
    })
  })

  test('warnings that do not fit are counted, and stand in a retry too', () => {
    const story = new GovernedStory()
    const ids = Array.from({ length: 9 }, (_, i) => `${i}${'x'.repeat(40)}`)
    story.govern(...ids.map((id) => apply(id, rule(NO_CASES, { enforcement: 'Advisory' }))))
    const { outcome } = story.do(create())
    expect(outcome).toMatchObject({
      ok: true,
      warnings: ids.slice(0, 3).map((policyId) => ({ policyId })),
      warningsLeftOut: 6,
    })
  })

  test('guards become errors where GuardStrictness Tighten is in force, other warnings do not', () => {
    const story = new GovernedStory()
    story.govern(
      apply('g', rule(NO_CASES, { enforcement: 'Warning', guard: true })),
      apply('w', rule(NO_CASES, { enforcement: 'Warning' })),
    )
    expect(story.code(create())).toBe('ok')
    story.govern(apply('tight', { type: 'GuardStrictness', level: 'Tighten' }))
    expect(detailsOf(story.do(create(caseId(2))))).toMatchObject({ policyId: 'g' })
    story.govern(retract('g'))
    expect(story.code(create(caseId(2)))).toBe('ok')
  })
})

describe('whom and when', () => {
  test('a rule speaks from its effective date until it expires, by log time', () => {
    const story = new GovernedStory()
    story.govern(apply('r', rule(NO_CASES, { effectiveDateMs: START_MS + 10, expiresMs: START_MS + 20 })))
    const codes = [0, 10, 19, 20].map((offset, n) => {
      story.nowMs = START_MS + offset
      return story.code(create(caseId(n)))
    })
    expect(codes).toEqual(['ok', 'PolicyViolation', 'PolicyViolation', 'ok'])
  })

  test('operations and specifications narrow it', () => {
    const story = new GovernedStory()
    const never: RuleConstraint = { type: 'ResourceLimit', resource: 'operationBytes', max: 0 }
    story.govern(
      apply('r', rule(never, { operations: ['UpdateCaseState:cancelled', 'Custom:kv.delete'], specIds: null })),
    )
    expect([create(), move('running'), move('cancelled'), put('k', 'v')].map((one) => story.code(one))).toEqual([
      'ok',
      'ok',
      'PolicyViolation',
      'ok',
    ])
    story.govern(apply('r', rule(never, { specIds: [SPEC_ID] })))
    expect(story.code(move('completed'))).toBe('PolicyViolation')
    expect(story.code(create(caseId(1), '{"a":1}', SPEC_ID.replace('a', 'b')))).toBe('ok')
    expect(story.code(put('k', 'v'))).toBe('ok')
    story.govern(apply('r', rule(never)))
    expect(story.code(put('k', 'v'))).toBe('PolicyViolation')
    expect(story.code(get('k'))).toBe('ok')
  })
})

describe('SegregationOfDuties', () => {
  test('who created may not complete', () => {
    const story = new GovernedStory()
    story.govern(apply('four-eyes', rule({ type: 'SegregationOfDuties', incompatibleRoles: ['creator', 'completer'] })))
    story.run(1)
    expect(detailsOf(story.do(move('completed', caseId(1))))).toEqual({
      kind: 'SegregationOfDuties',
      policyId: 'four-eyes',
      problem: 'the client is the creator of the case',
    })
    expect(story.code(move('failed', caseId(1), 'no'))).toBe('ok')
    story.run(2)
    expect(codeOf(story.asAdmin(move('completed', caseId(2))))).toBe('ok')
  })

  test('knows the duties that came before the rule, and the last one who suspended', () => {
    const story = new GovernedStory()
    story.run(1)
    story.asAdmin(move('suspended', caseId(1)))
    story.asAdmin(move('running', caseId(1)))
    story.code(move('suspended', caseId(1)))
    story.govern(apply('r', rule({ type: 'SegregationOfDuties', incompatibleRoles: ['suspender', 'resumer'] })))
    expect(story.code(move('running', caseId(1)))).toBe('PolicyViolation')
    expect(codeOf(story.asAdmin(move('running', caseId(1))))).toBe('ok')
    story.govern(apply('r', rule({ type: 'SegregationOfDuties', incompatibleRoles: ['starter', 'completer'] })))
    expect(story.code(move('completed', caseId(1)))).toBe('PolicyViolation')
  })
})

test.each([
  ['cases', 1, 'PolicyViolation'],
  ['cases', 2, 'ok'],
  ['openCases', 1, 'PolicyViolation'],
  ['caseDataBytes', 6, 'PolicyViolation'],
  ['caseDataBytes', 7, 'ok'],
] as const)('ResourceLimit %s of %i: %s', (resource, max, expected) => {
  const story = new GovernedStory()
  story.govern(apply('r', rule({ type: 'ResourceLimit', resource, max })))
  story.code(create(caseId(1), '{"":1}'))
  expect(story.code(create(caseId(2), '{"a":1}'))).toBe(expected)
})

test('ResourceLimit of runningCases', () => {
  const story = new GovernedStory()
  story.govern(apply('r', rule({ type: 'ResourceLimit', resource: 'runningCases', max: 1 })))
  expect([story.run(1), story.run(2)]).toEqual(['ok', 'PolicyViolation'])
})

describe('TimeWindow', () => {
  const at = (iso: string) => Date.parse(`${iso}:00Z`)

  test.each([
    ['2026-03-02T08:59', false],
    ['2026-03-02T09:00', true],
    ['2026-03-02T16:59', true],
    ['2026-03-02T17:00', false],
    ['2026-03-07T12:00', false],
    ['1970-01-01T10:00', true],
  ])('office hours at %s: %s', (iso, expected) => {
    const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'] as const
    expect(isWithin({ startHour: 9, endHour: 17, days }, at(iso))).toBe(expected)
  })

  test.each([
    ['2026-03-07T22:00', true],
    ['2026-03-08T03:59', true],
    ['2026-03-08T04:00', false],
    ['2026-03-08T22:00', false],
    ['2026-03-07T03:00', false],
  ])('the night of Saturday at %s: %s', (iso, expected) => {
    expect(isWithin({ startHour: 22, endHour: 4, days: ['Sat'] }, at(iso))).toBe(expected)
  })

  test('is judged by log time', () => {
    const story = new GovernedStory()
    // It begins on a Tuesday, at 22:13:20.
    story.govern(apply('r', rule({ type: 'TimeWindow', startHour: 22, endHour: 23, days: ['Tue'] })))
    expect(story.code(create())).toBe('ok')
    story.nowMs += 47 * MINUTE_MS
    expect(story.code(move('running'))).toBe('PolicyViolation')
  })
})

describe('Schema', () => {
  const schema = {
    type: 'object',
    required: ['amount'],
    properties: { amount: { type: 'integer', minimum: 1 } },
  }

  test('governs the data of new cases', () => {
    const story = new GovernedStory()
    story.govern(apply('shape', rule({ type: 'Schema', schema })))
    expect(story.code(create(CASE_ID, '{"amount":7}'))).toBe('ok')
    expect(detailsOf(story.do(create(caseId(2), '{"amount":0}')))).toEqual({
      kind: 'Schema',
      policyId: 'shape',
      problem: '/amount is under 1',
    })
    expect(story.code(create(caseId(2), '{"amount":'))).toBe('InvalidOperation')
    expect(story.code(create(caseId(2), '{}'))).toBe('AdmissionRejected')
    expect(story.code(move('running'))).toBe('ok')
  })
})

describe('ApprovalChain', () => {
  const [anna, ben] = signers as [KeyPair, KeyPair]
  const operation = create(CASE_ID, '{"amount":7}')
  const soon = START_MS + 1_000

  function guarded(requiredSigners = 2): GovernedStory {
    const story = new GovernedStory()
    story.govern(
      setClient('anna', anna.publicKey, 'operator'),
      setClient('ben', ben.publicKey, 'operator'),
      apply('two', rule({ type: 'ApprovalChain', requiredSigners, roles: ['operator', 'admin'] })),
    )
    return story
  }

  test('an operation needs that many signers', () => {
    const story = guarded()
    expect(detailsOf(story.do(operation))).toEqual({
      policyId: 'two',
      operationDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
      approved: 0,
      requiredSigners: 2,
    })
    expect(story.code(approved(operation, approve(operation, 'two', soon, anna)))).toBe('ApprovalRequired')
    const both = approved(operation, approve(operation, 'two', soon, anna), approve(operation, 'two', soon, ben))
    expect(story.code(both)).toBe('ok')
    expect(story.query('case.get', { caseId: CASE_ID })).toMatchObject({ state: 'created', data: '{"amount":7}' })
  })

  test('an approval is used once, over restarts too, and forgotten when it has expired', () => {
    const story = guarded(1)
    const operation = put('k', 'v')
    const once = approved(operation, approve(operation, 'two', soon))
    expect(story.code(once)).toBe('ok')
    expect(story.code(once)).toBe('InvalidApproval')
    story.restart()
    expect(detailsOf(story.do(once))).toMatchObject({ policyId: 'two' })
    const stored = () => [...story.state.pairs.keys()].filter((key) => key[0] === '\x43').length
    expect(stored()).toBe(1)
    story.nowMs = soon
    expect(story.code(approved(operation, approve(operation, 'two', soon + 1)))).toBe('ok')
    expect(stored()).toBe(1)
  })

  test('an approval of an operation that is rejected stays good', () => {
    const story = guarded(1)
    const approval = approve(move('running'), 'two', soon)
    expect(story.code(approved(move('running'), approval))).toBe('CaseNotFound')
    story.govern(retract('two'))
    story.code(create())
    story.govern(apply('two', rule({ type: 'ApprovalChain', requiredSigners: 1, roles: ['operator'] })))
    expect(story.code(approved(move('running'), approval))).toBe('ok')
  })

  const bent: Record<string, (good: Approval) => Approval> = {
    'of another operation': () => approve(put('other', 'v'), 'two', soon),
    'for another expiry': (good) => ({ ...good, expiresAtMs: soon + 1 }),
    'that has expired': () => approve(operation, 'two', START_MS),
    'that is valid for too long': () => approve(operation, 'two', START_MS + APPROVAL_VALIDITY_MS_MAX + 1),
    'for another cluster': () => approve(operation, 'two', soon, anna, new Uint8Array(16).fill(7)),
    'by a stranger': () => approve(operation, 'two', soon, signers[2]),
    'with a broken signature': (good) => ({ ...good, signature: good.signature.map((byte) => byte ^ 1) }),
    'signed by another key': (good) => ({ ...good, signer: ben.publicKey }),
  }
  test.each(Object.entries(bent))('an approval %s is not valid', (_, bend) => {
    const story = guarded(1)
    const good = approve(operation, 'two', soon)
    expect(story.code(approved(operation, bend(good)))).toBe('InvalidApproval')
    expect(story.code(approved(operation, good))).toBe('ok')
  })

  test('the same signer counts once, a role that may not sign never', () => {
    const story = guarded()
    const twice = [approve(operation, 'two', soon), approve(operation, 'two', soon + 1)]
    expect(story.code(approved(operation, ...twice))).toBe('InvalidApproval')
    story.govern(setClient('ben', ben.publicKey, 'writer'))
    const both = [approve(operation, 'two', soon, anna), approve(operation, 'two', soon, ben)]
    expect(detailsOf(story.do(approved(operation, ...both)))).toMatchObject({ policyId: 'two' })
    expect(story.code(approved(operation, ...both))).toBe('InvalidApproval')
  })

  test('approvals of a policy that is not asked are left alone', () => {
    const story = guarded(1)
    story.govern(retract('two'))
    expect(story.code(approved(operation, approve(operation, 'two', soon)))).toBe('ok')
    expect([...story.state.pairs.keys()].some((key) => key[0] === '\x43')).toBe(false)
  })

  test('as a warning it lets the operation through without', () => {
    const story = guarded()
    story.govern(
      apply('two', rule({ type: 'ApprovalChain', requiredSigners: 2, roles: ['admin'] }, { enforcement: 'Warning' })),
    )
    expect(story.do(operation).outcome).toMatchObject({ ok: true, warnings: [{ policyId: 'two' }] })
  })
})
