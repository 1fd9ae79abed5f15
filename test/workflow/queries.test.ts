/** Shows the queries: filters, order, paging through everything exactly once, and arguments refused by name. */
import { beforeAll, describe, expect, test } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import { PAGE_BYTES_MAX } from '../../src/workflow/limits.js'
import { bytes, CASE_ID, create, move, put, SPEC_ID, START_MS, Story, text } from './harness.js'

const story = new Story()
const OTHER_SPEC = SPEC_ID.replace('a', 'b')
const caseIdOf = (n: number) => `${n.toString(16).padStart(8, '0')}${CASE_ID.slice(8)}`

interface CasePage {
  readonly cases: { readonly caseId: string; readonly state: string }[]
  readonly cursor: string | null
}
interface KvPage {
  readonly pairs: { readonly key: Uint8Array; readonly value: Uint8Array | null }[]
  readonly cursor: string | null
}

beforeAll(() => {
  const session = story.open()
  for (let n = 0; n < 90; n++) {
    story.nowMs = START_MS + n
    story.submit(session, [create(caseIdOf(89 - n), '{"n":1}', n % 2 === 0 ? SPEC_ID : OTHER_SPEC)])
    if (n % 3 === 0) story.submit(session, [move('running', caseIdOf(89 - n))])
    story.submit(session, [put(`key/${String(n).padStart(2, '0')}`, 'v'.repeat(n))])
  }
  story.submit(session, [put('other', 'x')])
})

function allCases(args: Record<string, unknown>): string[] {
  const ids: string[] = []
  for (let cursor: string | null = null; ; ) {
    const page = story.query('case.list', { ...args, cursor }) as CasePage
    ids.push(...page.cases.map(({ caseId }) => caseId))
    cursor = page.cursor
    if (cursor === null) return ids
  }
}

const made = Array.from({ length: 90 }, (_, n) => ({ id: caseIdOf(89 - n), n }))
const ids = (pick: (n: number) => boolean) => made.filter(({ n }) => pick(n)).map(({ id }) => id)

describe('case.list', () => {
  test.each([1, 7, 32, 33, 89, 90, 91, 1_000])('pages of %i give every case once, in order of creation', (limit) => {
    expect(allCases({ limit })).toEqual(ids(() => true))
    expect(allCases({ limit, reverse: true })).toEqual(ids(() => true).reverse())
  })

  test('filters by state, spec and time, alone and together', () => {
    expect(allCases({ state: 'running' })).toEqual(ids((n) => n % 3 === 0))
    expect(allCases({ specId: OTHER_SPEC, limit: 4 })).toEqual(ids((n) => n % 2 === 1))
    expect(allCases({ specId: SPEC_ID, state: 'running', limit: 4 })).toEqual(ids((n) => n % 6 === 0))
    expect(allCases({ fromMs: START_MS + 10, toMs: START_MS + 20 })).toEqual(ids((n) => n >= 10 && n < 20))
    expect(allCases({ state: 'created', fromMs: START_MS + 80, reverse: true })).toEqual(
      ids((n) => n >= 80 && n % 3 !== 0).reverse(),
    )
    expect(allCases({ state: 'failed' })).toEqual([])
  })
})

describe('kv.list', () => {
  const keys = (args: Record<string, unknown>) => {
    const found: string[] = []
    for (let cursor: string | null = null; ; ) {
      const page = story.query('kv.list', { ...args, cursor }) as KvPage
      found.push(...page.pairs.map(({ key }) => text(key)))
      cursor = page.cursor
      if (cursor === null) return found
    }
  }
  const expected = Array.from({ length: 90 }, (_, n) => `key/${String(n).padStart(2, '0')}`)

  test('prefix, range, order and paging', () => {
    expect(keys({})).toEqual([...expected, 'other'])
    expect(keys({ prefix: bytes('key/'), limit: 7 })).toEqual(expected)
    expect(keys({ prefix: bytes('key/'), limit: 7, reverse: true })).toEqual([...expected].reverse())
    expect(keys({ from: bytes('key/85'), to: bytes('key/88') })).toEqual(expected.slice(85, 88))
    expect(keys({ from: bytes('key/88') })).toEqual([...expected.slice(88), 'other'])
    expect(keys({ prefix: bytes('nothing') })).toEqual([])
  })

  test('values on request, with the index of their last write', () => {
    const page = story.query('kv.list', { prefix: bytes('key/03'), keysOnly: false }) as KvPage
    expect(page.pairs).toEqual([{ key: bytes('key/03'), value: bytes('vvv'), index: expect.any(Number) }])
    expect((story.query('kv.list', { prefix: bytes('key/03'), keysOnly: true }) as KvPage).pairs[0]?.value).toBeNull()
  })

  test('a page of large values ends early, and the next goes on', () => {
    const large = new Story()
    const session = large.open()
    for (let n = 0; n < 9; n++) large.submit(session, [put(`${n}`, 'x'.repeat(1_000_000))])
    const sizes: number[] = []
    for (let cursor: string | null = null; ; ) {
      const page = large.query('kv.list', { cursor }) as KvPage
      sizes.push(page.pairs.length)
      cursor = page.cursor
      if (cursor === null) break
    }
    const full = Math.ceil(PAGE_BYTES_MAX / 1_000_008)
    expect(sizes).toEqual([full, full, 9 - 2 * full])
  })
})

test('the history of a case comes in pages too', () => {
  const first = story.query('case.history', { caseId: caseIdOf(89), limit: 1 }) as {
    events: { state: string }[]
    cursor: string
  }
  const second = story.query('case.history', { caseId: caseIdOf(89), cursor: first.cursor }) as typeof first
  expect([first, second].map(({ events }) => events.map(({ state }) => state))).toEqual([['created'], ['running']])
  expect(second.cursor).toBeNull()
})

test.each([
  ['case.get', {}, 'InvalidArgument', 'caseId'],
  ['case.get', { caseId: 'x' }, 'InvalidArgument', 'caseId'],
  ['case.get', { caseId: CASE_ID }, 'CaseNotFound', undefined],
  ['case.history', { caseId: CASE_ID }, 'CaseNotFound', undefined],
  ['case.get', { caseId: CASE_ID, more: 1 }, 'InvalidArgument', 'more'],
  ['case.list', { state: 'done' }, 'InvalidArgument', 'state'],
  ['case.list', { limit: 0 }, 'InvalidArgument', 'limit'],
  ['case.list', { limit: 1_001 }, 'InvalidArgument', 'limit'],
  ['case.list', { limit: 1.5 }, 'InvalidArgument', 'limit'],
  ['case.list', { fromMs: -1 }, 'InvalidArgument', 'fromMs'],
  ['case.list', { reverse: 'yes' }, 'InvalidArgument', 'reverse'],
  ['case.list', { state: 'running', cursor: '00' }, 'InvalidArgument', 'cursor'],
  ['case.list', { cursor: 'zz' }, 'InvalidArgument', undefined],
  ['kv.get', { key: 'text' }, 'InvalidArgument', 'key'],
  ['kv.get', { key: new Uint8Array(0) }, 'InvalidArgument', 'key'],
  ['kv.get', { key: new Uint8Array(2_000) }, 'InvalidArgument', 'key'],
  ['kv.list', { prefix: bytes('a'), from: bytes('a') }, 'InvalidArgument', 'prefix'],
  ['nothing', {}, 'NotFound', undefined],
])('%s %j is refused: %s %s', (name, args, code, field) => {
  let caught: unknown
  try {
    story.query(name, args)
  } catch (error) {
    caught = error
  }
  expect(hasCode(caught, code as 'NotFound')).toBe(true)
  if (field !== undefined) expect(hasCode(caught, 'InvalidArgument') && caught.details.field).toBe(field)
})
