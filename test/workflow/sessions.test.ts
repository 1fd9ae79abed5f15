/**
 * Shows exactly-once: duplicates get the first result, the window moves only by acknowledgement, and
 * sessions end by closing, by log time and by their bounds.
 */
import { expect, test } from 'vitest'
import { encodeBody } from '../../src/consensus/request-body.js'
import {
  EXPIRIES_PER_ENTRY_MAX,
  RESULT_BYTES_MAX,
  SESSION_RESULT_BYTES_MAX,
  SESSION_TTL_MS,
  SESSION_WINDOW,
  SESSIONS_MAX,
  SMALL_RESULT_BYTES,
} from '../../src/workflow/limits.js'
import type { Operation } from '../../src/workflow/operations.js'
import type { PlacedResult } from '../../src/workflow/result-codec.js'
import { MACHINE_SPACE, RESULT_SPACE, SESSION_SPACE } from '../../src/workflow/state-keys.js'
import { bytes, cas, codeOf, codesOf, get, put, requestOf, START_MS, Story } from './harness.js'

const OPEN: Operation = { type: 'OpenSession', ordered: false }

test('a retry is answered with the first result and the place where it was applied', () => {
  const story = new Story()
  const session = story.open()
  const request = requestOf([cas('k', null, 'a'), cas('k', null, 'b')], { session })
  const [first] = story.apply(request)
  expect(codesOf(first)).toEqual(['ok', 'CompareMismatch'])
  const [again, inSameEntry] = story.apply(request, request)
  expect(again).toEqual(first)
  expect(inSameEntry).toEqual(first)
  story.restart()
  expect(story.apply(request)).toEqual([first])
})

test('a batch is deduplicated operation by operation', () => {
  const story = new Story()
  const session = story.open()
  story.apply(requestOf([put('a', '1'), put('b', '1')], { session, sequence: 2 }))
  const [results] = story.apply(
    requestOf([cas('a', '1', '2'), cas('b', '1', '2'), cas('a', '1', '3')], { session, sequence: 1 }),
  )
  // Numbers 2 and 3 were applied before as puts: their results stand, only number 1 runs.
  expect(results?.map(({ index, position }) => [index, position])).toEqual([
    [3, 0],
    [2, 0],
    [2, 1],
  ])
  expect(codesOf(results)).toEqual(['ok', 'ok', 'ok'])
  expect(story.query('kv.get', { key: bytes('b') })).toMatchObject({ value: bytes('1') })
})

test('what is acknowledged is forgotten: a late duplicate is stale, and never runs again', () => {
  const story = new Story()
  const session = story.open()
  const first = requestOf([put('k', 'old')], { session, sequence: 1 })
  story.apply(first)
  story.apply(requestOf([put('k', 'new')], { session, sequence: 2, ackedBelow: 2 }))
  expect(codesOf(story.apply(first)[0])).toEqual(['SequenceStale'])
  expect(story.query('kv.get', { key: bytes('k') })).toMatchObject({ value: bytes('new') })
})

test('acknowledgement never moves back, and sequence numbers count from 1', () => {
  const story = new Story()
  const session = story.open()
  story.apply(requestOf([put('k', '1')], { session, sequence: 9, ackedBelow: 9 }))
  expect(codesOf(story.apply(requestOf([put('k', '2')], { session, sequence: 8, ackedBelow: 2 }))[0])).toEqual([
    'SequenceStale',
  ])
  const fresh = story.open()
  expect(codesOf(story.apply(requestOf([put('k', '0')], { session: fresh, sequence: 0, ackedBelow: 0 }))[0])).toEqual([
    'SequenceStale',
  ])
})

test('a request is refused, unexecuted and every time, iff it reaches over the window of its own acknowledgement', () => {
  const story = new Story()
  const session = story.open()
  const inside = requestOf([put('k', 'in')], { session, sequence: SESSION_WINDOW, ackedBelow: 1 })
  const outside = requestOf([put('k', 'out')], { session, sequence: SESSION_WINDOW + 1, ackedBelow: 1 })
  expect(codesOf(story.apply(inside)[0])).toEqual(['ok'])
  expect(codesOf(story.apply(outside)[0])).toEqual(['SequenceTooFar'])
  // The window moves by another request; the refused one is refused again.
  story.apply(requestOf([put('j', 'x')], { session, sequence: SESSION_WINDOW + 2, ackedBelow: SESSION_WINDOW + 1 }))
  expect(codesOf(story.apply(outside)[0])).toEqual(['SequenceTooFar'])
  expect(story.query('kv.get', { key: bytes('k') })).toMatchObject({ value: bytes('in') })
  // A batch counts with its last number.
  const batch = requestOf([put('k', 'x'), put('k', 'y')], {
    session,
    sequence: 2 * SESSION_WINDOW,
    ackedBelow: SESSION_WINDOW + 1,
  })
  expect(codesOf(story.apply(batch)[0])).toEqual(['SequenceTooFar', 'SequenceTooFar'])
})

test('an ordered session refuses a gap without using the number up', () => {
  const story = new Story()
  const session = story.open('writer', true)
  const second = requestOf([put('k', '2')], { session, sequence: 2 })
  expect(codesOf(story.apply(second)[0])).toEqual(['SequenceGap'])
  expect(codesOf(story.apply(requestOf([put('k', '1')], { session, sequence: 1 }))[0])).toEqual(['ok'])
  story.restart()
  expect(codesOf(story.apply(second)[0])).toEqual(['ok'])
  expect(story.query('kv.get', { key: bytes('k') })).toMatchObject({ value: bytes('2') })
})

test('an ordered session goes on behind what its client acknowledged', () => {
  const story = new Story()
  const session = story.open('writer', true)
  const behind = requestOf([put('k', '9')], { session, sequence: 9, ackedBelow: 9 })
  expect(codesOf(story.apply(behind)[0])).toEqual(['ok'])
  expect(codesOf(story.apply(requestOf([put('k', '10')], { session, sequence: 10, ackedBelow: 9 }))[0])).toEqual(['ok'])
})

test('a session belongs to its client key', () => {
  const story = new Story()
  const session = story.open('writer')
  expect(codesOf(story.apply(requestOf([put('k', 'v')], { session, client: 'admin' }))[0])).toEqual(['NotPermitted'])
  expect(story.query('sessions.list')).toMatchObject({ count: 1, sessions: [{ client: 'the-writer', keptResults: 0 }] })
})

test('a closed session is expired at once, for the rest of its request too', () => {
  const story = new Story()
  const session = story.open()
  expect(
    codesOf(story.apply(requestOf([put('k', 'v'), { type: 'CloseSession' }, put('k', 'w')], { session }))[0]),
  ).toEqual(['ok', 'ok', 'SessionExpired'])
  expect(codesOf(story.apply(requestOf([put('k', 'w')], { session, sequence: 9 }))[0])).toEqual(['SessionExpired'])
  expect(story.machine.sessions.size).toBe(0)
})

test('without a session only OpenSession is possible, and several of one entry have names of their own', () => {
  const story = new Story()
  expect(codesOf(story.apply(requestOf([put('k', 'v')]))[0])).toEqual(['InvalidOperation'])
  const [opened] = story.apply(requestOf([OPEN, OPEN]))
  expect(codesOf(opened)).toEqual(['ok', 'ok'])
  const results = story.apply(
    requestOf([put('a', '1')], { session: { index: 2, offset: 0 } }),
    requestOf([put('b', '1')], { session: { index: 2, offset: 1 } }),
    requestOf([put('c', '1')], { session: { index: 2, offset: 2 } }),
  )
  expect(results.map(codesOf)).toEqual([['ok'], ['ok'], ['SessionExpired']])
})

test('a session expires after an hour of log time without use, and only then', () => {
  const story = new Story()
  const idle = story.open()
  const used = story.open()
  story.nowMs = START_MS + SESSION_TTL_MS - 1
  expect(codeOf(story.submit(used, [put('k', 'v')])[0])).toBe('ok')
  expect(story.machine.sessions.size).toBe(2)
  story.nowMs = START_MS + SESSION_TTL_MS
  expect(codeOf(story.submit(used, [put('k', 'v')])[0])).toBe('ok')
  expect(story.machine.sessions.size).toBe(1)
  expect(codeOf(story.submit(idle, [put('k', 'v')])[0])).toBe('SessionExpired')
})

test('log time never goes back: an entry with an older stamp expires nothing early and revives nothing', () => {
  const story = new Story()
  const session = story.open()
  story.nowMs = START_MS + SESSION_TTL_MS
  story.open()
  story.nowMs = START_MS
  expect(codeOf(story.submit(session, [put('k', 'v')])[0])).toBe('SessionExpired')
  expect(story.machine.nowMs).toBe(START_MS + SESSION_TTL_MS)
})

test('the table is bounded; expiry makes room, a bounded number per entry', () => {
  const story = new Story()
  const [opened] = story.apply(requestOf(new Array<Operation>(SESSIONS_MAX + 1).fill(OPEN)))
  expect(codeOf(opened?.[SESSIONS_MAX - 1])).toBe('ok')
  expect(codeOf(opened?.[SESSIONS_MAX])).toBe('SessionLimit')
  story.nowMs = START_MS + SESSION_TTL_MS
  expect(codesOf(story.apply(requestOf([OPEN]))[0])).toEqual(['ok'])
  expect(story.machine.sessions.size).toBe(SESSIONS_MAX - EXPIRIES_PER_ENTRY_MAX + 1)
  // What is not removed yet is refused all the same.
  const last = { index: 1, offset: SESSIONS_MAX - 1 }
  expect(codesOf(story.apply(requestOf([put('k', 'v')], { session: last }))[0])).toEqual(['SessionExpired'])
})

test('large results that nobody acknowledges are bounded; writes go on', () => {
  const story = new Story()
  const session = story.open()
  const value = 'x'.repeat(1_000_000)
  const operations = [put('k', value), get('k'), get('k'), get('k'), get('k'), get('k'), put('k', 'small'), get('k')]
  const request = requestOf(operations, { session })
  const [results] = story.apply(request)
  expect(codesOf(results)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ResourceExhausted', 'ok', 'ok'])
  const [row] = (story.query('sessions.list') as { sessions: { keptBytes: number }[] }).sessions
  expect(row?.keptBytes).toBeLessThanOrEqual(SESSION_RESULT_BYTES_MAX)
  const [again] = story.apply(request)
  expect(codesOf(again)).toEqual(codesOf(results))
  expect(payloadSizes(again)).toEqual(payloadSizes(results))
  expect(codesOf(story.apply(requestOf([put('k', value)], { session, sequence: 9, ackedBelow: 9 }))[0])).toEqual(['ok'])
  expect(codesOf(story.apply(requestOf([get('k')], { session, sequence: 10, ackedBelow: 9 }))[0])).toEqual(['ok'])
})

const payloadSizes = (results: readonly PlacedResult[] | undefined) =>
  results?.map(({ outcome }) => (outcome.ok ? outcome.payload.length : null))

test('many results of middling size are bounded like few large ones: an answer never outgrows its frame', () => {
  const story = new Story()
  const session = story.open()
  story.submit(session, [put('k', 'x'.repeat(1_000))])
  const request = requestOf(new Array<Operation>(60_000).fill(get('k')), { session, sequence: 2, ackedBelow: 2 })
  story.applyBody(encodeBody([request]))
  const [row] = (story.query('sessions.list') as { sessions: { keptBytes: number }[] }).sessions
  expect(row?.keptBytes).toBeGreaterThan(SESSION_RESULT_BYTES_MAX - 2_000)
  expect(row?.keptBytes).toBeLessThan(SESSION_RESULT_BYTES_MAX + 60_000 * SMALL_RESULT_BYTES)
})

test('acknowledged results make room again, for the session and for all', () => {
  const story = new Story()
  const session = story.open()
  story.submit(session, [put('k', 'x'.repeat(1_000_000))])
  const reads = [get('k'), get('k'), get('k'), get('k')]
  for (let read = 0; read < (1.1 * RESULT_BYTES_MAX) / 4_000_000; read++) {
    expect(codesOf(story.submit(session, reads))).toEqual(['ok', 'ok', 'ok', 'ok'])
  }
})

test('a window without results stores none, however it came about', () => {
  const story = new Story()
  const session = story.open()
  const chunks = () =>
    [...story.state.pairs.keys()].filter((key) => key.startsWith(SESSION_SPACE) && key.length > 13).length
  story.submit(session, [get('a'), get('b')])
  story.machine.checkpoint()
  expect(chunks()).toBe(1)
  story.apply(requestOf([get('a')], { session, sequence: 1, ackedBelow: 3 }))
  story.machine.checkpoint()
  expect(chunks()).toBe(0)
})

test('expiry and closing leave nothing behind in the state', () => {
  const story = new Story()
  const before = [...story.state.pairs.keys()]
  const session = story.open()
  story.submit(
    session,
    Array.from({ length: 100 }, (_, i) => get(`k${i}`)),
  )
  story.machine.checkpoint()
  story.submit(session, [{ type: 'CloseSession' }])
  const other = story.open()
  story.apply(
    requestOf(
      Array.from({ length: 100 }, (_, i) => get(`k${i}`)),
      { session: other },
    ),
  )
  story.machine.checkpoint()
  expect(story.state.pairs.size).toBeGreaterThan(before.length + 3)
  story.nowMs += SESSION_TTL_MS
  story.apply(requestOf([OPEN], { client: 'stranger' }))
  story.machine.checkpoint()
  // Log time, and what the entries came to, stay.
  const left = [...story.state.pairs.keys()].filter((key) => key !== MACHINE_SPACE && key[0] !== RESULT_SPACE)
  expect(left).toEqual(before)
})
