/** Shows the life of a case: the whole transition table, what a case keeps, and what admission refuses. */
import { describe, expect, test } from 'vitest'
import { CASE_STATES } from '../../src/workflow/case-states.js'
import type { CaseState } from '../../src/workflow/operations.js'
import { CASE_ID, codeOf, codesOf, create, move, SPEC_ID, START_MS, Story } from './harness.js'

const LEGAL: Readonly<Record<CaseState, readonly CaseState[]>> = {
  created: ['running', 'cancelled'],
  running: ['suspended', 'completed', 'failed', 'cancelled'],
  suspended: ['running', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
}

/** The moves that bring a new case into a state. */
const WAY_TO: Readonly<Record<CaseState, readonly CaseState[]>> = {
  created: [],
  running: ['running'],
  suspended: ['running', 'suspended'],
  completed: ['running', 'completed'],
  failed: ['running', 'failed'],
  cancelled: ['cancelled'],
}

describe('the transition table', () => {
  for (const from of CASE_STATES) {
    for (const to of CASE_STATES) {
      const legal = LEGAL[from].includes(to)
      test(`${from} → ${to} is ${legal ? 'legal' : 'rejected'}`, () => {
        const story = new Story()
        const session = story.open()
        expect(codesOf(story.submit(session, [create(), ...WAY_TO[from].map((state) => move(state))]))).not.toContain(
          'InvalidStateTransition',
        )
        const [result] = story.submit(session, [move(to)])
        if (legal) expect(codeOf(result)).toBe('ok')
        else {
          expect(result?.outcome).toMatchObject({ ok: false, code: 'InvalidStateTransition', details: { from, to } })
        }
        expect(story.query('case.get', { caseId: CASE_ID })).toMatchObject({ state: legal ? to : from })
      })
    }
  }
})

test('a case keeps its data, the log times of its start and end, and its error', () => {
  const story = new Story()
  const session = story.open()
  story.nowMs = START_MS + 10
  story.submit(session, [create(CASE_ID, '{ "b": 1,  "a": [2] }')])
  story.nowMs = START_MS + 20
  story.submit(session, [move('running')])
  story.nowMs = START_MS + 30
  story.submit(session, [move('suspended'), move('running')])
  story.nowMs = START_MS + 40
  story.submit(session, [move('failed', CASE_ID, 'no paper')])
  expect(story.query('case.get', { caseId: CASE_ID })).toEqual({
    caseId: CASE_ID,
    specId: SPEC_ID,
    state: 'failed',
    data: '{ "b": 1,  "a": [2] }',
    createdAtMs: START_MS + 10,
    startedAtMs: START_MS + 20,
    completedAtMs: START_MS + 40,
    error: 'no paper',
    createdIndex: 2,
    updatedIndex: 5,
  })
})

test('the history has every applied operation with index, position and actor, and no rejected one', () => {
  const story = new Story()
  const writer = story.open()
  const admin = story.open('admin')
  story.submit(writer, [create(), move('suspended'), move('running')])
  story.submit(admin, [move('completed')], 'admin')
  const { events } = story.query('case.history', { caseId: CASE_ID }) as { events: Record<string, unknown>[] }
  expect(
    events.map(({ index, position, operation, state, actor }) => [index, position, operation, state, actor]),
  ).toEqual([
    [3, 0, 'CreateCase', 'created', 'the-writer'],
    [3, 2, 'UpdateCaseState', 'running', 'the-writer'],
    [4, 0, 'UpdateCaseState', 'completed', 'the-admin'],
  ])
})

test.each([
  ['', 'AdmissionRejected'],
  ['null', 'AdmissionRejected'],
  ['{}', 'AdmissionRejected'],
  [' { } ', 'AdmissionRejected'],
  ['[1]', 'InvalidOperation'],
  ['"text"', 'InvalidOperation'],
  ['{"a":1', 'InvalidOperation'],
  ['{"a":1,"a":2}', 'InvalidOperation'],
  ['{"a":1,"\\u0061":2}', 'InvalidOperation'],
  [`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 'InvalidOperation'],
  [`{"a":${'['.repeat(63)}${']'.repeat(63)}}`, 'ok'],
  ['{"a":null}', 'ok'],
])('case data %j is %s', (data, code) => {
  const story = new Story()
  const [result] = story.submit(story.open(), [create(CASE_ID, data)])
  expect(codeOf(result)).toBe(code)
})

test('a second case with the same id, a missing case and a misplaced error are rejected', () => {
  const story = new Story()
  const session = story.open()
  const other = CASE_ID.replace('1', '2')
  expect(
    codesOf(story.submit(session, [create(), create(), move('running', other), move('running', CASE_ID, 'why')])),
  ).toEqual(['ok', 'CaseExists', 'CaseNotFound', 'InvalidOperation'])
})

test('the counters follow the cases and survive a restart', () => {
  const story = new Story()
  const session = story.open()
  const second = CASE_ID.replace('1', '3')
  story.submit(session, [create(), create(second), move('running'), move('completed')])
  story.restart()
  expect(Object.fromEntries(CASE_STATES.map((state, code) => [state, story.machine.cases.counts[code]]))).toEqual({
    created: 1,
    running: 0,
    suspended: 0,
    completed: 1,
    failed: 0,
    cancelled: 0,
  })
})
