/**
 * Shows the subset of JSON Schema for case data: what conforms, where and why something does not, which
 * schemas are not of the subset, and that every check ends.
 */
import { expect, test } from 'vitest'
import { checkAgainstSchema, schemaProblem } from '../../src/workflow/policies/json-schema.js'
import { SCHEMA_STEPS_MAX } from '../../src/workflow/policies/limits.js'

const schema = {
  type: 'object',
  required: ['amount'],
  additionalProperties: false,
  properties: {
    amount: { type: 'integer', minimum: 1, exclusiveMaximum: 1_000 },
    tags: { type: 'array', maxItems: 2, items: { enum: ['a', 'b', null] } },
    note: { type: ['string', 'null'], maxLength: 3 },
    kind: { oneOf: [{ const: 1 }, { type: 'integer' }] },
    any: { anyOf: [{ type: 'string' }, { minimum: 5 }], not: { const: 'x' } },
  },
}

test.each([
  ['{"amount":1}', null],
  ['{"amount":1.0}', null],
  ['{"amount":999,"tags":["a",null],"note":"äöü"}', null],
  ['{"amount":0}', '/amount is under 1'],
  ['{"amount":1000}', '/amount is not under 1000'],
  ['{"amount":1.5}', '/amount is not of type integer'],
  ['{}', '/amount is missing'],
  ['{"amount":1,"other":1}', '/other is not allowed'],
  ['{"amount":1,"tags":["c"]}', '/tags/0 is not one of the allowed values'],
  ['{"amount":1,"tags":["a","a","a"]}', '/tags has over 2 items'],
  ['{"amount":1,"note":"long"}', '/note has over 3 characters'],
  ['{"amount":1,"note":"😀😀😀"}', null],
  ['{"amount":1,"kind":1}', '/kind does not conform to exactly one of oneOf'],
  ['{"amount":1,"kind":2}', null],
  ['{"amount":1,"any":4}', '/any conforms to none of anyOf'],
  ['{"amount":1,"any":"x"}', '/any is excluded'],
  ['{"amount":1,"__proto__":1}', '/__proto__ is not allowed'],
])('%s: %s', (json, problem) => {
  expect(checkAgainstSchema(schema, JSON.parse(json)).problem).toBe(problem)
})

test.each([
  [{ pattern: '^a' }, 'pattern'],
  [{ $ref: '#' }, '$ref'],
  [{ format: 'date' }, 'format'],
  [{ minimum: 0.5 }, 'minimum'],
  [{ maxLength: -1 }, 'maxLength'],
  [{ type: 'float' }, 'type'],
  [{ enum: [[1]] }, 'enum'],
  [{ anyOf: [] }, 'anyOf'],
  [{ properties: { a: { items: { required: [1] } } } }, 'required'],
  [1, 'neither'],
])('%j is not of the subset', (broken, word) => {
  expect(schemaProblem(broken)).toContain(word)
})

test('a check that takes too many steps ends, as not conforming', () => {
  const deep = {
    items: { anyOf: [{ anyOf: [{ const: 0 }, { const: 1 }] }, { anyOf: [{ const: 2 }, { type: 'integer' }] }] },
  }
  expect(schemaProblem(deep)).toBeNull()
  expect(checkAgainstSchema(deep, [1, 2, 3]).problem).toBeNull()
  const verdict = checkAgainstSchema(deep, new Array(20_000).fill(3))
  expect(verdict).toEqual({ problem: `the check takes over ${SCHEMA_STEPS_MAX} steps`, steps: SCHEMA_STEPS_MAX })
  expect(checkAgainstSchema({ not: deep }, new Array(20_000).fill(3)).problem).not.toBeNull()
})
