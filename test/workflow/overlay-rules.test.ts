/**
 * Shows what of the active configuration governs cases: patterns 20 and 43, three guards and the resource
 * concurrency, for all workflows or for one; from the moment of promotion to the moment of roll-back,
 * and the same after a restart.
 */
import { describe, expect, test } from 'vitest'
import type { OverlayChange, OverlayScope } from '../../src/workflow/overlays/overlay.js'
import { create, move, SPEC_ID } from './harness.js'
import { deploy, guard, OverlayStory, PROMOTED, rollback, toggle } from './overlay-harness.js'

const OTHER_SPEC = SPEC_ID.replace('a', 'b')
const caseId = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

function governed(changes: readonly OverlayChange[], fields: Partial<OverlayScope>): OverlayStory {
  const story = new OverlayStory()
  expect(story.run(deploy('o', changes, fields))).toEqual(['ok'])
  return story
}

describe('pattern 20, Cancel Case', () => {
  test('disabled, no case is cancelled; everything else goes on', () => {
    const story = governed([toggle(20)], { patterns: [20] })
    expect(story.run(create(caseId(1)), move('cancelled', caseId(1)))).toEqual(['ok', 'ok'])
    expect(story.promote('o')).toEqual(PROMOTED)
    const one = caseId(2)
    expect(story.run(create(one), move('cancelled', one), move('running', one), move('cancelled', one))).toEqual([
      'ok',
      'PatternDisabled',
      'ok',
      'PatternDisabled',
    ])
    expect(story.query('case.get', { caseId: one })).toMatchObject({ state: 'running' })
    expect(story.run(move('suspended', one), move('running', one), move('completed', one))).toEqual(['ok', 'ok', 'ok'])
  })

  test('takes hold with the promotion and lets go with the roll-back, over restarts', () => {
    const story = governed([toggle(20)], { patterns: [20] })
    story.promote('o')
    story.restart()
    expect(story.run(create(caseId(1)), move('cancelled', caseId(1)))).toEqual(['ok', 'PatternDisabled'])
    expect(story.run(rollback('o'), move('cancelled', caseId(1)))).toEqual(['ok', 'ok'])
    story.restart()
    expect(story.run(create(caseId(2)), move('cancelled', caseId(2)))).toEqual(['ok', 'ok'])
  })

  test('an illegal transition stays an illegal transition', () => {
    const story = governed([toggle(20)], { patterns: [20] })
    story.promote('o')
    story.run(create(caseId(1)), move('running', caseId(1)), move('completed', caseId(1)))
    expect(story.run(move('cancelled', caseId(1)))).toEqual(['InvalidStateTransition'])
  })
})

test('pattern 43, Explicit Termination, disabled for one workflow: its cases are not completed, others are', () => {
  const story = governed([toggle(43)], { patterns: [43], workflows: [SPEC_ID] })
  story.promote('o')
  const ends = [caseId(1), caseId(2)].map((id, i) => {
    story.run(create(id, '{"a":1}', i === 0 ? SPEC_ID : OTHER_SPEC), move('running', id))
    return story.run(move('completed', id), move('failed', id, 'e'))
  })
  expect(ends).toEqual([
    ['PatternDisabled', 'ok'],
    ['ok', 'InvalidStateTransition'],
  ])
})

describe('guards', () => {
  test('admission closed for one workflow stops its new cases alone', () => {
    const story = governed([guard('admission', 'closed')], { guards: ['admission'], workflows: [SPEC_ID] })
    story.promote('o')
    expect(story.run(create(caseId(1)), create(caseId(2), '{"a":1}', OTHER_SPEC))).toEqual(['GuardViolation', 'ok'])
  })

  test('a workflow can be better off than all', () => {
    const story = governed([guard('admission', 'closed')], { guards: ['admission'] })
    story.promote('o')
    story.run(deploy('p', [guard('admission', 'open')], { guards: ['admission'], workflows: [OTHER_SPEC] }, story.head))
    story.promote('p')
    expect(story.run(create(caseId(1)), create(caseId(2), '{"a":1}', OTHER_SPEC))).toEqual(['GuardViolation', 'ok'])
  })

  test('data over max_case_data_bytes is refused, data of that size is not', () => {
    const story = governed([guard('max_case_data_bytes', 12)], { guards: ['max_case_data_bytes'] })
    story.promote('o')
    expect(story.run(create(caseId(1), '{"a":"1234"}'), create(caseId(2), '{"a":"12345"}'))).toEqual([
      'ok',
      'GuardViolation',
    ])
  })

  test('required_data_keys are those of the object at the top', () => {
    const story = governed([guard('required_data_keys', 'amount, currency')], { guards: ['required_data_keys'] })
    story.promote('o')
    const results = [
      '{"currency":"EUR","amount":1,"x":0}',
      '{"amount":1}',
      '{"in":{"amount":1,"currency":"EUR"}}',
      '{"\\u0061mount":1,"currency":null}',
    ].map((data, i) => story.results(create(caseId(i), data))[0]?.outcome)
    expect(results.map((one) => one?.ok)).toEqual([true, false, false, true])
    expect(results[1]).toMatchObject({ code: 'GuardViolation', details: { key: 'currency' } })
  })

  test('a key of any length and script keeps the rejection small', () => {
    const key = '鍵'.repeat(300)
    const story = governed([guard('required_data_keys', key)], { guards: ['required_data_keys'] })
    story.promote('o')
    const [result] = story.results(create(caseId(1)))
    expect(result?.outcome).toMatchObject({ code: 'GuardViolation', details: { key: '鍵鍵鍵鍵鍵鍵鍵鍵…' } })
  })

  test('a guard that the engine does not know is published only', () => {
    const story = governed([guard('own/limit', 0)], { guards: ['own/limit'] })
    story.promote('o')
    expect(story.run(create(caseId(1)))).toEqual(['ok'])
    expect(story.query('sigma.get')).toMatchObject({
      settings: expect.arrayContaining([{ path: 'guard:own/limit', value: 0 }]),
    })
  })
})

describe('the resource concurrency', () => {
  test('bounds the cases that run: 1 % of 256 is two of them', () => {
    const story = governed([{ type: 'AdjustResources', resource: 'concurrency', multiplier: 1 }], { tags: { all: '' } })
    const ids = [1, 2, 3, 4].map(caseId)
    story.run(...ids.map((id) => create(id)))
    const start = (n: number) => move('running', ids[n] as string)
    expect(story.run(start(0), start(1), start(2))).toEqual(['ok', 'ok', 'ok'])
    story.promote('o')
    expect(story.run(start(3))).toEqual(['ConcurrencyLimit'])
    expect(story.run(move('suspended', ids[0]), start(3))).toEqual(['ok', 'ConcurrencyLimit'])
    expect(story.run(move('completed', ids[1]), start(3), start(0))).toEqual(['ok', 'ok', 'ConcurrencyLimit'])
    story.restart()
    expect(story.run(start(0), rollback('o'), start(0))).toEqual(['ConcurrencyLimit', 'ok', 'ok'])
  })
})
