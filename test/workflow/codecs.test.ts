/** Shows that the codecs of operations and results are strict: what decodes, encodes to the same bytes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import { CASE_STATES } from '../../src/workflow/case-states.js'
import { decodeKv, kvOperation } from '../../src/workflow/kv-codec.js'
import { CASE_DATA_BYTES_MAX, CASE_ERROR_BYTES_MAX, KV_KEY_BYTES_MAX } from '../../src/workflow/limits.js'
import { decodeOperation, encodeOperation } from '../../src/workflow/operation-codec.js'
import type { KvOperation, Operation, OperationResult } from '../../src/workflow/operations.js'
import {
  decodeOneResult,
  decodeResults,
  encodeResults,
  keptResult,
  OK,
  ok,
  rejected,
  warned,
} from '../../src/workflow/result-codec.js'
import { GOVERNING } from './governance-harness.js'
import { CASE_ID, create, move, put } from './harness.js'

const uuid = fc.uuid()
const blob = fc.uint8Array({ maxLength: 30 })
const kv: fc.Arbitrary<KvOperation> = fc.oneof(
  fc.record({
    operation: fc.constant('kv.put' as const),
    key: fc.uint8Array({ minLength: 1, maxLength: 9 }),
    value: blob,
  }),
  fc.record({
    operation: fc.constantFrom('kv.get' as const, 'kv.delete' as const),
    key: fc.uint8Array({ minLength: 1, maxLength: 9 }),
  }),
  fc.record({
    operation: fc.constant('kv.cas' as const),
    key: fc.uint8Array({ minLength: 1, maxLength: 9 }),
    expected: fc.option(blob),
    value: blob,
  }),
)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ type: fc.constant('OpenSession' as const), ordered: fc.boolean() }),
  fc.constant({ type: 'CloseSession' as const }),
  fc.record({ type: fc.constant('CreateCase' as const), caseId: uuid, specId: uuid, data: blob }),
  fc.record({
    type: fc.constant('UpdateCaseState' as const),
    caseId: uuid,
    newState: fc.constantFrom(...CASE_STATES),
    error: fc.option(fc.string({ unit: 'grapheme', maxLength: 20 })),
  }),
  kv.map(kvOperation),
  fc.constantFrom(...GOVERNING),
)

test('operations survive the way through bytes', () => {
  fc.assert(
    fc.property(operation, (value) => {
      expect(decodeOperation(encodeOperation(value))).toEqual(value)
    }),
  )
})

test('kv operations survive the way through the data of a Custom operation', () => {
  fc.assert(
    fc.property(kv, (value) => {
      const { operation, data } = kvOperation(value)
      expect(decodeKv(operation, data)).toEqual(value)
    }),
  )
})

test('changed bytes of an operation decode to what encodes to them, or not at all', () => {
  fc.assert(
    fc.property(operation, fc.nat(), fc.nat({ max: 255 }), fc.uint8Array({ maxLength: 2 }), (value, at, to, tail) => {
      const changed = Uint8Array.from([...encodeOperation(value), ...tail])
      changed[at % changed.length] = to
      let decoded: Operation
      try {
        decoded = decodeOperation(changed)
      } catch (error) {
        expect(hasCode(error, 'ProtocolViolation')).toBe(true)
        return
      }
      expect(encodeOperation(decoded)).toEqual(changed)
    }),
    { numRuns: 1_000 },
  )
})

test('fields over their limits or out of form are refused before they are sent, by name', () => {
  const fieldOf = (work: () => unknown): unknown => {
    try {
      work()
    } catch (error) {
      if (hasCode(error, 'InvalidArgument')) return error.details.field
      throw error
    }
    return null
  }
  expect(fieldOf(() => encodeOperation(create('not-a-uuid')))).toBe('caseId')
  expect(fieldOf(() => encodeOperation(create(CASE_ID, 'x'.repeat(CASE_DATA_BYTES_MAX + 1))))).toBe('data')
  expect(fieldOf(() => encodeOperation(move('failed', CASE_ID, 'ü'.repeat(CASE_ERROR_BYTES_MAX))))).toBe('error')
  expect(fieldOf(() => encodeOperation(move('failed', CASE_ID, '\ud800')))).toBe('error')
  expect(fieldOf(() => put('', 'v'))).toBe('key')
  expect(fieldOf(() => put('k'.repeat(KV_KEY_BYTES_MAX + 1), 'v'))).toBe('key')
  expect(fieldOf(() => encodeOperation({ type: 'Custom', operation: 'a b', data: new Uint8Array(0) }))).toBe(
    'operation',
  )
})

const details = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 5 }),
  fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((number) => number + 0),
    fc.string({ maxLength: 9 }),
  ),
  { noNullPrototype: true },
)
const outcome: fc.Arbitrary<OperationResult> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((payload) => ({ ok: true as const, payload })),
  fc.record({
    ok: fc.constant(false as const),
    code: fc.constantFrom('CaseExists' as const, 'UnknownKey' as const),
    message: fc.string({ maxLength: 20 }),
    details,
  }),
)
const encode = (result: OperationResult): Uint8Array =>
  result.ok ? ok(result.payload) : rejected(result.code, result.message, result.details)

test('results survive the way through bytes, each with its place', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ outcome, kept: fc.option(fc.record({ index: fc.nat(), position: fc.nat() })) }), {
        maxLength: 8,
      }),
      (rows) => {
        const encoded = rows.map(({ outcome: result, kept }) =>
          kept === null ? encode(result) : keptResult(encode(result), kept.index, kept.position),
        )
        const decoded = decodeResults(encodeResults(encoded), 77, 5)
        expect(decoded).toEqual(
          rows.map(({ outcome: result, kept }, i) => ({
            ...(kept ?? { index: 77, position: 5 + i }),
            outcome: result,
          })),
        )
      },
    ),
  )
})

test('a result longer than the first buffer of the writer survives too', () => {
  for (let length = 100; length < 160; length++) {
    const result = {
      ok: false as const,
      code: 'CaseExists' as const,
      message: 'm'.repeat(length),
      details: { a: 'x', b: 1 },
    }
    expect(decodeOneResult(encode(result))).toEqual(result)
  }
})

test('the details of a rejection are encoded in one order, whatever order they were given in', () => {
  expect(rejected('CaseExists', 'm', { b: 1, a: 'x' })).toEqual(rejected('CaseExists', 'm', { a: 'x', b: 1 }))
})

test('results with warnings survive the way through bytes, kept ones too', () => {
  const warnings = [
    { policyId: 'a', enforcement: 'Warning' as const },
    { policyId: 'b'.repeat(64), enforcement: 'Advisory' as const },
  ]
  for (const payload of [new Uint8Array(0), Uint8Array.of(7, 8), new Uint8Array(1_000)]) {
    const outcome = { ok: true, payload, warnings, warningsLeftOut: 0 }
    expect(decodeOneResult(warned(ok(payload), warnings))).toEqual(outcome)
    const kept = keptResult(warned(ok(payload), warnings), 5, 6)
    expect(decodeResults(encodeResults([kept]), 9, 0)).toEqual([{ index: 5, position: 6, outcome }])
  }
  for (const broken of [
    [3, 0, 1, 1, 1, 97, 0],
    [3, 1, 1, 9, 1, 97, 0],
    [3, 1, 1, 1, 1, 97, 2],
    [3, 1, 1, 1, 1, 97, 3],
  ]) {
    expect(() => decodeOneResult(Uint8Array.from(broken))).toThrow()
  }
})

test('the common results are a byte each', () => {
  expect(ok(new Uint8Array(0))).toBe(OK)
  expect(encodeResults([OK]).length).toBe(3)
  expect(encodeResults(new Array<Uint8Array>(1_000).fill(OK)).length).toBe(1_002)
})

test('changed bytes of a result decode to what encodes to them, or not at all', () => {
  fc.assert(
    fc.property(outcome, fc.nat(), fc.nat({ max: 255 }), (result, at, to) => {
      const changed = encode(result).slice()
      changed[at % changed.length] = to
      let decoded: OperationResult
      try {
        decoded = decodeOneResult(changed)
      } catch (error) {
        expect(hasCode(error, 'ProtocolViolation')).toBe(true)
        return
      }
      expect(encode(decoded)).toEqual(changed)
    }),
    { numRuns: 1_000 },
  )
})
