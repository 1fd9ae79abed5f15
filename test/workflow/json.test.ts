/** Shows that the JSON check takes what JSON.parse takes, minus repeated keys, deep nesting and broken UTF-8; and the JSON form of operations. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import { checkJson } from '../../src/workflow/json-check.js'
import { decodeOperation, encodeOperation } from '../../src/workflow/operation-codec.js'
import { operationFromJson, operationFromJsonText, operationToJson } from '../../src/workflow/operation-json.js'
import { GOVERNING } from './governance-harness.js'
import { bytes, CASE_ID, cas, create, get, move, put, remove, SPEC_ID, text } from './harness.js'

/** An ApplyPolicy of a rule with some fields changed. */
const ruleJson = (fields: Record<string, unknown>) => {
  const constraint = { type: 'ResourceLimit', resource: 'cases', max: 1 }
  const good = { type: 'Rule', name: 'n', sector: 's', source: 'b', enforcement: 'Advisory', constraint }
  return { type: 'ApplyPolicy', policyId: 'p', policy: { ...good, ...fields } }
}

const check = (json: string) => checkJson(bytes(json))

/** What the check should say of valid UTF-8: JSON.parse decides, a reviver-free second look finds repeated keys. */
function parses(json: string): boolean {
  try {
    JSON.parse(json)
    return true
  } catch {
    return false
  }
}

describe('against JSON.parse', () => {
  test('every JSON value passes, however it is spaced', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t\r\n '), (value, space) => {
        const json = JSON.stringify(value, null, space as string | number | undefined)
        expect(check(json)).toMatchObject({ ok: true })
      }),
      { numRuns: 300 },
    )
  })

  test('texts near JSON pass exactly when JSON.parse takes them', () => {
    const near = fc
      .tuple(
        fc.json({ maxDepth: 3 }),
        fc.nat(),
        fc.constantFrom(
          '',
          '"',
          '\\',
          ',',
          ':',
          '{',
          '}',
          '[',
          ']',
          '0',
          '-',
          '.',
          'e',
          '+',
          ' ',
          '\u0001',
          'u',
          '\ufeff',
          'ü',
        ),
        fc.nat({ max: 2 }),
      )
      .map(([json, at, piece, cut]) => {
        const place = at % (json.length + 1)
        return json.slice(0, place) + piece + json.slice(place + cut)
      })
    fc.assert(
      fc.property(near, (json) => {
        if (!Buffer.from(json).toString().includes('\ufffd')) {
          const result = check(json)
          if (result.ok || result.reason !== 'it repeats a key') expect(result.ok).toBe(parses(json))
        }
      }),
      { numRuns: 3_000 },
    )
  })

  test.each([
    '',
    ' ',
    '01',
    '-',
    '-01',
    '1.',
    '.5',
    '1e',
    '1e+',
    '+1',
    'tru',
    'nulll',
    '"\\x"',
    '"\\u12g4"',
    '"\\u123',
    '"a',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    '{"a"}',
    '[',
    '\u00a01',
    '"\u0000"',
    '1 2',
    'NaN',
  ])('%j is no JSON', (json) => {
    expect(parses(json)).toBe(false)
    expect(check(json)).toMatchObject({ ok: false, reason: 'it is not valid JSON' })
  })

  test.each(['0', '-0', '1e5', '1.5E-7', '"\\ud83d"', '"\\u00e9\\n"', ' [ ] ', '{"__proto__":1}', 'true', '1e400'])(
    '%j is JSON',
    (json) => {
      expect(parses(json)).toBe(true)
      expect(check(json)).toMatchObject({ ok: true })
    },
  )
})

test.each([
  '{"a":1,"a":1}',
  '{"a":1,"\\u0061":1}',
  '[{"x":{"b":1,"c":2,"b":3}}]',
  '{"ü":1,"\\u00fc":1}',
  '{"😀":1,"\\ud83d\\ude00":1}',
  '{"/":1,"\\/":1}',
  '{"\\n":1,"\\u000A":1}',
  '{"":1,"":2}',
  '{"€":1,"\\u20ac":2}',
])('the repeated key in %s is found', (json) =>
  expect(check(json)).toMatchObject({ ok: false, reason: 'it repeats a key' }),
)

test.each(['{"a":{"a":1},"b":{"a":1}}', '{"\\ud83d":1,"😀":1}', '{"a":1,"A":1}', '{"\\\\u0061":1,"a":1}'])(
  '%s repeats none',
  (json) => {
    expect(check(json)).toMatchObject({ ok: true })
  },
)

test('depth counts objects and arrays, up to 64', () => {
  expect(check('['.repeat(64) + ']'.repeat(64))).toMatchObject({ ok: true })
  expect(check('['.repeat(65) + ']'.repeat(65))).toMatchObject({ ok: false, reason: 'it is nested too deep' })
  expect(check(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).toMatchObject({ ok: false, reason: 'it is nested too deep' })
  expect(check('['.repeat(100_000))).toMatchObject({ ok: false, reason: 'it is nested too deep' })
})

test('broken UTF-8 is found wherever it stands', () => {
  for (const broken of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
    expect(checkJson(Uint8Array.from([0x22, ...broken, 0x22]))).toEqual({
      ok: false,
      at: 0,
      reason: 'it is not valid UTF-8',
    })
    expect(checkJson(Uint8Array.from([0x7b, 0x22, ...broken, 0x22, 0x3a, 0x31, 0x7d]))).toMatchObject({ ok: false })
  }
})

const caseFields = { caseId: CASE_ID, specId: SPEC_ID }

describe('operations as JSON', () => {
  test.each([
    [{ type: 'CreateCase', ...caseFields, data: { a: 1 } }, create()],
    [{ type: 'CreateCase', caseId: CASE_ID.toUpperCase(), specId: SPEC_ID, data: null }, create(CASE_ID, 'null')],
    [{ type: 'UpdateCaseState', caseId: CASE_ID, newState: 'running' }, move('running')],
    [{ type: 'UpdateCaseState', caseId: CASE_ID, newState: 'failed', error: 'why' }, move('failed', CASE_ID, 'why')],
    [{ type: 'Custom', operation: 'kv.put', data: { key: 'k', value: 'ü' } }, put('k', 'ü')],
    [{ type: 'Custom', operation: 'kv.get', data: { key: 'k' } }, get('k')],
    [{ type: 'Custom', operation: 'kv.delete', data: { key: 'k' } }, remove('k')],
    [{ type: 'Custom', operation: 'kv.cas', data: { key: 'k', expected: null, value: 'v' } }, cas('k', null, 'v')],
    [{ type: 'Custom', operation: 'kv.cas', data: { key: 'k', expected: 'a', value: 'v' } }, cas('k', 'a', 'v')],
    [
      { type: 'Custom', operation: 'other', data: { n: 1 } },
      { type: 'Custom' as const, operation: 'other', data: bytes('{"n":1}') },
    ],
  ])('%j', (json, operation) => {
    expect(operationFromJson(json)).toEqual(operation)
    expect(operationFromJsonText(bytes(JSON.stringify(json)))).toEqual(operation)
    expect(operationFromJson(operationToJson(decodeOperation(encodeOperation(operation))))).toEqual(operation)
  })

  test.each(GOVERNING)('$type', (operation) => {
    const json = operationToJson(decodeOperation(encodeOperation(operation)))
    expect(operationFromJson(json)).toEqual(operation)
    expect(operationFromJsonText(bytes(JSON.stringify(json)))).toEqual(operation)
  })

  test.each([
    [[], 'the operation'],
    [{ type: 'ApplyPolicy', policyId: 'p' }, 'policy'],
    [{ type: 'ApplyPolicy', policyId: '.p', policy: { type: 'Bottom' } }, 'policyId'],
    [{ type: 'ApplyPolicy', policyId: 'p', policy: { type: 'Bottom', more: 1 } }, 'more'],
    [{ type: 'ApplyPolicy', policyId: 'p', policy: { type: 'Conjunction', policies: [] } }, 'policies'],
    [{ type: 'ApplyPolicy', policyId: 'p', policy: { type: 'FailureRate', maxErrorPpm: 1, window: 1_001 } }, 'window'],
    [
      { type: 'ApplyPolicy', policyId: 'p', policy: { type: 'FailureRate', maxErrorPpm: 1, maxErrorRate: 1 } },
      'maxErrorRate',
    ],
    [ruleJson({ name: ' ' }), 'name'],
    [ruleJson({ enforcement: 'Must' }), 'enforcement'],
    [ruleJson({ guard: 1 }), 'guard'],
    [ruleJson({ effectiveDateMs: 5, expiresMs: 5 }), 'expiresMs'],
    [ruleJson({ operations: ['UpdateCaseState:done'] }), 'operations'],
    [ruleJson({ operations: ['CreateCase', 'CreateCase'] }), 'operations'],
    [ruleJson({ specIds: ['x'] }), 'specIds'],
    [ruleJson({ constraint: { type: 'Ban' } }), 'type'],
    [ruleJson({ constraint: { type: 'ApprovalChain', requiredSigners: 0, roles: ['admin'] } }), 'requiredSigners'],
    [ruleJson({ constraint: { type: 'ApprovalChain', requiredSigners: 1, roles: ['king'] } }), 'roles'],
    [ruleJson({ constraint: { type: 'SegregationOfDuties', incompatibleRoles: ['creator'] } }), 'incompatibleRoles'],
    [ruleJson({ constraint: { type: 'TimeWindow', startHour: 9, endHour: 9, days: ['Mon'] } }), 'endHour'],
    [ruleJson({ constraint: { type: 'TimeWindow', startHour: 9, endHour: 25, days: ['Mon'] } }), 'endHour'],
    [ruleJson({ constraint: { type: 'Schema', schema: { pattern: 'a' } } }), 'schema'],
    [ruleJson({ constraint: { type: 'Custom', ruleType: 'a b' } }), 'ruleType'],
    [ruleJson({ constraint: { type: 'Custom', ruleType: 'a', params: { a: 0.5 } } }), 'params'],
    [
      { type: 'SetClient', clientId: 'Ben', publicKey: Buffer.alloc(32).toString('base64'), role: 'reader' },
      'clientId',
    ],
    [{ type: 'SetClient', clientId: 'ben', publicKey: 'AAAA', role: 'reader' }, 'publicKey'],
    [{ type: 'SetClient', clientId: 'ben', publicKey: 'AAA', role: 'reader' }, 'publicKey'],
    [{ type: 'SetClient', clientId: 'ben', publicKey: Buffer.alloc(32).toString('base64'), role: 'king' }, 'role'],
    [{ type: 'SetQuota', casesMax: -1 }, 'casesMax'],
    [{ type: 'SetQuota', cases: 1 }, 'cases'],
    [{ type: 'PurgeCases', caseIds: [] }, 'caseIds'],
    [{ type: 'Approved', operation: { type: 'CloseSession' }, approvals: [] }, 'approvals'],
    [{ type: 'Nothing' }, 'type'],
    [{ type: 'CreateCase', ...caseFields }, 'data'],
    [{ type: 'CreateCase', ...caseFields, data: 5 }, 'data'],
    [{ type: 'CreateCase', ...caseFields, data: {}, extra: 1 }, 'extra'],
    [{ type: 'CreateCase', ...caseFields, caseId: 'x', data: {} }, 'caseId'],
    [{ type: 'UpdateCaseState', caseId: CASE_ID, newState: 'done' }, 'newState'],
    [{ type: 'UpdateCaseState', caseId: CASE_ID, newState: 'failed', error: 5 }, 'error'],
    [{ type: 'Custom', operation: 'kv.put', data: { key: 'k' } }, 'value'],
    [{ type: 'Custom', operation: 'kv.put', data: { key: '', value: '' } }, 'key'],
    [{ type: 'Custom', operation: 'kv.get', data: { key: 'k', value: 'v' } }, 'value'],
    [{ type: 'Custom', operation: 'kv.cas', data: { key: 'k', value: 'v' } }, 'expected'],
    [{ type: 'Custom', operation: 'kv.put', data: { key: '\ud800', value: '' } }, 'key'],
    [{ type: 'Custom', operation: '', data: {} }, 'operation'],
  ])('%j names the field %s', (json, field) => {
    let caught: unknown
    try {
      operationFromJson(json)
    } catch (error) {
      caught = error
    }
    expect(hasCode(caught, 'InvalidArgument') && caught.details.field).toBe(field)
  })

  test('the data of a case stays as it was written in the line', () => {
    const data = '{ "amount": 12345678901234567890.10 , "x":1e400}'
    const operation = operationFromJsonText(
      bytes(`{"type":"CreateCase","caseId":"${CASE_ID}","data": ${data} ,"specId":"${SPEC_ID}"}`),
    )
    expect(operation.type === 'CreateCase' && text(operation.data)).toBe(data)
  })

  test('a line with a repeated key is refused, in the data too', () => {
    for (const line of [
      '{"type":"CloseSession","type":"CloseSession"}',
      `{"type":"CreateCase","caseId":"${CASE_ID}","specId":"${SPEC_ID}","data":{"a":1,"a":2}}`,
    ]) {
      expect(() => operationFromJsonText(bytes(line))).toThrow(/repeats a key/)
    }
  })
})
