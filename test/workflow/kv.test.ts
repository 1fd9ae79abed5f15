/** Shows that the key-value operations mean what a plain map means, for any sequence of them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeKv } from '../../src/workflow/kv-codec.js'
import { KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX } from '../../src/workflow/limits.js'
import type { Operation } from '../../src/workflow/operations.js'
import { decodeResult } from '../../src/workflow/result-data.js'
import { bytes, cas, codeOf, codesOf, get, put, remove, Story, text } from './harness.js'

const keys = fc.constantFrom('a', 'b', 'ü', 'a\u0000b')
const values = fc.constantFrom('', 'x', 'yy', 'ÿ')
const operations = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key: keys, value: values }),
  fc.record({ kind: fc.constant('get' as const), key: keys }),
  fc.record({ kind: fc.constant('delete' as const), key: keys }),
  fc.record({ kind: fc.constant('cas' as const), key: keys, expected: fc.option(values), value: values }),
)

test('any sequence of put, get, delete and cas agrees with a map', () => {
  fc.assert(
    fc.property(fc.array(operations, { maxLength: 60 }), (script) => {
      const story = new Story()
      const session = story.open()
      const model = new Map<string, string>()
      for (const step of script) {
        if (step.kind === 'put') {
          expect(codeOf(story.submit(session, [put(step.key, step.value)])[0])).toBe('ok')
          model.set(step.key, step.value)
        } else if (step.kind === 'get') {
          const data = dataOf(story, session, get(step.key))
          expect(data?.value === null ? undefined : text(data?.value as Uint8Array)).toBe(model.get(step.key))
        } else if (step.kind === 'delete') {
          expect(dataOf(story, session, remove(step.key))).toMatchObject({ existed: model.delete(step.key) })
        } else {
          const matches = (model.get(step.key) ?? null) === step.expected
          const [result] = story.submit(session, [cas(step.key, step.expected, step.value)])
          expect(codeOf(result)).toBe(matches ? 'ok' : 'CompareMismatch')
          if (matches) model.set(step.key, step.value)
        }
      }
      const { pairs } = story.query('kv.list') as { pairs: { key: Uint8Array; value: Uint8Array }[] }
      expect(new Map(pairs.map(({ key, value }) => [text(key), text(value)]))).toEqual(model)
    }),
    { numRuns: 60 },
  )
})

function dataOf(story: Story, session: ReturnType<Story['open']>, operation: Operation) {
  const [result] = story.submit(session, [operation])
  if (result === undefined) throw new Error('no result')
  return decodeResult(operation, result.outcome)
}

test('a read and a mismatch name the index of the last write', () => {
  const story = new Story()
  const session = story.open()
  story.submit(session, [put('k', 'v')])
  const [result, mismatch] = story.submit(session, [get('k'), cas('k', 'other', 'w')])
  expect(result && decodeResult(get('k'), result.outcome)).toEqual({ key: bytes('k'), value: bytes('v'), index: 2 })
  expect(mismatch?.outcome).toMatchObject({ code: 'CompareMismatch', details: { absent: false, currentIndex: 2 } })
  expect(story.query('kv.get', { key: bytes('k') })).toEqual({ key: bytes('k'), value: bytes('v'), index: 2 })
  expect(story.query('kv.get', { key: bytes('absent') })).toEqual({ key: bytes('absent'), value: null, index: null })
})

test('keys and values at their limits are taken, over them rejected', () => {
  const story = new Story()
  const session = story.open()
  const raw = (keyLength: number, valueLength: number): Uint8Array => {
    const data = new Uint8Array(2 + keyLength + 4 + valueLength)
    new DataView(data.buffer).setUint16(0, keyLength, true)
    new DataView(data.buffer).setUint32(2 + keyLength, valueLength, true)
    const operation = new Uint8Array(12 + data.length)
    operation.set([16, 6, ...bytes('kv.put')])
    new DataView(operation.buffer).setUint32(8, data.length, true)
    operation.set(data, 12)
    return operation
  }
  expect(decodeKv('kv.put', raw(3, 4).subarray(12))).toMatchObject({ operation: 'kv.put' })
  const sizes: [number, number][] = [
    [KV_KEY_BYTES_MAX, 1],
    [1, KV_VALUE_BYTES_MAX],
    [0, 1],
    [KV_KEY_BYTES_MAX + 1, 1],
    [1, KV_VALUE_BYTES_MAX + 1],
  ]
  const results = story.submit(
    session,
    sizes.map(([key, value]) => raw(key, value)),
  )
  expect(codesOf(results)).toEqual(['ok', 'ok', 'InvalidOperation', 'InvalidOperation', 'InvalidOperation'])
})

test('an operation that no handler knows is rejected by name', () => {
  const story = new Story()
  const [result] = story.submit(story.open(), [{ type: 'Custom', operation: 'kv.increment', data: new Uint8Array(0) }])
  expect(result?.outcome).toMatchObject({ code: 'UnknownOperation', details: { operation: 'kv.increment' } })
})
