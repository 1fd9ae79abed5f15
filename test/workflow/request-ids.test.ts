/**
 * Shows that an operation under a request id is applied once, whoever of one client sends it again, in whatever
 * session; that the first result comes back with its place for a day of log time; and that ids are bounded, part
 * of the state, and the same after a restart.
 */
import { expect, test } from 'vitest'
import { matchesFilter } from '../../src/workflow/change-filter.js'
import {
  EXPIRIES_PER_ENTRY_MAX,
  REQUEST_ID_TTL_MS,
  REQUEST_IDS_MAX,
  REQUEST_IDS_PER_CLIENT_MAX,
} from '../../src/workflow/limits.js'
import { decodeOperation, encodeOperation } from '../../src/workflow/operation-codec.js'
import { operationFromJson, operationFromJsonText, operationToJson } from '../../src/workflow/operation-json.js'
import type { Operation } from '../../src/workflow/operations.js'
import { REQUEST_ID_QUEUE_SPACE, REQUEST_ID_SPACE } from '../../src/workflow/state-keys.js'
import { bytes, CASE_ID, cas, codeOf, create, get, move, put, requestOf, Story } from './harness.js'

const once = (requestId: string, operation: Operation): Operation => ({ type: 'Once', requestId, operation })
const kept = (story: Story): number =>
  [...story.state.pairs.keys()].filter((key) => key[0] === REQUEST_ID_SPACE || key[0] === REQUEST_ID_QUEUE_SPACE).length

test('another session of the same client gets the first result, with the place where it was applied', () => {
  const story = new Story()
  const [first] = story.submit(story.open(), [once('release-7', put('a', '1'))])
  expect(codeOf(first)).toBe('ok')
  story.submit(story.open(), [put('a', '2')])
  const later = story.open()
  expect(story.submit(later, [get('a'), once('release-7', put('a', '1')), get('a')])[1]).toEqual(first)
  const [value, , after] = story.submit(later, [get('a'), once('release-7', put('a', '1')), get('a')])
  expect(value?.outcome).toEqual(after?.outcome)
})

test('a retry inside the session gives what its first answer gave, kept or new', () => {
  const story = new Story()
  story.submit(story.open(), [once('id', put('a', '1'))])
  const session = story.open()
  const request = requestOf([once('id', put('a', '1')), once('other', put('b', '1'))], { session })
  const [first] = story.apply(request)
  story.restart()
  expect(story.apply(request)[0]).toEqual(first)
  expect(first?.[0]?.index).toBeLessThan(first?.[1]?.index ?? 0)
})

test('a rejection is a first result too; one that says nothing about the operation is not', () => {
  const story = new Story()
  const session = story.open()
  const [missing] = story.submit(session, [once('start', move('running'))])
  expect(codeOf(missing)).toBe('CaseNotFound')
  story.submit(session, [create()])
  expect(story.submit(session, [once('start', move('running'))])).toEqual([missing])
  expect(story.submit(session, [once('again', move('running'))]).map(codeOf)).toEqual(['ok'])
  const reader = story.open('reader')
  expect(story.submit(reader, [once('x', put('a', '1'))], 'reader').map(codeOf)).toEqual(['NotPermitted'])
  expect(story.machine.requestKeys.size).toBe(2)
})

test('an id of another operation is refused; the same id of another client is another one', () => {
  const story = new Story()
  const session = story.open()
  const [first] = story.submit(session, [once('id', put('a', '1'))])
  const [other] = story.submit(session, [once('id', put('a', '2'))])
  expect(other?.outcome).toMatchObject({ code: 'RequestIdReused', details: { appliedIndex: first?.index } })
  expect(story.submit(story.open('admin'), [once('id', put('a', '2'))], 'admin').map(codeOf)).toEqual(['ok'])
})

test('what it stands around is governed and permitted like any operation, and never about sessions', () => {
  const story = new Story()
  const admin = story.open('admin')
  const policy = { type: 'ApplyPolicy', policyId: 'p', policy: { type: 'Bottom' } } as const
  expect(story.submit(admin, [once('stop', policy)], 'admin').map(codeOf)).toEqual(['ok'])
  expect(codeOf(story.submit(story.open(), [once('case', create())])[0])).toBe('PolicyViolation')
  const nested = (inner: readonly number[]) => Uint8Array.from([18, 1, 0x61, inner.length, 0, 0, 0, ...inner])
  for (const inner of [[1, 0], [2], [17], [18, 1, 0x61, 0, 0, 0, 0], []]) {
    expect(story.submit(story.open(), [nested(inner)]).map(codeOf), String(inner)).toEqual(['InvalidOperation'])
  }
})

test('a small read is kept like any result; a large one is refused', () => {
  const story = new Story()
  const session = story.open()
  story.submit(session, [put('a', '1'), put('long', 'x'.repeat(2_000))])
  const [small] = story.submit(session, [once('read', get('a'))])
  story.submit(session, [put('a', '2')])
  expect(story.submit(session, [once('read', get('a'))])).toEqual([small])
  expect(codeOf(story.submit(session, [once('long', get('long'))])[0])).toBe('InvalidOperation')
})

test('after a day of log time an id is free again, at once, and forgotten soon after, a bounded number per entry', () => {
  const story = new Story()
  const ids = Array.from({ length: EXPIRIES_PER_ENTRY_MAX + 2 }, (_, i) => once(`id-${i}`, cas('a', null, '1')))
  const results = story.submit(story.open(), ids)
  expect(codeOf(results[0])).toBe('ok')
  const last = `id-${EXPIRIES_PER_ENTRY_MAX + 1}`
  story.nowMs += REQUEST_ID_TTL_MS - 1
  expect(story.submit(story.open(), [once(last, cas('a', null, '1'))])[0]?.index).toBe(results[0]?.index)
  story.nowMs += 1
  // Opening the session is the entry that forgets the oldest; the newest are still stored, and in use again.
  const session = story.open()
  expect(story.machine.requestKeys.size).toBe(2)
  story.restart()
  const [again] = story.submit(session, [once(last, cas('a', '1', '2'))])
  expect(codeOf(again)).toBe('ok')
  story.apply(requestOf([{ type: 'Fence' }]))
  expect(story.submit(session, [once(last, cas('a', '1', '2'))])).toEqual([again])
  story.nowMs += REQUEST_ID_TTL_MS
  story.apply(requestOf([{ type: 'Fence' }]))
  expect(kept(story)).toBe(0)
})

test('a restarted machine goes on with the same queue, and an empty one begins anew on both', () => {
  const [steady, restarted] = [new Story(), new Story()]
  for (const story of [steady, restarted]) {
    const step = (id: string, passedMs: number) => {
      story.nowMs += passedMs
      if (story === restarted) story.restart()
      return story.submit(story.open(), [once(id, put('a', id))])
    }
    for (const [id, passedMs] of [
      ['a', 0],
      ['b', 5],
      ['a', 5],
      ['c', REQUEST_ID_TTL_MS - 5],
      ['d', 2 * REQUEST_ID_TTL_MS],
    ] as const)
      step(id, passedMs)
  }
  expect(restarted.digests()).toEqual(steady.digests())
})

test('one client cannot take all ids, and all of them are bounded', () => {
  const story = new Story()
  const clients = ['writer', 'operator', 'admin']
  const share = Math.min(REQUEST_IDS_PER_CLIENT_MAX, REQUEST_IDS_MAX)
  const session = story.open()
  const ids = Array.from({ length: share }, (_, i) => once(`id-${i}`, cas('none', 'x', 'y')))
  story.submit(session, ids)
  const [over] = story.submit(session, [once('over', put('a', '1'))])
  expect(codeOf(over)).toBe('ResourceExhausted')
  expect(codeOf(story.submit(session, [put('a', '1')])[0])).toBe('ok')
  expect(story.submit(session, [once('id-0', cas('none', 'x', 'y'))]).map(codeOf)).toEqual(['CompareMismatch'])
  for (const client of clients.slice(1))
    expect(codeOf(story.submit(story.open(client), [once('over', put('a', '1'))], client)[0])).toBe('ok')
  expect(REQUEST_IDS_MAX).toBeGreaterThan(2 * share)
})

test('the encoding is strict, and the JSON form keeps the data of a case as it was written', () => {
  for (const operation of [put('a', '1'), create(CASE_ID), move('failed', CASE_ID, 'why')]) {
    const value = once('id/1', operation)
    expect(decodeOperation(encodeOperation(value))).toEqual(value)
    expect(operationFromJson(operationToJson(value))).toEqual(value)
  }
  for (const requestId of ['', 'a b', 'ü', 'x'.repeat(129)])
    expect(() => encodeOperation(once(requestId, put('a', '1')))).toThrow(/requestId is not/)
  for (const operation of [{ type: 'CloseSession' }, { type: 'Fence' }, once('b', put('a', '1'))] as const)
    expect(() => encodeOperation(once('a', operation))).toThrow(/operation is none/)
  const data = '{"amount": 1.50}'
  const line = `{"type":"Once","requestId":"a","operation":${JSON.stringify({
    type: 'CreateCase',
    caseId: CASE_ID,
    specId: CASE_ID,
  }).slice(0, -1)},"data":${data}}}`
  expect(operationFromJsonText(bytes(line))).toMatchObject({ operation: { data: bytes(data) } })
  const approved = Uint8Array.from([11, ...[0, 0, 0, 0], 0])
  expect(() => decodeOperation(approved)).toThrow(expect.objectContaining({ code: 'ProtocolViolation' }))
})

test('a stream of changes finds it by what stands inside', () => {
  const change = { type: 'Once', operation: operationToJson(once('a', put('colour', 'red'))) } as const
  const all = { type: null, caseId: null, keyPrefix: null }
  expect(matchesFilter(change, { ...all, type: 'Custom', keyPrefix: 'col' })).toBe(true)
  expect(matchesFilter(change, { ...all, type: 'Once' })).toBe(true)
  expect(matchesFilter(change, { ...all, type: 'CreateCase' })).toBe(false)
})
